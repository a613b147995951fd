"""Gold entities with their boxes, and the overlap of boxes."""

import random

import pytest

from mner.boxes import gold_entities, intersection_over_union
from mner.errors import DataError
from mner.posts import Post
from mner.predictions import Prediction
from mner.word_tokenizers import CharacterTokenizer, TweetTokenizer
from mner.word_tokenizers.raw_posts import raw_post, tokenize_post

BOX, OTHER = (0.1, 0.2, 0.5, 1.0), (0.0, 0.0, 0.25, 0.5)


def test_an_entity_without_boxes_is_not_shown_and_without_annotation_it_is_unknown():
    words, tags = ("Ann", "in", "New", "York"), ("B-PER", "O", "B-LOC", "I-LOC")
    assert [entity.boxes for entity in gold_entities(Post("1", words, tags, boxes={(2, 4): (BOX, OTHER)}))] == [
        (),
        (BOX, OTHER),
    ]
    assert [entity.boxes for entity in gold_entities(Post("1", words, tags, boxes={}))] == [(), ()]
    assert [entity.boxes for entity in gold_entities(Post("1", words, tags))] == [None, None]


def test_boxes_of_words_that_are_not_an_entity():
    with pytest.raises(DataError, match=r"boxes of the words \(0, 2\), which are not an entity"):
        gold_entities(Post("1", ("Ann", "in"), ("B-PER", "O"), boxes={(0, 2): (BOX,)}))
    with pytest.raises(DataError, match="no gold tags"):
        gold_entities(Post("1", ("Ann",)))


def test_boxes_of_raw_text_follow_its_characters_through_every_word_tokenizer():
    spans = ((0, 5, "LOC"), (5, 9, "PER"))
    raw = raw_post("ParisOslo", TweetTokenizer(), spans, id="1", boxes={(5, 9): (BOX,)})
    assert [entity.boxes for entity in gold_entities(raw)] == [()]  # both spans are in one word, which is Paris
    post = tokenize_post(raw, CharacterTokenizer())
    assert [(entity.start, entity.end, entity.boxes) for entity in gold_entities(post)] == [(0, 5, ()), (5, 9, (BOX,))]
    assert Prediction.from_dict(Prediction(post, ()).to_dict()).post.boxes == raw.boxes


def test_character_spans_without_offsets_or_against_the_tags():
    with pytest.raises(DataError, match="not both the text and the words' offsets"):
        gold_entities(Post("1", ("Ann",), ("B-PER",), spans=((0, 3, "PER"),), boxes={}))
    with pytest.raises(DataError, match="tags say LOC 'Ann', but character_spans PER 'Ann'"):
        gold_entities(Post("1", ("Ann",), ("B-LOC",), text="Ann", offsets=((0, 3),), spans=((0, 3, "PER"),), boxes={}))


def test_overlap_equals_counted_cells():
    rng = random.Random(0)
    for _ in range(300):
        first, second = ((*sorted(rng.sample(range(9), 2)), *sorted(rng.sample(range(9), 2))) for _ in range(2))
        cells = [{(x, y) for x in range(x1, x2) for y in range(y1, y2)} for x1, x2, y1, y2 in (first, second)]
        boxes = [(x1 / 8, y1 / 8, x2 / 8, y2 / 8) for x1, x2, y1, y2 in (first, second)]
        expected = len(cells[0] & cells[1]) / len(cells[0] | cells[1])
        assert intersection_over_union(*boxes) == pytest.approx(expected)
