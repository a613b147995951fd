"""JSON objects as posts: the paper's layout, word spans, raw text, and what is refused."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mner.data.image_names import ImageFolder
from mner.data.lines import Line, Notes
from mner.data.readers import read_posts
from mner.data.records import post_from_record, tagged_words
from mner.errors import FormatError
from mner.labels import spans
from mner.posts import Post


@pytest.fixture
def read(tmp_path):
    def read(*records, **options):
        path = tmp_path / "posts.json"
        path.write_text("\n".join(json.dumps(record) for record in records), encoding="utf-8")
        return read_posts(path, **options)

    return read


PAPER = {"id": "33", "image_id": "33.jpg", "tokens": ["St", "Louis"], "label": ["O", "B-LOC"]}


def test_the_papers_layout(read):
    post = read(PAPER)[0]
    assert (post.id, post.words, post.tags, post.image) == ("33", ("St", "Louis"), ("O", "B-LOC"), Path("33.jpg"))
    assert read(PAPER, images=Path("in"))[0].image == Path("in/33.jpg")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Tom &amp; Jerry", ["Tom", "&", "Jerry"]),
        ("Gru\u0308\u00dfe aus Z\u00fcrich", ["grusse", "aus", "zurich"]),
        ("@ana see https://t.co/1", ["@USER", "see", "HTTPURL"]),
        ("playing in Oslo", ["play", "##ing", "\u0120in", "\u2581Oslo"]),
        ("\U0001f600", [":grinning:"]),
        ("", ["Oslo"]),
        ("u 2", ["you", "2"]),
    ],
)
def test_words_may_normalise_their_text(read, text, words):
    (post,) = read({"text": text, "tokens": words, "tags": ["O"] * len(words)})
    assert (post.text, post.words) == (text, tuple(words))


@pytest.mark.parametrize(("text", "words"), [("Bo", ["Ana"]), ("Ana was in Rome", ["Bo", "is", "in", "Oslo"])])
def test_words_of_another_post(read, text, words):
    with pytest.raises(FormatError, match=rf"line 1: the words are not those of the text: '{words[0]}' .* delete the"):
        read({"text": text, "tokens": words, "tags": ["O"] * len(words)})


@pytest.mark.parametrize("key", ["labels", "tags"])
def test_other_names_of_tags(read, key):
    assert read({"tokens": ["a"], key: ["O"]})[0].tags == ("O",)


@pytest.mark.parametrize(
    ("given", "image"),
    [
        ({"image_id": 33}, "33.jpg"),
        ({"image_id": "O_3774"}, "O_3774.jpg"),
        ({"image": "a/b"}, "a/b"),
        ({"image_id": None}, None),
    ],
)
def test_image_names(read, given, image):
    assert read({"tokens": ["a"], **given})[0].image == (image and Path(image))


@pytest.mark.parametrize(
    ("given", "image"),
    [
        ({"image_id": "33", "image": "a/33.png"}, "a/33.png"),
        ({"image_id": "17.06.1", "image": "17.06.1.JPG"}, "17.06.1.JPG"),
        ({"image_id": "33.jpg", "image": "b\\33.jpg"}, "b/33.jpg"),
        ({"images": ["33.jpg"]}, "33.jpg"),
        ({"images": []}, None),
        ({"image": "nan"}, None),
        ({"image_id": "None"}, None),
        ({"image": "33.jpg", "images": ["33.jpg", "34.jpg"], "img_url": "https://x.org/33.jpg"}, "33.jpg"),
    ],
)
def test_images_under_several_keys(read, given, image):
    assert read({"tokens": ["a"], **given})[0].image == (image and Path(image))


@pytest.mark.parametrize(
    "key", ["img", "image_path", "imageID", "photo", "picture", "media", "pics", "Image", "path", "x"]
)
@pytest.mark.parametrize("value", ["a/33.JPG", ["33.png", "34.webp"]])
def test_an_image_that_would_be_overlooked_is_refused(read, key, value):
    with pytest.raises(FormatError, match=f"line 2: {key} looks like the name of an image"):
        read({"tokens": ["a"]}, {"tokens": ["a"], key: value})
    assert read({"tokens": ["a"], "image": "33.jpg", key: value})[0].image == Path("33.jpg")


def test_an_image_id_under_another_key_is_refused(read):
    with pytest.raises(FormatError, match=r"img_id looks like the name of an image.*: 33"):
        read({"tokens": ["a"], "img_id": 33})


@pytest.mark.parametrize("value", ["https://x.org/33.jpg", [{"type": "photo", "url": "x"}]])
def test_links_to_images_are_noted_once(read, value):
    with pytest.warns(UserWarning, match=r"media looks like an image and is not read.*2 lines, the first is") as caught:
        posts = read({"tokens": ["a"], "media": value}, {"tokens": ["a"], "media": value})
    assert len(caught) == 1
    assert posts[0].metadata == {"media": value}


@pytest.mark.parametrize("as_text", [False, True])
def test_links_to_images_in_the_entities_of_twitter_are_noted_once(read, as_text):
    media = {"media": [{"type": "photo", "media_url": "https://x.org/33.jpg"}], "hashtags": [], "urls": []}
    entities = json.dumps(media) if as_text else media
    with pytest.warns(UserWarning, match=r"entities looks like an image and is not read.*2 lines") as caught:
        posts = read({"tokens": ["a"], "entities": entities}, {"tokens": ["a"], "entities": entities})
    assert len(caught) == 1
    assert posts[0].metadata == {"entities": entities}
    read({"tokens": ["a"], "image": "33.jpg", "entities": entities})
    read({"tokens": ["a"], "entities": {"media": [], "hashtags": [{"text": "x", "indices": [0, 2]}]}})


@pytest.mark.parametrize("key", ["captions", "ocr_text", "alt_text", "image_description", "objects", "imageCaption"])
@pytest.mark.parametrize("value", ["a dog", ["a dog", "a ball"]])
def test_a_text_about_the_image_that_would_be_overlooked_is_refused(read, key, value):
    with pytest.raises(FormatError, match=f"line 1: {key} looks like a text about the image"):
        read({"tokens": ["a"], "image": "33.jpg", key: value})


def test_what_is_no_image_and_no_text_about_one_is_kept(read):
    others = {
        "image_size": [3, 4], "image_labels": ["dog"], "photo_count": 3, "media": [], "user_image": "x.jpg",
        "note": "see 33.jpg", "captions": None, "objects": [{"box": [1]}],
    }  # fmt: skip
    assert read({"tokens": ["a"], **others})[0].metadata == others


def test_ids(read):
    posts = read(
        {"id": 7, "tokens": ["a"]}, {"tokens": ["b"]}, {"id": 7, "tokens": ["c"]}, {"id": "7#2", "tokens": ["d"]}
    )
    assert [post.id for post in posts] == ["7", "2", "7#2", "7#2#2"]


TAGGED = {"tokens": ["#AnaRuiz", "in", "Lugo"], "text": "#AnaRuiz in Lugo", "tags": ["B-PER", "O", "B-LOC"]}


def test_character_spans_narrow_what_tags_widen(read):
    post = read({**TAGGED, "character_spans": [[1, 8, "PER"], [12, 16, "LOC"]]})[0]
    assert (post.tags, post.spans) == (("B-PER", "O", "B-LOC"), ((1, 8, "PER"), (12, 16, "LOC")))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"character_spans": [[1, 8, "ORG"], [12, 16, "LOC"]]}, "tags say PER '#AnaRuiz', but character_spans ORG"),
        ({"character_spans": [[1, 8, "PER"]]}, "tags say LOC 'Lugo', but character_spans no such entity"),
        ({"tags": ["O"] * 3, "character_spans": [[1, 8, "PER"]]}, "tags say no such entity, but character_spans PER"),
        ({"text": None, "character_spans": []}, "without the text"),
        ({"text": "#AnaRuiz", "character_spans": []}, "not those of the text"),
        ({"tokens": None, "tags": None, "entities": [], "character_spans": [[1, 8, "PER"]]}, "give different entities"),
        ({"predicted": [], "gold": [{"type": "LOC", "start": 2, "end": 3}]}, "gold and tags give different entities"),
        ({"image": "a.jpg", "image_id": "b"}, "two images, image 'a.jpg' and image_id 'b'"),
        ({"image": "a.jpg", "image_id": "a.png"}, "two images"),
        ({"images": "a.jpg"}, "images is 'a.jpg', where a list was expected"),
        ({"image": "https://x.org/a.jpg"}, "a link"),
        ({"image": "data:image/svg+xml,<svg/>"}, "a link"),
    ],
)
def test_contradictions_name_both_sides(read, change, message):
    with pytest.raises(FormatError, match=message) as caught:
        read(TAGGED, {**TAGGED, **change})
    assert caught.value.line == 2


def test_word_spans(read):
    post = read(
        {
            "tokens": ["in", "New", "York", "Bo"],
            "entities": [{"start": 3, "end": 4, "label": "PER"}, {"start": 1, "end": 3, "type": "LOC"}],
        }
    )[0]
    assert post.tags == ("O", "B-LOC", "I-LOC", "B-PER")


@pytest.mark.parametrize("outside", ["O", "o"])
def test_a_span_labelled_o_is_no_entity(read, outside):
    assert read({"tokens": ["a", "b"], "entities": [[0, 1, outside], [1, 2, "PER"]]})[0].tags == ("O", "B-PER")


def test_no_entities_is_an_annotation(read):
    assert read({"tokens": ["a"], "entities": []})[0].tags == ("O",)
    assert read({"tokens": ["a"]})[0].tags is None


def test_what_else_is_known_is_kept(read):
    post = read(
        {"tokens": ["a"], "text": "a!", "caption": "c", "contexts": {"ocr": "o"}, "lang": "en", "metadata": {"n": 1}}
    )[0]
    assert dict(post.contexts) == {"caption": "c", "ocr": "o"}
    assert dict(post.metadata) == {"lang": "en", "n": 1}
    assert (post.text, post.offsets) == ("a!", None)


TEXT = "Bob's in #NewYork \U0001f600 Paris"


@pytest.mark.parametrize(
    "annotation",
    [
        {
            "entities": [
                {"start": 0, "end": 3, "type": "PER"},
                {"start": 10, "end": 17, "type": "LOC"},
                {"start": 20, "end": 25, "type": "LOC"},
            ]
        },
        {
            "annotations": [
                {"start": 0, "end": 3, "entity_group": "PER"},
                {"start": 10, "end": 17, "entity_group": "LOC", "word": "NewYork"},
                {"start": 20, "end": 25, "entity_group": "LOC"},
            ]
        },
        {"entities": [[0, 3, "PER"], [10, 17, "LOC"], [20, 25, "LOC"]]},
        {"label": [[20, 25, "LOC"], [0, 3, "PER"], [10, 17, "LOC"]]},
        {
            "label": [
                {"start": 0, "end": 3, "text": "Bob", "labels": ["PER"]},
                {"start": 10, "end": 17, "labels": ["LOC"]},
                {"start": 19, "end": 25, "labels": ["LOC"], "text": " Paris"},
            ]
        },
    ],
    ids=["plain", "autogluon", "spacy", "doccano", "label studio min"],
)
@pytest.mark.filterwarnings("ignore:.*white space at the ends")
def test_raw_text_with_character_offsets(read, annotation):
    post = read({"text": TEXT, **annotation})[0]
    assert [(entity.type, post.surface(entity.start, entity.end)) for entity in spans(post.tags)] == [
        ("PER", "Bob"),
        ("LOC", "NewYork"),
        ("LOC", "Paris"),
    ]
    assert post.words == ("Bob", "'", "s", "in", "#", "NewYork", "\U0001f600", "Paris")
    assert (post.is_raw, post.spans[:2]) == (True, ((0, 3, "PER"), (10, 17, "LOC")))


def test_label_studio_task(read):
    result = [
        {"type": "labels", "value": {"start": 0, "end": 3, "text": "Bob", "labels": ["PER"]}},
        {"type": "choices", "value": {"choices": ["sport"]}},
    ]
    task = {
        "id": 5,
        "data": {"text": "Bob", "user": "x"},
        "annotations": [{"result": [], "was_cancelled": True}, {"result": result}],
    }
    post = read(task)[0]
    assert (post.id, post.tags, post.metadata["user"]) == ("5", ("B-PER",), "x")
    assert post.metadata["other_annotations"] == result[1:]
    assert read({**task, "annotations": []})[0].tags is None


def test_raw_text_without_annotation(read):
    post = read({"text": "hi Bob"})[0]
    assert (post.words, post.tags, post.offsets) == (("hi", "Bob"), None, ((0, 2), (3, 6)))


@pytest.mark.parametrize(
    ("record", "found"),
    [
        ({"tokens": ["a", "b"], "label": ["O"]}, "2 words and 1 tags"),
        ({"tokens": ["a"], "label": []}, "1 words and 0 tags"),
        ({"tokens": ["a"], "label": ["PER-B"]}, "'PER-B'"),
        ({"tokens": ["a"], "label": [3]}, "label contains class indices"),
        ({"tokens": ["a"], "label": [None]}, "not an entity span"),
        ({"tokens": "a b", "label": ["O"]}, "list of strings"),
        ({"tokens": ["a", None]}, "list of strings"),
        ({"tokens": [], "label": []}, "no words"),
        ({"text": " ", "entities": []}, "no words"),
        ({"id": 1}, "neither 'tokens' nor 'text'"),
        ([1], "JSON object"),
        ({"tokens": ["a"], "id": 1.5}, "the id 1.5"),
        ({"tokens": ["a"], "id": True}, "the id True"),
        ({"tokens": ["a"], "image_id": [["x"]]}, "image name"),
        ({"tokens": ["a"], "image_id": "../x.jpg"}, "out of the image folder"),
        ({"tokens": ["a"], "image_id": "a\\..\\..\\x.jpg"}, "out of the image folder"),
        ({"tokens": ["a"], "image_id": "C:\\x.jpg"}, "out of the image folder"),
        ({"tokens": ["a"], "text": 3}, "not a text"),
        ({"tokens": ["a"], "contexts": {"caption": 3}}, "not a text"),
        ({"tokens": ["a"], "contexts": "c"}, "object was expected"),
        ({"tokens": ["a"], "caption": "x", "contexts": {"caption": "y"}}, "two values of caption"),
        ({"tokens": ["a"], "offsets": [[0, 1], [1, 2]]}, "1 words and 2 offsets"),
        ({"tokens": ["a"], "offsets": [3]}, "not pairs"),
        ({"tokens": ["a"], "offsets": [[-2, 1]]}, "the offsets -2-1"),
        ({"tokens": ["a"], "offsets": [[5, 1]]}, "the offsets 5-1"),
        ({"tokens": ["a"], "entities": [{"start": 0, "end": 1, "type": "PER", "surface_form": "b"}]}, "says 'b'"),
        ({"tokens": ["a", "b"], "entities": [[0, 3, "PER"]]}, "within the 2 words"),
        ({"tokens": ["a", "b"], "entities": [[1, 1, "PER"]]}, "within the 2 words"),
        ({"tokens": ["a", "b"], "entities": [[0, 2, "PER"], [1, 2, "LOC"]]}, "overlaps"),
        ({"tokens": ["a"], "entities": [{"start": "0", "end": 1, "type": "PER"}]}, "not an entity span"),
        ({"tokens": ["a"], "entities": [{"start": 0, "end": 1}]}, "not an entity span"),
        ({"text": "a  b", "entities": [[1, 3, "PER"]]}, "no visible character"),
        ({"text": "aa Bob!", "entities": [{"start": 1, "end": 4, "type": "PER", "text": "Bob"}]}, "reads 'a B'"),
        ({"data": {"text": "a"}, "annotations": [3]}, "Label Studio"),
    ],
)
def test_malformed(read, record, found):
    with pytest.raises(FormatError, match=found) as caught:
        read({"tokens": ["fine"]}, record)
    assert caught.value.line == 2
    assert caught.value.remedy


LISTS = st.lists(
    st.sampled_from(["O", "B-PER", "I-PER", "S-LOC", "L-ORG", "B-O", "per", "B-\u0420ER", "#a", "7", 0, None]),
    max_size=3,
)
NAMES = st.sampled_from(
    ["33.jpg", "33", "34", "../a", '["33.jpg", "34.jpg"]', "nan", "", 33, True, None, 1.5, float("nan"), ["33"]]
)
KEYS = {"ner_tags": LISTS, "label": LISTS, "ner": LISTS, "id": NAMES, "image": NAMES, "image_id": NAMES}


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    record=st.fixed_dictionaries({"tokens": LISTS}, optional={"words": LISTS, **KEYS})
    | st.fixed_dictionaries({"words": LISTS}, optional=KEYS)
)
def test_the_short_way_of_common_records_agrees_with_the_long_one(tmp_path, record):
    (tmp_path / "33.jpg").touch()
    images = ImageFolder(tmp_path)

    def outcome(value):
        line = Line(Path("posts"), 3, 0, b"", Notes(Path("posts")))
        try:
            return post_from_record(value, line, images), vars(line.notes)
        except FormatError as error:
            return str(error)

    long = {**record, "metadata": {}}  # a key that the short way does not know
    assert tagged_words(long, None, None) is None
    assert outcome(record) == outcome(long)


def test_common_records_are_read_the_short_way():
    line = Line(Path("posts"), 3, 0, b"", Notes(Path("posts")))
    post = tagged_words({"tokens": ["Ana", "won"], "ner_tags": ["B-PER", "O"], "image_id": 33}, line, None)
    assert post == Post("3", ("Ana", "won"), ("B-PER", "O"), image=Path("33.jpg"))
