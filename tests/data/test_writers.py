"""What is written reads back equal, or is refused; a failure leaves the old file."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mner.data.readers import read_posts
from mner.data.writers import write_conll, write_json_lines
from mner.errors import DataError
from mner.posts import Post
from mner.word_tokenizers import TweetTokenizer
from mner.word_tokenizers.raw_posts import raw_post

PLAIN = Post("16_05", ("St", "\xa0", "Louis"), ("O", "O", "I-LOC"), Path("16_05.jpg"))
RICH = Post(
    "x",
    ("\u2028", "", "a\tb"),
    None,
    Path("in/a.png"),
    {"caption": "c"},
    "\u2028a\tb",
    ((0, 1), (1, 1), (1, 4)),
    {"boxes": [{"box": [1, 2]}], "lang": None},
)


@pytest.mark.parametrize("images", [None, Path("pictures")])
@pytest.mark.parametrize("write", [write_conll, write_json_lines])
def test_round_trip(tmp_path, write, images):
    posts = [PLAIN, replace(PLAIN, id="2", image=Path("2.jpg"), contexts={"context": "a dog"})]
    if write is write_json_lines:
        posts += [RICH, replace(RICH, id="y", image=Path("bare"), tags=("O", "S-PER", "O"))]
    posts = [replace(post, image=images / post.image) if images else post for post in posts]
    write(posts, tmp_path / "new" / "posts", images=images)
    assert read_posts(tmp_path / "new" / "posts", images=images) == posts
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["posts"]


def test_conll_without_images_and_tags(tmp_path):
    posts = [Post("1", ("Hello", "Paris")), Post("2", ("hi",))]
    write_conll(posts, tmp_path / "posts")
    assert (tmp_path / "posts").read_bytes() == b"Hello\nParis\n\nhi\n\n"
    assert read_posts(tmp_path / "posts") == posts


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"words": ("a\tb", "x", "y")}, "columns"),
        ({"words": ("a\nb", "x", "y")}, "columns"),
        ({"words": ("", "x", "y")}, "tag without a word"),
        ({"words": (" x", "x", "y")}, "words"),
        ({"words": ("-DOCSTART-", "x", "y")}, "words"),
        ({"words": ("x\r", "x", "y")}, "carriage return"),
        ({"words": (), "tags": ()}, "no words"),
        ({"tags": None}, "columns"),
        ({"image": None}, "id"),
        ({"image": Path("other.jpg")}, "image"),
        ({"contexts": {"caption": "c"}}, "contexts"),
        ({"contexts": {"context": "a  b"}}, "tag without a word"),
        ({"text": "t"}, "text"),
        ({"metadata": {"a": 1}}, "metadata"),
    ],
)
def test_conll_refuses_what_it_cannot_hold(tmp_path, change, names):
    (tmp_path / "posts").write_text("old", encoding="utf-8")
    with pytest.raises(DataError, match=f"cannot be written as CoNLL.*{names}"):
        write_conll(
            [
                PLAIN,
                replace(PLAIN, id="z", image=Path("z.jpg")),
                replace(PLAIN, **{"id": "q", "image": Path("q.jpg"), **change}),
            ],
            tmp_path / "posts",
        )
    assert (tmp_path / "posts").read_text(encoding="utf-8") == "old"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"image": Path("/etc/a.jpg")}, "image folder"),
        ({"image": Path("../a.jpg")}, "image folder"),
        ({"metadata": {"a": {1, 2}}}, "metadata"),
        ({"metadata": {"a": (1, 2)}}, "metadata"),
        ({"metadata": {"a": float("nan")}}, "metadata"),
        ({"id": ""}, "id"),
    ],
)
def test_json_lines_refuse_what_they_cannot_hold(tmp_path, change, names):
    with pytest.raises(DataError, match=names):
        write_json_lines([replace(PLAIN, **change)], tmp_path / "posts")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("write", [write_conll, write_json_lines])
def test_ids_must_be_unique_and_posts_must_be(tmp_path, write):
    with pytest.raises(DataError, match="2 posts have the id '16_05'"):
        write([PLAIN, PLAIN], tmp_path / "posts")
    with pytest.raises(DataError, match="no posts"):
        write([], tmp_path / "posts")


@pytest.mark.parametrize("posts", [Post("1", ("a",)), None, [{"text": "a"}], {"a": Post("1", ("a",))}])
def test_what_is_no_list_of_posts(tmp_path, posts):
    with pytest.raises(DataError, match="expected posts to write to"):
        write_json_lines(posts, tmp_path / "posts.jsonl")
    assert not [*tmp_path.iterdir()]


def test_surrogates_are_repaired_and_reported_once(tmp_path):
    posts = [replace(PLAIN, words=("\ud83d", "x", "y"), metadata={"user": "\ude00"}), replace(PLAIN, id="2")]
    with pytest.warns(UserWarning, match="lone surrogates.* in 1 posts") as caught:
        write_json_lines(posts, tmp_path / "posts")
    assert len(caught) == 1
    assert read_posts(tmp_path / "posts")[0].words == ("\ufffd", "x", "y")


@pytest.mark.parametrize("images", ["pictures", Path("pictures"), Path("pictures").absolute()])
def test_the_image_folder_is_not_doubled(tmp_path, monkeypatch, images):
    monkeypatch.chdir(tmp_path)
    posts = [replace(PLAIN, image=Path(images) / "in" / "16.jpg")]
    if Path(images).is_absolute():
        with pytest.raises(DataError, match="give the image folder"):
            write_json_lines(posts, "posts")
    else:
        write_json_lines(posts, "posts")
        assert read_posts("posts", images=images) == posts == read_posts("posts")
    write_json_lines(posts, "posts", images=images)
    assert read_posts("posts", images=images) == posts


def test_a_folder_named_like_the_image_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images" / "images").mkdir(parents=True)
    (tmp_path / "images" / "images" / "1.jpg").touch()
    posts = [replace(PLAIN, image=Path("images/images/1.jpg"))]
    write_json_lines(posts, "posts", images="images")
    assert read_posts("posts", images="images") == posts


WORDS = st.lists(st.text(alphabet=st.characters(codec="utf-8"), max_size=4), min_size=1, max_size=4)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=100)
@given(words=WORDS)
def test_any_words_are_kept_or_refused(tmp_path, words):
    post = Post("1", tuple(words), ("O",) * len(words), Path("1.jpg"))
    write_json_lines([post], tmp_path / "posts.jsonl")
    assert read_posts(tmp_path / "posts.jsonl") == [post]
    try:
        write_conll([post], tmp_path / "posts.txt")
    except DataError:
        assert any(word.strip(" ") != word or set(word) & set("\t\r\n\0") or not word for word in words)
    else:
        assert read_posts(tmp_path / "posts.txt") == [post]


TEXTS = st.text(alphabet=st.characters(codec="utf-8"), max_size=12)
LINES = TEXTS.filter(lambda text: not set(text) & set("\n\r\0"))
CAPTIONS = TEXTS.filter(lambda text: text.strip().lower() not in ("", "none", "null", "nan") and "<unk>" not in text)
TAGS = st.sampled_from(["O", "B-PER", "I-PER", "S-a b", "E-\u00e9"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
NAMES = st.from_regex(r"[a-z\u00e9 ]{1,8}(/[a-z.]{1,8}[a-z])?(\.jpg|\.PNG)", fullmatch=True)
NAMES = NAMES.map(str.strip).filter(lambda name: not name.startswith("/"))


@st.composite
def posts(draw):
    """Any post whose words were given, and any that is raw text with entities."""
    common = {
        "id": draw(TEXTS.filter(bool)),
        "image": draw(st.none() | NAMES.map(Path)),
        "contexts": draw(st.dictionaries(TEXTS, CAPTIONS, max_size=2)),
        "metadata": draw(st.dictionaries(TEXTS, JSON, max_size=2)),
    }
    if draw(st.booleans()):
        words = draw(WORDS)
        text, starts = " ".join(words), [0]
        for word in words:
            starts.append(starts[-1] + len(word) + 1)
        offsets = tuple((start, start + len(word)) for start, word in zip(starts, words, strict=False))
        tags = draw(st.none() | st.tuples(*[TAGS] * len(words)))
        has_text, has_offsets = draw(st.booleans()), draw(st.booleans())
        given = {"text": text if has_text else None, "offsets": offsets if has_text and has_offsets else None}
        return Post(words=tuple(words), tags=tags, **given, **common)
    text = f"{draw(TEXTS)}Ana{draw(TEXTS)}"
    place = text.index("Ana")
    start, end = draw(st.integers(0, place)), draw(st.integers(place + 1, len(text)))  # it may split a word
    spans = draw(st.sampled_from([None, (), ((start, end, "PER"),)]))
    return raw_post(text, TweetTokenizer(), spans, **common)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(post=posts(), images=st.sampled_from([None, "pictures", "/data/pictures"]))
@pytest.mark.filterwarnings("ignore:.*(white space at the ends|lone surrogates)")
def test_any_post_reads_back_the_same(tmp_path, post, images):
    if images is not None and post.image is not None:
        post = replace(post, image=Path(images) / post.image)
    write_json_lines([post], tmp_path / "posts.jsonl", images=images)
    assert read_posts(tmp_path / "posts.jsonl", images=images) == [post]
    split = replace(post, is_raw=False)
    write_json_lines([split], tmp_path / "posts.jsonl", images=images)
    assert read_posts(tmp_path / "posts.jsonl", images=images) == [split]
