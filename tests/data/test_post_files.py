"""A user's own files: any format, the label set as it is found."""

import json
from pathlib import Path

import pytest

from mner.components import to_config
from mner.data import PostFiles
from mner.errors import DataError, DatasetNotFoundError, LabelError
from mner.word_tokenizers import WhitespaceTokenizer


@pytest.fixture
def write(tmp_path):
    def write(name, *lines):
        path = tmp_path / name
        path.write_text(
            "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines), encoding="utf-8"
        )
        return path

    return write


@pytest.fixture
def bio(write):
    return write("bio.conll", "Ada B-PER", "Lovelace I-PER", "sings O", "", "in O", "Oslo B-LOC")


@pytest.fixture
def bioes(write):
    return write("bioes.conll", "Ada B-PER", "Lovelace E-PER", "sings O", "", "in O", "Oslo S-LOC")


def test_labels_are_found_in_the_data(bio, bioes):
    assert PostFiles(train=bio).labels == ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
    assert PostFiles(train=bioes).labels[:5] == ["O", "B-LOC", "I-LOC", "E-LOC", "S-LOC"]


def test_a_type_of_any_split_is_a_label(write, bio):
    valid = write("valid.conll", "CERN B-lab", "x O")
    assert PostFiles(train=bio, valid=valid).labels == ["O", "B-LOC", "I-LOC", "B-PER", "I-PER", "B-lab", "I-lab"]


def test_formats_may_differ(write, bio):
    valid = write("v.jsonl", {"text": "Ada Lovelace in Oslo", "entities": [{"start": 0, "end": 12, "type": "PER"}]})
    test = write("t.json", [{"tokens": ["in", "Oslo"], "entities": [{"start": 1, "end": 2, "type": "LOC"}]}])
    data = PostFiles(train=bio, valid=valid, test=test)
    assert [post.tags for post in data.posts("train")] == [("B-PER", "I-PER", "O"), ("O", "B-LOC")]
    (post,) = data.posts("valid")
    assert (post.words, post.tags) == (("Ada", "Lovelace", "in", "Oslo"), ("B-PER", "I-PER", "O", "O"))
    assert post.offsets == ((0, 3), (4, 12), (13, 15), (16, 20))
    assert data.posts("test")[0].tags == ("O", "B-LOC")


def test_two_schemes_are_refused(bio, bioes):
    with pytest.raises(LabelError, match="got BIO in train, BIOES in valid; convert"):
        PostFiles(train=bio, valid=bioes)


def test_no_entities(write, bio):
    plain = write("plain.conll", "a O", "b O")
    assert PostFiles(train=plain).labels == ["O"]  # enough to pre-train on
    words = write("words.jsonl", {"tokens": ["a", "b"]})
    data = PostFiles(test=words)
    assert (data.labels, data.posts("test")[0].tags) == (["O"], None)
    assert PostFiles(train=bio, test=words).labels == PostFiles(train=bio).labels


def test_files_that_are_not_there(bio, tmp_path):
    missing = tmp_path / "none.conll"
    with pytest.raises(DatasetNotFoundError, match=r"valid split: there is no file .*none\.conll"):
        PostFiles(train=bio, valid=missing).setup("fit")
    with pytest.raises(DatasetNotFoundError, match=r"train split: there is no file .*none\.conll"):
        PostFiles(train=missing, valid=missing)
    assert len(PostFiles(train=missing, test=bio).posts("test")) == len(PostFiles(train=bio).posts("train"))
    data = PostFiles(train=bio, valid=bio)
    data.setup("fit")
    with pytest.raises(
        DatasetNotFoundError, match=r"no test file was given; name it with --data\.init_args\.test FILE"
    ):
        data.setup("test")
    with pytest.raises(DataError, match=r"no image folder .*pictures; correct images"):
        PostFiles(train=bio, images=tmp_path / "pictures")


def test_the_folder_of_fetched_images_is_created_when_one_is(bio, tmp_path):
    data = PostFiles(train=bio, images=tmp_path / "pictures", remote_images={"protocols": ["s3"]})
    assert data.split_images("train") == tmp_path / "pictures"


def test_images_and_contexts(write, tmp_path):
    (tmp_path / "pictures").mkdir()
    posts = [
        {"id": "1", "image": "a.png", "tokens": ["Oslo"], "label": ["B-LOC"], "caption": "its own"},
        {"id": "2", "image": "b.png", "tokens": ["Rome"], "label": ["B-LOC"]},
    ]
    train = write("train.jsonl", *posts)
    data = PostFiles(train=train, images=tmp_path / "pictures", contexts=["caption"])
    with pytest.warns(UserWarning, match="1 of 2 train posts have no caption"):
        found = data.posts("train")
    assert [post.image for post in found] == [tmp_path / "pictures" / "a.png", tmp_path / "pictures" / "b.png"]
    assert [dict(post.contexts) for post in found] == [{"caption": "its own"}, {}]
    write("ocr.train.jsonl", {"id": "1", "ocr": "STOP"}, {"id": "2", "ocr": "GO"})
    pattern = str(Path(tmp_path, "ocr.{split}.jsonl"))
    data = PostFiles(train=train, contexts=["ocr"], context_files={"ocr": pattern})
    assert [post.contexts["ocr"] for post in data.posts("train")] == ["STOP", "GO"]
    with pytest.raises(DataError, match="no text for the train posts"):
        PostFiles(train=train, contexts=["text"]).posts("train")


def test_images_are_found_from_any_working_directory(bio, tmp_path, monkeypatch):
    (tmp_path / "pictures").mkdir()
    monkeypatch.chdir(tmp_path)
    assert PostFiles(train=bio, images="pictures").images == tmp_path / "pictures"


def test_a_file_that_is_malformed_names_its_line(write):
    with pytest.raises(DataError, match=r"bad\.conll, line 2"):
        PostFiles(train=write("bad.conll", "Oslo B-LOC", "in Q-LOC", "x O"))


@pytest.mark.parametrize(("words", "split"), [("# Oslo", True), ("#Oslo @dana #", False), ("hi Oslo", True)])
def test_the_word_tokenizer_follows_files_that_come_as_words(tmp_path, words, split):
    path = tmp_path / "train.jsonl"
    path.write_text(json.dumps({"tokens": words.split(), "label": ["O"] * len(words.split())}), encoding="utf-8")
    assert to_config(PostFiles(train=path).word_tokenizer)["init_args"]["split_marks"] is split


def test_raw_text_is_split_by_the_chosen_word_tokenizer(tmp_path):
    path = tmp_path / "train.jsonl"
    path.write_text(json.dumps({"text": "#ParisAttacks", "entities": [[1, 6, "LOC"]]}), encoding="utf-8")
    for tokenizer, words in ((None, ("#", "ParisAttacks")), (WhitespaceTokenizer(), ("#ParisAttacks",))):
        (post,) = PostFiles(train=path, word_tokenizer=tokenizer).posts("train")
        assert (post.words, post.tags[-1], post.is_raw) == (words, "B-LOC", True)


def test_a_file_of_contexts_may_have_any_name_of_its_split(write, bio, tmp_path):
    posts = write("posts.jsonl", {"id": "1", "tokens": ["Oslo"], "label": ["B-LOC"]})
    write("ocr.dev.jsonl", {"id": "1", "ocr": "STOP"})
    data = PostFiles(train=bio, valid=posts, contexts=["ocr"], context_files={"ocr": f"{tmp_path}/ocr.{{split}}.jsonl"})
    assert data.posts("valid")[0].contexts["ocr"] == "STOP"


def test_texts_that_may_be_about_images_of_two_splits_are_refused(write, tmp_path):
    for split in ("train", "dev"):
        (tmp_path / "images" / split).mkdir(parents=True)
        (tmp_path / "images" / split / "1.jpg").touch()
    posts = write("posts.jsonl", {"image": "1.jpg", "tokens": ["Oslo"], "label": ["B-LOC"]})
    captions = str(write("captions.jsonl", {"image": "1.jpg", "caption": "a dog"}))
    given = {"contexts": ["caption"], "context_files": {"caption": captions}}
    data = PostFiles(train=posts, valid=posts, images=tmp_path / "images" / "{split}", **given)
    with pytest.raises(DataError, match=r"one text for '1\.jpg', which is an image in .*train and another in .*dev"):
        data.posts("train")
    alone = PostFiles(train=posts, images=tmp_path / "images" / "{split}", **given)
    assert alone.posts("train")[0].contexts["caption"] == "a dog"


def test_the_home_of_the_user_is_found(write, bio, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "images").mkdir()
    write("captions.jsonl", *({"id": name, "caption": "a stage"} for name in "12"))
    data = PostFiles(
        train=f"~/{bio.name}", images="~/images", contexts=["caption"], context_files={"caption": "~/captions.jsonl"}
    )
    assert (data.images, data.read("train")[0].contexts["caption"]) == (tmp_path / "images", "a stage")
