"""Posts that two data sets share: by text and image, against a plain comparison of all pairs, and in training."""

import os
import random
import re
import unicodedata
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from mner.data import PostFiles, read_posts
from mner.data.named_sets import hold_out, read_named_sets
from mner.data.overlap import find_overlap, without_overlap
from mner.data.writers import write_json_lines
from mner.errors import ConfigurationError, DataError, DatasetNotFoundError
from mner.posts import Post

TEXT = "RT @ana : Kevin Durant enters the Oracle Arena tonight https://t.co/abc"


def post(text, id="1", image=None):
    words = tuple(text.split())
    return Post(id, words, ("O",) * len(words), image)


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (TEXT, True),
        ("rt @ ana Kevin DURANT enters the Oracle Arena tonight ! https://t.co/xyz", True),  # case, marks and link
        ("RT @ana Kevin Durant enters the Oracle Arena today", True),  # one word of nine
        ("RT @ana Kevin Durant enters a stadium today", False),
        ("Kevin Durant", False),
    ],
)
def test_near_identical_texts(other, same):
    assert bool(find_overlap([post(TEXT)], [post(other, "a")]).posts) is same
    assert bool(find_overlap([post(other)], [post(TEXT, "a")]).posts) is same


def test_short_texts_must_be_equal():
    assert not find_overlap([post("good morning")], [post("good morning", "a")]).posts  # may be anybody's
    assert find_overlap([post("in St Louis")], [post("in St. Louis !", "a")]).posts == {"1": "a"}
    assert not find_overlap([post("in St Louis now")], [post("in St Louis", "a")]).posts


def test_scripts_without_spaces_are_compared_by_character():
    assert find_overlap([post("他在北京工作 !")], [post("他 在 北 京 工 作", "a")]).posts == {"1": "a"}
    assert not find_overlap([post("他在北京工作")], [post("她在上海读书", "a")]).posts


def test_image_names_count_with_similar_texts_only():
    mine = post("see you in Oslo", image=Path("train/17_06_33.jpg"))
    for text, found in (("see us in Oslo", {"1": "a"}), ("nothing to see here", {})):
        overlap = find_overlap([mine], [post(text, "a", Path("17_06_33.png"))])
        assert overlap.posts == found
        assert (overlap.same_image, overlap.same_image_only) == (len(found), 1 - len(found))
    assert not find_overlap([mine], [post("see us in Oslo", "a", Path("17_06_34.jpg"))]).posts
    assert not find_overlap([replace(mine, image=None)], [post("see us in Oslo", "a")]).posts


def test_equals_a_comparison_of_all_pairs():
    rng = random.Random(0)
    posts = [
        [
            post(" ".join(rng.choices("abcdefg", [9, 5, 3, 1, 1, 1, 1], k=rng.randrange(9))), f"{index}", image)
            for index, image in ((index, rng.choice([None, Path(f"{rng.randrange(60)}.jpg")])) for index in range(120))
        ]
        for _ in range(2)
    ]

    def words(each):
        text = unicodedata.normalize("NFKC", " ".join(each.words)).casefold()
        return Counter(re.findall(r"[^\W_]+", text))

    def same(one, other):
        left, right = words(one), words(other)
        common, every = (left & right).total(), (left | right).total()
        jaccard = common / every if every else 1
        shorter = min(left.total(), right.total())
        of_image = one.image is not None and one.image == other.image and jaccard >= 0.5
        return of_image or (jaccard == 1 and shorter >= 3) or (jaccard >= 0.8 and shorter >= 5)

    expected = {one.id for one in posts[0] if any(same(one, other) for other in posts[1])}
    overlap = find_overlap(*posts)
    assert set(overlap.posts) == expected
    assert 20 < len(expected) < 120
    by_id = {each.id: each for each in posts[1]}
    assert all(same(each, by_id[overlap.posts[each.id]]) for each in posts[0] if each.id in expected)


def test_held_out_posts_are_refused_dropped_or_kept(tmp_path):
    train = [post(TEXT), post("nobody is here tonight", "2")]
    write_json_lines(train, tmp_path / "train.jsonl")
    (tmp_path / "other").mkdir()
    write_json_lines([post(TEXT, "a")], tmp_path / "other" / "test.json")
    write_json_lines([train[1]], tmp_path / "other" / "train.json")

    def data(**options):
        module = PostFiles(tmp_path / "train.jsonl")
        hold_out(module, [tmp_path / "other"], **options)
        return module

    message = r"1 of 2 training posts are held out .*1 is a; .* --on_overlap drop .* --on_overlap keep"
    with pytest.raises(DataError, match=message):
        data().posts("train")
    for on_overlap, count in (("drop", 1), ("keep", 2)):
        with pytest.warns(UserWarning, match="1 of 2 training posts are held out"):
            assert len(data(on_overlap=on_overlap).posts("train")) == count
    with pytest.raises(ConfigurationError, match="on_overlap"):
        without_overlap(train, [], "ignore")
    held_out = [post(TEXT, "a")]
    kept = post("nobody is here tonight", train[0].id)  # of another file, with an id that occurs in both
    with pytest.warns(UserWarning, match="1 of 2 training posts are held out"):
        assert without_overlap([train[0], kept], held_out, "drop") == [kept]
    assert without_overlap(train, [post("something else entirely", "b")]) == train


def test_data_sets_are_named_by_files_or_folders(tmp_path):
    (tmp_path / "txt").mkdir()
    for name in ("train.txt", "dev.txt"):
        (tmp_path / "txt" / name).write_text("hello\tO\n", encoding="utf-8")
    sets = read_named_sets([tmp_path, tmp_path / "txt" / "dev.txt"])
    assert [Path(name).name for name in sets] == ["train.txt", "dev.txt"]
    with pytest.raises(DatasetNotFoundError, match="none of the splits test in a known layout"):
        read_named_sets([tmp_path], ("test",))


@pytest.mark.realdata
@pytest.mark.skipif("MNER_DATA" not in os.environ, reason="MNER_DATA is not set")
@pytest.mark.parametrize(("year", "count"), [("2015", 482), ("2017", 448)])
@pytest.mark.filterwarnings("ignore")
def test_gmner_trains_on_validation_posts_of_the_twitter_sets(year, count):
    folder = Path(os.environ["MNER_DATA"])
    train, valid = (read_posts(folder / path) for path in ("gmner/txt/train.txt", f"twitter{year}/valid.txt"))
    overlap = find_overlap(train, valid)
    print(overlap)
    assert overlap.same_image == count
