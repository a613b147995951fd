"""Large files are read once; everything is as if they had been read into memory."""

import json
import warnings
from pathlib import Path

import pytest

from mner.data import PostFiles, large_files, large_sets, read_posts
from mner.data.large_files import open_posts
from mner.data.large_sets import lengths_of
from mner.data.stored_posts import StoredPosts, store_posts
from mner.data.unlabelled import read_unlabelled
from mner.errors import DataError, FormatError, LabelError, OutputError
from mner.posts import Post
from mner.preprocessor import Preprocessor
from mner.text import HuggingFaceText

RECORDS = [
    {"id": n % 9, "text": f"#{n} Oslo, {'so ' * (n % 5)}far", "entities": [[len(f"#{n} "), len(f"#{n} ") + 4, "LOC"]]}
    for n in range(20)
] + [{"tokens": ["Ana", f"x{n}"], "label": ["B-PER", "O"], "image": f"{n}.jpg", "caption": "a cat"} for n in range(20)]


@pytest.fixture(autouse=True)
def _all_files_are_large(monkeypatch, tmp_path):
    pytest.importorskip("pyarrow")
    monkeypatch.setenv("MNER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(large_files, "LARGE", 1)


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "posts.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in RECORDS), encoding="utf-8")
    return path


def no_reading(*_, **__):
    raise AssertionError("the file is read again")


def test_a_file_is_read_once_and_its_notes_are_repeated(file, monkeypatch, tmp_path):
    images = tmp_path / "images"
    with file.open("a", encoding="utf-8") as more:
        more.write('{"id": "cut", "text": "\\ud83d"}\n')
    with pytest.warns(UserWarning, match="lone surrogates"):
        expected = read_posts(file, images=images)
    with pytest.warns(UserWarning, match="lone surrogates"):
        first = open_posts(file, images=images)
    monkeypatch.setattr(large_files, "stream_posts", no_reading)
    with pytest.warns(UserWarning, match="lone surrogates"):
        again = open_posts(file, images=images)
    assert isinstance(first, StoredPosts)
    assert list(first) == list(again) == expected


def test_a_changed_file_or_option_is_read_anew(file, tmp_path):
    open_posts(file)
    assert [post.image for post in open_posts(file, images=tmp_path)] == [
        post.image for post in read_posts(file, images=tmp_path)
    ]
    file.write_text(file.read_text(encoding="utf-8").replace("Ana", "Eva"), encoding="utf-8")
    assert list(open_posts(file)) == read_posts(file)


def test_images_that_were_looked_for_are_looked_for_again(tmp_path):
    file, images = tmp_path / "posts.jsonl", tmp_path / "images"
    images.mkdir()
    file.write_text('{"tokens": ["a"], "image_id": "7"}\n', encoding="utf-8")
    for suffix in (".jpg", ".png"):  # the default, then what is there
        (image,) = (post.image for post in open_posts(file, images=images))
        assert image == images / f"7{suffix}"
        (images / "7.png").touch()


def test_images_within_a_table_are_written_again(tmp_path):
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    file, images = tmp_path / "posts.parquet", tmp_path / "images"
    rows = [{"tokens": ["a"], "image": {"path": "7.jpg", "bytes": b"\xff\xd8 not much"}}]
    parquet.write_table(arrow.Table.from_pylist(rows), file)
    for _ in range(3):
        (image,) = (post.image for post in open_posts(file, images=images))
        assert image.read_bytes() == b"\xff\xd8 not much"
        image.unlink()


def test_errors_leave_nothing_behind(tmp_path):
    file = tmp_path / "posts.jsonl"
    file.write_text('{"tokens": ["a"]}\n{"tokens": ["a"], "label": ["B-PER", "O"]}\n', encoding="utf-8")
    for _ in range(2):
        with pytest.raises(FormatError, match="line 2"):
            open_posts(file)
    file.write_text('{"tokens": ["a"]}\n', encoding="utf-8")
    assert len(open_posts(file)) == 1


@pytest.mark.parametrize("cache", ["a_file", "a_file/below"])
def test_a_cache_that_cannot_be_written_is_an_error_that_names_the_variable(file, monkeypatch, tmp_path, cache):
    (tmp_path / "a_file").touch()
    monkeypatch.setenv("MNER_CACHE", str(tmp_path / cache))
    with pytest.raises(OutputError, match="MNER_CACHE names another folder"):
        open_posts(file)


@pytest.mark.filterwarnings("ignore:.*(no caption|reads text only)")
def test_a_cache_may_be_read_only_once_the_posts_are_there(file, monkeypatch):
    def refuse(_):
        raise OutputError("read-only")

    data = PostFiles(train=file, valid=file, batch_size=3)
    first = of(data)
    monkeypatch.setattr(large_files, "only_writer", refuse)
    monkeypatch.setattr(large_sets, "only_writer", refuse)
    assert of(PostFiles(train=file, valid=file, batch_size=3)) == first


def test_an_interrupted_process_leaves_no_posts(file, monkeypatch):
    def interrupted(*_, **__):
        yield from read_posts(file)[:5]
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(large_files, "stream_posts", interrupted)
        with pytest.raises(KeyboardInterrupt):
            open_posts(file)
    assert list(open_posts(file)) == read_posts(file)


def test_damaged_posts_are_an_error_that_names_the_folder_to_delete(file):
    posts = open_posts(file)
    (posts.folder / "posts.arrow").write_bytes(b"ARROW1")
    with pytest.raises(DataError, match=f"delete the folder {posts.folder}"):
        open_posts(file)[0]


class Words:
    """A stand-in for a subword tokenizer: a subword per word, for posts with contexts."""

    def lengths(self, posts):
        return [len(post.words) + sum(len(text.split()) for text in post.contexts.values()) for post in posts]


def of(data: PostFiles) -> list:
    """Everything that training takes from a data module."""
    data.preprocessor = Preprocessor(Words(), ["O", "B-PER", "I-PER", "B-GPE", "I-GPE"], ["caption"])  # type: ignore[arg-type]
    data.label_map = {"LOC": "GPE"}
    batches = []
    for split in ("train", "valid"):
        loader = data.loader(split, shuffle=split == "train")
        batches += [
            [data.preprocessor.prepare(loader.dataset.posts[place]) for place in batch] for batch in loader.sampler
        ]
    return [data.labels, data.word_tokenizer.split_marks, list(data.posts("train")), batches]


def test_training_is_the_same(file, monkeypatch, tmp_path):
    held_out = read_posts(file)[3:5]
    found = []
    for size in (1, 1 << 30):
        monkeypatch.setattr(large_files, "LARGE", size)
        data = PostFiles(train=file, valid=file, batch_size=3, seed=1, train_fraction=0.8)
        data.hold_out(held_out, "drop")
        data.extra_posts = read_unlabelled([file])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found.append(of(data))
        assert isinstance(data.posts("valid"), StoredPosts) == (size == 1)
    assert found[0] == found[1]


@pytest.mark.filterwarnings("ignore:.*(no caption|reads text only)")
def test_lengths_are_counted_once(file, monkeypatch):
    data = PostFiles(train=file, valid=file, batch_size=3)
    first = of(data)
    monkeypatch.setattr(Words, "lengths", no_reading)
    assert of(PostFiles(train=file, valid=file, batch_size=3)) == first


@pytest.mark.parametrize("contexts", [[], ["caption"]])
@pytest.mark.parametrize("raw", [False, True])
def test_lengths_are_those_of_posts_in_memory(tmp_path, tiny_text_encoder_folder, contexts, raw):
    posts = [Post(str(n), ("Oslo", "\u200b", f"x{n}") * (n % 90), contexts={"caption": "a cat"}) for n in range(300)]
    posts += [Post("raw", ("Oslo",), text="Oslo", offsets=((0, 4),), is_raw=True)] * raw + [Post("no words", ())]
    store_posts(posts, tmp_path)
    tokenizer = HuggingFaceText(str(tiny_text_encoder_folder)).subword_tokenizer
    preprocessor = Preprocessor(tokenizer, ["O"], contexts).using(quiet=True)
    lengths = preprocessor.lengths(posts)
    assert max(lengths) > tokenizer.options.max_length > min(lengths)
    assert lengths_of(StoredPosts(tmp_path).select([7, 299, 3]), preprocessor).tolist() == [
        lengths[place] for place in (7, 299, 3)
    ]
    assert lengths_of(StoredPosts(tmp_path), preprocessor).tolist() == lengths


def test_a_tag_that_the_model_does_not_have_is_refused(file):
    data = PostFiles(train=file, valid=file)
    data.preprocessor = Preprocessor(Words(), ["O", "B-PER", "I-PER"])  # type: ignore[arg-type]
    with pytest.raises(LabelError, match="entities of type LOC"):
        data.posts("train")
