"""The counts of the data check, on posts counted by hand and on the files whose defects are known."""

import json
import os
from pathlib import Path

import pytest
from PIL import Image

from mner.data.check import check_posts
from mner.data.context_files import read_contexts
from mner.data.contexts import attach_contexts
from mner.data.readers import read_posts
from mner.posts import Post
from mner.word_tokenizers import TweetTokenizer
from mner.word_tokenizers.raw_posts import raw_post


def post(id, words, tags=None, **more):
    return Post(id, tuple(words.split(" ")), tags and tuple(tags.split()), **more)


@pytest.fixture
def report():
    train = [
        post("1", "St . Louis \xa0", "O O I-LOC O", contexts={"caption": "c"}),
        raw_post("a, bc", TweetTokenizer(), [(0, 1, "PER"), (3, 4, "LOC"), (4, 5, "ORG")], id="2"),
        post("3", "hi", "O"),
        post("4", "hi", "B-ORG"),
        post("5", "x y z v w"),
    ]
    valid = [post("1", "hi", "O"), post("2", "new", "B-PER")]
    labels = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
    return check_posts({"train": train, "valid": valid}, labels=labels, contexts=["caption"])


def test_counts(report):
    train = report.splits["train"]
    assert (train.posts, train.words, train.longest) == (5, 14, 5)
    assert (train.not_annotated, train.without_entity) == (1, 1)
    assert train.entities == {"conlleval": {"LOC": 2, "ORG": 1, "PER": 1}, "strict": {"LOC": 1, "ORG": 1, "PER": 1}}
    assert (train.orphan_tags, train.mismatched_tags) == (1, 0)
    assert train.invisible_words == 1
    assert (train.widened_entities, train.lost_entities) == (["2: 'b' (LOC) -> 'bc'"], ["2: 'c' (ORG)"])
    assert train.unknown_tags == {"B-ORG": 1}
    assert train.missing_contexts == {"caption": 4}
    assert (train.file, train.version, train.images) == (None, None, None)


def test_duplicates(report):
    assert report.splits["train"].duplicates.groups == [["train:3", "train:4"]]
    assert report.splits["train"].duplicates.differing == 1
    assert report.splits["valid"].duplicates.groups == []
    assert report.across.groups == [["train:3", "train:4", "valid:1"]]
    assert report.across.differing == 1


def test_strict_takes_its_scheme_from_the_whole_data():
    # Alone, the second post would pass for BIO, in which B-PER is a whole entity.
    posts = [post("1", "a b", "B-PER E-PER"), post("2", "c", "B-PER"), post("3", "d e", "S-PER I-PER")]
    split = check_posts({"train": posts}).splits["train"]
    assert split.entities["strict"] == {"PER": 2}
    assert split.orphan_tags == 1


def test_entities_that_are_not_listed_are_counted_and_one_split_has_no_duplicates_across():
    posts = [raw_post("#RigaNow", TweetTokenizer(), [(1, 5, "LOC")], id=f"{number}") for number in range(13)]
    text = str(check_posts({"train": posts}))
    assert "entities of train widened: 0: 'Riga' (LOC) -> 'RigaNow', 1: " in text
    assert ", and 3 more" in text
    assert "more than one split" not in text


def test_table_and_json(report):
    text = str(report)
    rows = {line[:40].strip(): line[40:].split() for line in text.splitlines()}
    assert rows["entities, conlleval"] == ["4", "1"]
    assert rows["posts without caption"] == ["4", "2"]
    assert rows["orphan tags (I- after O)"] == ["1", "0"]
    assert "texts in more than one split: 1, 1 of them with different tags" in text
    assert "images of valid: not checked, no image folder" in text
    assert "{'B-ORG': 1}" in text
    assert json.loads(json.dumps(report.to_dict()))["splits"]["train"]["words"] == 14


def test_unknown_version_is_said(tmp_path):
    path = tmp_path / "train.txt"
    path.write_text("IMGID:1\nhi\tO\n", encoding="utf-8")
    report = check_posts({"train": read_posts(path)}, files={"train": path})
    assert report.splits["train"].version.startswith("unknown")
    assert f"version of train: {report.splits['train'].version}" in str(report)


@pytest.fixture
def real_data():
    if "MNER_DATA" not in os.environ:
        pytest.skip("MNER_DATA is not set")
    return Path(os.environ["MNER_DATA"])


KNOWN = {
    "twitter2015": {
        "train": (4000, 64439, 37, [2217, 2091, 927, 931], 6352, 6166, 175, 11, 104, 0),
        "valid": (1000, 16178, 41, [552, 522, 247, 220], 1594, 1541, 52, 1, 31, 1),
    },
    "twitter2017": {
        "train": (3373, 53007, 50, [2943, 731, 1674, 701], 6049, 6049, 0, 0, 392, 116),
        "valid": (723, 11309, 33, [626, 173, 375, 150], 1324, 1324, 0, 0, 76, 16),
    },
}


@pytest.mark.realdata
@pytest.mark.parametrize(("name", "last"), [("twitter2015", "OTHER"), ("twitter2017", "MISC")])
def test_the_known_defects(real_data, name, last):
    files = {split: real_data / name / f"{split}.txt" for split in ("train", "valid")}
    posts = {}
    for split, file in files.items():
        contexts = read_contexts(real_data / name / f"captions.{split}.jsonl")
        posts[split], missing = attach_contexts(read_posts(file), "caption", contexts)
        assert missing == 0
    report = check_posts(posts, files=files, contexts=["caption"])
    for split, counted in report.splits.items():
        count, words, longest, types, conlleval, strict, orphan, mismatched, empty, invisible = KNOWN[name][split]
        assert (counted.posts, counted.words, counted.longest) == (count, words, longest)
        assert [counted.entities["strict"][kind] for kind in ("PER", "LOC", "ORG", last)] == types
        assert sum(counted.entities["conlleval"].values()) == conlleval
        assert sum(counted.entities["strict"].values()) == strict
        assert (counted.orphan_tags, counted.mismatched_tags) == (orphan, mismatched)
        assert (counted.without_entity, counted.invisible_words) == (empty, invisible)
        assert counted.version.startswith(f"Twitter-{name[-4:]} {split}, ")
    assert len(report.across.groups) == {"twitter2015": 2, "twitter2017": 1}[name]
    assert report.across.differing == {"twitter2015": 1, "twitter2017": 0}[name]


@pytest.mark.realdata
@pytest.mark.parametrize("name", ["twitter_2015", "twitter_2017"])
@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_the_papers_own_layout(real_data, name, split):
    root = real_data / "sample" / name
    posts = read_posts(root / "texts" / split / f"{split}.json", images=root / "images" / split)
    posts, missing = attach_contexts(
        posts, "caption", read_contexts(root / "captions" / split / f"{split}_image_captions.json")
    )
    report = check_posts({split: posts}, image_folders={split: root / "images" / split})
    assert (len(posts), missing) == (5, 0)
    images = report.splits[split].images
    assert (images.named, images.missing, images.unreadable, images.small) == (5, [], {}, [])


def test_gold_boxes_are_counted_and_compared_with_the_images(tmp_path):
    for name, size in (("scaled", (50, 25)), ("cropped", (50, 50))):
        Image.new("RGB", size).save(tmp_path / f"{name}.png")
    posts = [
        Post(name, ("Bo", "Al"), ("B-PER", "B-PER"), tmp_path / f"{name}.png", metadata={"image_size": [100, 50]},
             boxes={(0, 1): ((0.0, 0.0, 0.5, 0.5), (0.5, 0.5, 1.0, 1.0))})
        for name in ("scaled", "cropped", "missing")
    ]  # fmt: skip
    report = check_posts({"train": [*posts, Post("4", ("Bo",), ("B-PER",))]})
    found = report.splits["train"].boxes
    assert (found.posts, found.shown, found.not_shown, found.boxes) == (3, 3, 3, 6)
    assert [shape.partition(":")[0] for shape in found.other_shape] == ["cropped"]
    assert "is (50, 50), the boxes are of (100, 50)" in str(report)
    assert check_posts({"train": [Post("4", ("Bo",), ("B-PER",))]}).splits["train"].boxes is None
