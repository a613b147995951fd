"""Gold boxes in JSON: of spans, of tags, in fractions or pixels; UnCo's; and their round trip."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from mner.boxes import gold_entities
from mner.data.check import check_posts
from mner.data.label_map import in_terms_of
from mner.data.readers import read_posts
from mner.data.writers import write_conll, write_json_lines
from mner.errors import DataError, FormatError
from mner.posts import Post
from mner.word_tokenizers import TweetTokenizer
from mner.word_tokenizers.raw_posts import raw_post

WORDS = ["Ana", "Ruiz", "in", "Lugo"]
BOX, OTHER = (0.1, 0.1, 0.5, 1.0), (0.0, 0.0, 1.0, 0.5)
SPANS = [
    {"start": 0, "end": 2, "type": "PER", "boxes": [list(BOX), list(OTHER)]},
    {"start": 3, "end": 4, "type": "LOC"},
]


@pytest.fixture
def read(tmp_path):
    """A function from JSON records to posts."""

    def posts(*records, **options):
        (tmp_path / "posts.jsonl").write_text("".join(json.dumps(each) + "\n" for each in records), encoding="utf-8")
        return read_posts(tmp_path / "posts.jsonl", **options)

    return posts


def boxes_of(post):
    return [entity.boxes for entity in gold_entities(post)]


def test_boxes_of_spans_and_of_tags(read):
    tags = ["B-PER", "I-PER", "O", "B-LOC"]
    items = [{"start": 0, "end": 2, "box": list(box)} for box in (BOX, OTHER)]
    posts = read(
        {"tokens": WORDS, "entities": SPANS},
        {"tokens": WORDS, "tags": tags, "entity_boxes": items},
        {"text": "Ana Ruiz in Lugo", "entities": [{**SPANS[0], "end": 8}, {"start": 12, "end": 16, "type": "LOC"}]},
        {"tokens": WORDS, "text": "Ana Ruiz in Lugo", "tags": tags, "character_spans": [{**SPANS[0], "end": 8},
         {"start": 12, "end": 16, "type": "LOC"}]},
    )  # fmt: skip
    assert [boxes_of(post) for post in posts] == [[(BOX, OTHER), ()]] * 4
    unknown, hidden = read({"tokens": WORDS, "tags": tags}, {"tokens": WORDS, "tags": tags, "entity_boxes": []})
    assert (boxes_of(unknown), boxes_of(hidden)) == ([None, None], [(), ()])


def test_pixels_by_the_size_or_the_image(read, tmp_path):
    pixels = [{**SPANS[0], "boxes": [10, 5, 50, 50]}]
    record = {"tokens": WORDS, "image": "a.png", "entities": pixels}
    (post,) = read({**record, "image_size": [100, 50]})
    assert (post.boxes, post.metadata) == ({(0, 2): (BOX,)}, {"image_size": [100, 50]})
    Image.new("RGB", (100, 50)).save(tmp_path / "a.png")
    assert read(record, images=tmp_path)[0].boxes == {(0, 2): (BOX,)}
    with pytest.warns(UserWarning, match="boxes in pixels of images of unknown size were left out.*2 lines, the first"):
        posts = read(record, record)
    assert [post.boxes for post in posts] == [None, None]


def test_unco(read):
    entities = [
        {"start": 0, "end": 1, "entity_type": "PER", "phrase": "Ana Ruiz", "region_box": [[10, 5, 50, 50]]},
        {"start": 3, "end": 3, "entity_type": "LOC", "phrase": "Lugo", "region_box": []},
    ]
    (post,) = read({"tokens": WORDS, "image_id": "33.jpg", "image_size": [100, 50], "gt_entities": entities})
    assert boxes_of(post) == [(BOX,), ()]
    for entity in entities:
        del entity["region_box"]
    assert boxes_of(read({"tokens": WORDS, "gt_entities": entities})[0]) == [None, None]


@pytest.mark.parametrize(
    ("box", "message"),
    [([-5, 0, 50, 25], "partly outside the image"), ([100, 0, 120, 25], "without an area in the image")],
)
def test_boxes_outside_the_image_are_noted(read, box, message):
    with pytest.warns(UserWarning, match=message):
        (post,) = read({"tokens": WORDS, "entities": [{**SPANS[0], "boxes": [box]}], "image_size": [100, 50]})
    assert boxes_of(post) == [((0.0, 0.0, 0.5, 0.5),) if box[0] < 0 else ()]


TAGGED = {"tokens": WORDS, "tags": ["B-PER", "I-PER", "O", "O"]}


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({**TAGGED, "entity_boxes": {}}, "entity_boxes is {}"),
        ({**TAGGED, "entity_boxes": [[0, 0, 1, 1]]}, "not the box of a span"),
        ({**TAGGED, "entity_boxes": [{"start": 0, "end": 2}]}, "the box None"),
        ({**TAGGED, "entity_boxes": [{"start": 0, "end": 2, "box": [0, 0, 1]}]}, r"the box \[0, 0, 1\]"),
        ({**TAGGED, "entity_boxes": [{"start": 0, "end": 1, "box": [0, 0, 1, 1]}]}, "which are not an entity"),
        ({**TAGGED, "entity_boxes": [{"start": 0, "end": 9, "box": [0, 0, 1, 1]}]}, "within its 4 words"),
        ({"tokens": WORDS, "entity_boxes": []}, "boxes of entities, but no entities"),
        ({"tokens": WORDS, "entities": [{**SPANS[0], "boxes": "x"}]}, "the boxes 'x' of an entity"),
        ({"tokens": WORDS, "entities": SPANS, "image_size": [0, 5], "entity_boxes": [
            {"start": 0, "end": 2, "box": [0, 0, 9, 9]}]}, "image_size is"),
        ({**TAGGED, "image_size": [10**400, 5], "entity_boxes": [
            {"start": 0, "end": 2, "box": [0, 0, 9, 9]}]}, "image_size is"),
        ({**TAGGED, "entity_boxes": [{"start": 0, "end": 2, "box": [0, 0, 10**400, 1]}]}, "the box"),
    ],
)  # fmt: skip
def test_malformed_boxes(read, record, message):
    with pytest.raises(FormatError, match=message):
        read(record)


def test_round_trip_as_json_lines(tmp_path):
    words = Post("1", tuple(WORDS), ("B-PER", "I-PER", "O", "B-LOC"), Path("a.png"), boxes={(0, 2): (BOX, OTHER)})
    spans = ((0, 5, "LOC"), (5, 9, "PER"))
    raw = raw_post("ParisOslo", TweetTokenizer(), spans, id="2", boxes={(5, 9): (BOX,)})
    posts = [words, raw, replace(words, id="3", boxes={}), replace(words, id="4", boxes=None)]
    write_json_lines(posts, tmp_path / "posts.jsonl")
    assert read_posts(tmp_path / "posts.jsonl") == posts
    with pytest.raises(DataError, match="cannot be written as CoNLL: its boxes"):
        write_conll([replace(words, image=None)], tmp_path / "posts.txt")


def test_a_label_map_keeps_the_boxes_of_the_entities_that_are_left():
    labels = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
    words = Post("1", tuple(WORDS), ("B-PER", "I-PER", "O", "B-LOC"), boxes={(0, 2): (BOX,), (3, 4): (OTHER,)})
    raw = raw_post("Ana", TweetTokenizer(), ((0, 3, "PER"),), id="2", boxes={(0, 3): (BOX,)})
    mapped = in_terms_of([words, raw], "test", labels, ["O", "B-LOC", "I-LOC"], {"PER": None})
    assert [boxes_of(post) for post in mapped] == [[(OTHER,)], []]


def test_a_span_may_have_one_box(read):
    (post,) = read({"tokens": WORDS, "entities": [{"start": 0, "end": 2, "type": "PER", "box": list(BOX)}]})
    assert post.boxes == {(0, 2): (BOX,)}


def test_a_size_in_the_metadata_that_is_none_is_not_compared(read, tmp_path):
    Image.new("RGB", (20, 20)).save(tmp_path / "a.png")
    record = {"tokens": WORDS, "entities": SPANS, "image": "a.png", "metadata": {"image_size": "large"}}
    posts = read(record, images=tmp_path)
    assert check_posts({"train": posts}).splits["train"].boxes.other_shape == []
