"""Texts about images find their posts, by image and by id, and never another post."""

import json
import sys
from pathlib import Path

import pytest

from mner.data.context_files import Contexts, read_contexts
from mner.data.contexts import attach_contexts, with_contexts
from mner.data.readers import read_posts
from mner.errors import ConfigurationError, DatasetNotFoundError, FormatError
from mner.posts import Post

KINDS = ["caption", "description", "knowledge"]


@pytest.fixture
def write(tmp_path):
    def write(*records):
        path = tmp_path / "captions.jsonl"
        path.write_text("\n".join(json.dumps(record) for record in records), encoding="utf-8")
        return path

    return write


def captions(posts, contexts, images=None):
    """The caption of each post, and how many have none."""
    attached, missing = attach_contexts(posts, "caption", contexts, images)
    assert [post.words for post in attached] == [post.words for post in posts]
    return [post.contexts.get("caption") for post in attached], missing


def named(*images, root=Path()):
    return [Post(str(number), ("a",), image=root / name) for number, name in enumerate(images)]


def test_by_image_and_by_id(write):
    contexts = read_contexts(
        write({"id": 7, "image_id": "33.jpg", "caption": "a dog"}, {"id": "8", "caption": "a cat"})
    )
    by_image = Post("1", ("a",), image=Path("folder/33.jpg"))
    by_id = Post("8", ("a",))
    neither = Post("33", ("a",))
    assert captions([by_image, by_id, neither], contexts) == (["a dog", "a cat", None], 1)
    assert contexts.find(Post("7", ("a",))) == "a dog"


def test_the_image_decides_over_the_id(write):
    contexts = Contexts(by_image={"1": "of image 1"}, by_id={"2": "of post 2"})
    assert contexts.find(Post("2", ("a",), image=Path("1.jpg"))) == "of image 1"
    # Line numbers as ids: that of another image is that of another post.
    numbered = read_contexts(write({"id": 1, "image_id": "33.jpg", "caption": "a dog"}))
    assert numbered.find(Post("1", ("a",), image=Path("34.jpg"))) is None
    assert Contexts(by_id={"1": "a dog"}).find(Post("1", ("a",), image=Path("34.jpg"))) == "a dog"


def test_ids_with_dots(write, tmp_path):
    contexts = read_contexts(
        write({"image_id": "17.06.1", "caption": "a woman"}, {"image_id": "17.06.2", "caption": "a town"})
    )
    (tmp_path / "posts.txt").write_text("IMGID:17.06.1\nAna\tB-PER\n\nIMGID:17.06.2\nLugo\tB-LOC\n", encoding="utf-8")
    posts = read_posts(tmp_path / "posts.txt")
    assert [post.image for post in posts] == [Path("17.06.1.jpg"), Path("17.06.2.jpg")]
    assert captions(posts, contexts) == (["a woman", "a town"], 0)


@pytest.mark.parametrize(
    ("names", "images", "expected"),
    [
        (["33.jpg"], ["33.jpg", "33.png"], ["33.jpg", None]),
        (["33.jpg"], ["33.png"], [None]),
        (["33"], ["33.png"], ["33"]),
        (["33"], ["33.jpg", "33.png"], ["33", None]),  # as IMGID:33 means 33.jpg
        (["33"], ["33.webp", "33.png"], [None, None]),
        (["33", "33.png"], ["33.jpg", "33.png"], ["33", "33.png"]),
        (["33.JPG"], ["33.jpg"], ["33.JPG"]),
        (["33.JPG", "33.jpg"], ["33.jpg", "33.JPG"], ["33.jpg", "33.JPG"]),
        (["33.jpeg"], ["33.jpg"], [None]),
        (["AbC.jpg"], ["abc.jpg", "AbC.jpg"], [None, "AbC.jpg"]),
        (["x.png"], ["x.png.jpg"], [None]),
        (["a/33.jpg", "b/33.jpg"], ["a/33.jpg", "b/33.jpg"], ["a/33.jpg", "b/33.jpg"]),
        (["a/33.jpg", "33.jpg"], ["a/33.jpg", "33.jpg", "b/33.jpg"], ["a/33.jpg", "33.jpg", None]),
        (["33.jpg"], ["a/33.jpg", "b/33.jpg"], [None, None]),
        (["33.jpg"], ["33.jpg", "b/33.jpg"], ["33.jpg", None]),
        (["33.jpg", "34.jpg"], ["a/33.jpg", "b/34.jpg"], ["33.jpg", "34.jpg"]),
        (["33"], ["a/33.jpg", "b/33.png"], [None, None]),
        (["a/33.jpg"], ["b/33.jpg"], [None]),
        ([r"a\33.jpg"], ["a/33.jpg"], [r"a\33.jpg"]),
        (["./33.jpg"], ["33.jpg"], ["./33.jpg"]),
        (["my%20dog.jpg"], ["my dog.jpg"], ["my%20dog.jpg"]),
        (["my dog.jpg"], ["my%20dog.jpg"], ["my dog.jpg"]),
        (["a%2Fb.jpg"], ["a/b.jpg"], ["a%2Fb.jpg"]),
        (["my%20dog.jpg", "my dog.jpg"], ["my%20dog.jpg", "my dog.jpg"], ["my%20dog.jpg", "my dog.jpg"]),
        (["caf\u00e9.jpg"], ["cafe\u0301.jpg"], ["caf\u00e9.jpg"]),
        (["33.jpg "], ["33.jpg"], ["33.jpg"]),
        (["17.06.jpg"], ["17.06.1.jpg"], [None]),
    ],
)
@pytest.mark.parametrize("root", ["", "/data/images"])
def test_own_caption_or_none(write, names, images, expected, root):
    contexts = read_contexts(write(*({"image_id": name, "caption": f"of {name.strip()}"} for name in names)))
    posts = named(*images, root=Path(root))
    found, missing = captions(posts, contexts, Path(root) if root else None)
    assert found == [name and f"of {name}" for name in expected]
    assert missing == expected.count(None)


def test_names_relative_to_a_folder_further_up(write):
    contexts = read_contexts(
        write(*({"image_id": name, "caption": name} for name in ("1.jpg", "train/1.jpg", "train/2.jpg", "valid/1.jpg")))
    )
    posts = named("1.jpg", "2.jpg", "3.jpg", root=Path("/data/images/train"))
    expected = (["train/1.jpg", "train/2.jpg", None], 1)
    assert captions(posts, contexts, Path("/data/images/train")) == expected
    assert captions(posts, contexts) == expected


def test_a_folder_in_the_names_of_posts_without_one(write):
    contexts = read_contexts(write({"image_id": "train/1.jpg", "caption": "a dog"}))
    assert captions(named("1.jpg"), contexts) == (["a dog"], 0)
    assert captions(named("1.jpg", root=Path("/data/images")), contexts, Path("/data/images")) == ([None], 1)
    contexts = read_contexts(write(*({"image_id": f"{name}/1.jpg", "caption": name} for name in "ab")))
    assert captions(named("1.jpg"), contexts) == ([None], 1)


def test_conll_without_images_finds_captions_of_any_suffix(write, tmp_path):
    contexts = read_contexts(
        write(*({"image_id": name, "caption": name} for name in ("33.png", "34.JPEG", "35.png", "35.gif")))
    )
    (tmp_path / "posts.txt").write_text(
        "".join(f"IMGID:{name}\nAna\tB-PER\n\n" for name in (33, 34, 35)), encoding="utf-8"
    )
    assert captions(read_posts(tmp_path / "posts.txt"), contexts) == (["33.png", "34.JPEG", None], 1)


def test_posts_without_a_name_of_an_image(write, tmp_path):
    with pytest.raises(FormatError, match="no image_id and no id"):
        read_contexts(write({"image_id": " ", "caption": "a dog"}))
    contexts = read_contexts(write({"image_id": "33.jpg", "caption": "a dog"}))
    (tmp_path / "posts.jsonl").write_text(
        '{"tokens": ["a"], "image_id": ""}\n{"tokens": ["a"], "image": " "}\n', encoding="utf-8"
    )
    posts = read_posts(tmp_path / "posts.jsonl", images=tmp_path)
    assert [post.image for post in posts] == [None, None]
    assert captions(posts, contexts) == ([None, None], 2)


def test_a_post_with_several_images_gets_the_texts_about_all_of_them():
    contexts = Contexts({"1.jpg": "a dog", "2.jpg": "", "3.jpg": "a red car", "4.jpg": "a dog"}, {"y": "a cat"})
    paths = {name: tuple(Path(f"{each}.jpg") for each in name) for name in ("1234", "2", "3", "91", "9")}
    posts = [Post("x", ("a",)).with_images(images) for images in paths.values()]
    posts += [Post("y", ("a",)).with_images(paths["9"])]
    found, missing = attach_contexts(posts, "caption", contexts)
    assert [post.contexts.get("caption") for post in found] == [
        "a dog; a red car", None, "a red car", "a dog", None, "a cat"
    ]  # fmt: skip
    assert missing == 1


def test_one_file_with_several_kinds(write):
    path = write(
        {"image_id": "1.jpg", "caption": "a dog", "description": "A dog, asleep.", "knowledge": "Rex"},
        {"image_id": "2.jpg", "caption": "a cat", "description": None},
        {"image_id": "3.jpg", "caption": "a car"},
    )
    posts = named("1.jpg", "2.jpg", "3.jpg")
    with pytest.warns(UserWarning, match="have no (description|knowledge)"):
        posts = with_contexts(posts, KINDS, dict.fromkeys(KINDS, path), "train")
    first = {"caption": "a dog", "description": "A dog, asleep.", "knowledge": "Rex"}
    assert [post.contexts for post in posts] == [first, {"caption": "a cat"}, {"caption": "a car"}]
    assert captions(named("1.jpg"), read_contexts(path, kind="ocr")) == (["a dog"], 0)


def test_other_contexts_stay():
    post = Post("1", ("a",), contexts={"ocr": "x"})
    assert attach_contexts([post], "caption", Contexts(by_id={"1": "c"}))[0][0].contexts == {"ocr": "x", "caption": "c"}


@pytest.mark.parametrize("kind", ["", " \t"])
def test_an_empty_kind(kind):
    with pytest.raises(ConfigurationError, match="expected the kind of the texts, such as caption, got"):
        attach_contexts([Post("1", ("a",))], kind, Contexts(by_id={"1": "c"}))


def test_an_empty_text_is_known_but_not_attached():
    posts, missing = attach_contexts([Post("1", ("a",))], "ocr", Contexts(by_id={"1": ""}))
    assert (dict(posts[0].contexts), missing) == ({}, 0)


def test_unknown_words_are_taken_out(write):
    path = write(
        {"image_id": "1.jpg", "caption": "a picture of a <unk> <unk> on it"}, {"image_id": "2.jpg", "caption": "<unk>"}
    )
    assert read_contexts(path).by_image == {"1.jpg": "a picture of a on it", "2.jpg": ""}


@pytest.mark.parametrize("value", [None, float("nan"), "None", "none", "NULL", "nan", "NaN", "", "  ", "<unk> <unk>"])
def test_what_is_no_caption(write, tmp_path, value):
    contexts = read_contexts(write({"image_id": "1.jpg", "caption": value}, {"image_id": "2.jpg", "caption": "a dog"}))
    assert captions(named("1.jpg", "2.jpg"), contexts) == ([None, "a dog"], 0)
    record = {"tokens": ["a"], "caption": value}
    (tmp_path / "posts.jsonl").write_text(
        f'{json.dumps(record)}\n{{"tokens": ["a"], "contexts": {{"caption": null}}}}', encoding="utf-8"
    )
    assert [dict(post.contexts) for post in read_posts(tmp_path / "posts.jsonl")] == [{}, {}]


def test_a_caption_that_came_at_the_second_attempt(write):
    tried = [{"image_id": "1.jpg", "caption": text} for text in (None, "a dog", "")]
    assert read_contexts(write(*tried)).by_image == {"1.jpg": "a dog"}


def test_halves_of_emoji(tmp_path):
    path = tmp_path / "captions.jsonl"
    path.write_text(
        '{"id": "1", "caption": "a \\ud83d dog"}\n{"id": "2", "caption": "\\ud83d\\ude00"}', encoding="utf-8"
    )
    with pytest.warns(UserWarning, match=r"U\+FFFD .line 1"):
        assert read_contexts(path).by_id == {"1": "a \ufffd dog", "2": "\U0001f600"}


@pytest.mark.parametrize(
    ("record", "key", "text"),
    [
        ({"objects": "dog, ball", "scores": [0.9, 0.8]}, None, "dog, ball"),
        ({"objects": ["dog", "ball"]}, None, "dog, ball"),
        ({"objects": [], "scores": []}, None, ""),
        ({"caption": "c", "model": "blip"}, None, "c"),
        ({"caption": None, "model": "blip"}, None, ""),
        ({"note": "n"}, None, "n"),
        ({"note": "n", "error": None}, None, "n"),
        ({"caption": "c", "ocr": "o"}, "ocr", "o"),
    ],
)
def test_where_the_text_stands(write, record, key, text):
    assert read_contexts(write({"image_id": 5, **record}), key).by_image == {"5": text}


@pytest.mark.parametrize(
    ("record", "found"),
    [
        ({"image_id": "1.jpg", "caption": "other"}, r"a second, different text of '1\.jpg'"),
        ({"caption": "c"}, "no image_id and no id"),
        ({"image_id": 1.5, "caption": "c"}, "no image_id and no id"),
        ({"image_id": "2.jpg"}, "found none"),
        ({"image_id": "2.jpg", "caption": "c", "ocr": "o"}, "'caption', 'ocr'"),
        ({"image_id": "2.jpg", "caption": None, "ocr": "o"}, "'caption', 'ocr'"),
        (["x"], "JSON object"),
    ],
)
def test_malformed(write, record, found):
    with pytest.raises(FormatError, match=found) as caught:
        read_contexts(write({"image_id": "1.jpg", "caption": "c"}, record))
    assert caught.value.line == 2


@pytest.mark.parametrize("key", ["image", "file_name", "filename", "image_path", "image_name", "img_id", "img"])
def test_other_keys_of_the_image_and_an_array(tmp_path, key):
    path = tmp_path / "captions.json"
    records = [{key: "a/1.jpg", "caption": "c"}, {key: 2, "id": 5, "caption": "d"}]
    path.write_text(json.dumps(records, indent=1), "utf-8")
    contexts = read_contexts(path)
    assert (contexts.by_image, contexts.image_of) == ({"a/1.jpg": "c", "2": "d"}, {"5": "2"})
    path.write_text(json.dumps([{key: "1.jpg", "caption": "c"}, {key: "1.jpg", "caption": "d"}], indent=1), "utf-8")
    with pytest.raises(FormatError, match="line 6: a second, different text"):
        read_contexts(path)


def test_ids_as_in_the_headers_of_conll(write):
    contexts = read_contexts(write({"id": "IMGID:33", "caption": "c"}, {"image_id": "IMGID:34", "caption": "d"}))
    assert (contexts.by_id, contexts.by_image) == ({"33": "c"}, {"34": "d"})


def test_a_repeated_line_is_no_error(write):
    record = {"image_id": "1.jpg", "caption": "c"}
    assert read_contexts(write(record, record)).by_image == {"1.jpg": "c"}


def test_no_file_no_text(tmp_path):
    with pytest.raises(DatasetNotFoundError):
        read_contexts(tmp_path / "none.jsonl")
    (tmp_path / "blank.jsonl").write_text("\n", encoding="utf-8")
    with pytest.raises(FormatError, match="no text"):
        read_contexts(tmp_path / "blank.jsonl")


@pytest.mark.parametrize(
    ("files", "images", "texts", "expected"),
    [
        (["a/1.jpg", "b/1.jpg"], ["a/1.jpg"], {"1.jpg": "A"}, [None]),
        (["a/1.jpg", "b/2.jpg"], ["a/1.jpg"], {"1.jpg": "A"}, ["A"]),
        (["1.JPG", "1.jpg"], ["1.JPG", "1.jpg"], {"1.jpg": "A"}, [None, "A"]),
        (["1.JPG", "1.jpg"], ["1.JPG"], {"1.jpg": "A"}, [None]),
        (["1.JPG"], ["1.JPG"], {"1.jpg": "A"}, ["A"]),
        (["1.png", "1.jpg"], ["1.png"], {"1": "A"}, [None]),
        (["1.png", "2.jpg"], ["1.png"], {"1": "A"}, ["A"]),
        (["my dog.jpg", "my%20dog.jpg"], ["my%20dog.jpg", "my dog.jpg"], {"my dog.jpg": "A"}, [None, "A"]),
        (["caf\u00e9.jpg", "cafe\u0301.jpg"], ["caf\u00e9.jpg", "cafe\u0301.jpg"], {"caf\u00e9.jpg": "A"}, ["A", None]),
        ([], ["1.JPG", "1.jpg"], {"1.jpg": "A"}, [None, "A"]),
    ],
)
def test_a_text_of_another_image_that_is_there_is_not_taken(tmp_path, files, images, texts, expected):
    if sys.getfilesystemencoding() != "utf-8" and not "".join(files).isascii():
        pytest.skip("this locale has no such file names")
    for file in files:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    if len({path.name for path in tmp_path.rglob("*.*")}) < len({Path(file).name for file in files}):
        pytest.skip("the file system ignores case or Unicode composition")
    posts = [Post(str(number), ("a",), image=tmp_path / image) for number, image in enumerate(images)]
    attached, missing = attach_contexts(posts, "caption", Contexts(by_image=texts), tmp_path)
    assert [post.contexts.get("caption") for post in attached] == expected
    assert missing == expected.count(None)


def test_two_texts_of_one_path_are_refused(tmp_path):
    path = tmp_path / "captions.jsonl"
    path.write_text('{"image_id": "a/1.jpg", "caption": "x"}\n{"image_id": "./a//1.jpg", "caption": "y"}\n', "utf-8")
    with pytest.raises(FormatError, match=r"line 2: a second, different text of 'a/1\.jpg'"):
        read_contexts(path)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"posts": iter([Post("1", ("a",))])}, "expected a list of posts, got a "),
        ({"posts": [{"text": "a"}]}, "expected a list of posts, got a "),
        ({"posts": "abc"}, "expected a list of posts, got a "),
        ({"kind": 3}, "expected kind to be a string, got 3"),
        ({"contexts": ["one"]}, "as read_contexts returns them, got a "),
        ({"contexts": {"1.jpg": "one"}}, "as read_contexts returns them, got a "),
        ({"contexts": None}, "as read_contexts returns them, got a NoneType"),
    ],
)
def test_arguments_of_another_type(write, arguments, complaint):
    given = {"posts": [Post("1", ("a",))], "kind": "caption", "contexts": Contexts({}, {}, {})}
    with pytest.raises(ConfigurationError, match=complaint):
        attach_contexts(**{**given, **arguments})


@pytest.mark.parametrize("path", [3, None, b"captions.jsonl", ["captions.jsonl"]])
def test_a_file_that_is_no_path(path):
    with pytest.raises(ConfigurationError, match="expected the file of contexts to be a string, got"):
        read_contexts(path)
