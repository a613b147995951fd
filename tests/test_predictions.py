"""Predictions files read back as they were written."""

import json
from itertools import accumulate
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mner.errors import DataError, FormatError
from mner.posts import Entity, Post
from mner.predictions import Prediction, read_predictions, write_predictions

TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=5)


@st.composite
def predictions(draw):
    words = draw(st.lists(TEXT, max_size=6))
    count = len(words)
    tags = draw(st.none() | st.lists(st.sampled_from(["O", "B-PER", "I-PER"]), min_size=count, max_size=count))
    bounds = sorted(draw(st.sets(st.integers(0, len(words)), max_size=4)))
    text = draw(st.none() | st.just(" ".join(words)))
    edges = [0, *accumulate(len(word) + 1 for word in words)]
    offsets = (
        None if text is None else tuple((edge, edge + len(word)) for edge, word in zip(edges, words, strict=False))
    )
    entities = tuple(
        Entity(
            "PER",
            start,
            end,
            " ".join(words[start:end]),
            round(draw(st.floats(0, 1)), 6),
            None if offsets is None else (offsets[start][0], offsets[end - 1][1]),
        )
        for start, end in zip(bounds[::2], bounds[1::2], strict=False)
    )
    post = Post(
        draw(TEXT),
        tuple(words),
        None if tags is None else tuple(tags),
        Path("7.jpg") if draw(st.booleans()) else None,
        draw(st.dictionaries(TEXT, TEXT, max_size=2)),
        text,
        offsets,
        draw(st.dictionaries(TEXT, st.integers(), max_size=1)),
    )
    scores = draw(st.dictionaries(TEXT, st.floats(-9, 9).map(lambda value: round(value, 6)), max_size=2))
    return Prediction(post, entities, scores)


@settings(deadline=None, max_examples=60)
@given(st.lists(predictions(), min_size=1, max_size=3, unique_by=lambda prediction: prediction.post.id))
def test_what_is_written_is_read(tmp_path_factory, written):
    path = tmp_path_factory.getbasetemp() / "predictions" / "round_trip.jsonl"
    write_predictions(written, path)
    assert read_predictions(path) == written
    assert not path.with_name("round_trip.jsonl.partial").exists()


def test_a_line_says_gold_and_predicted_entities():
    post = Post("5", ("Oracle", "Arena", "!"), ("B-LOC", "I-LOC", "O"), Path("images/5.jpg"))
    record = Prediction(post, (Entity("ORG", 0, 1, confidence=0.25),)).to_dict()
    assert record["gold"] == [{"type": "LOC", "text": "Oracle Arena", "start": 0, "end": 2}]
    assert record["predicted"] == [{"type": "ORG", "text": "Oracle", "start": 0, "end": 1, "confidence": 0.25}]
    assert record["image"] == "5.jpg"


def test_a_post_without_annotation_has_no_gold():
    assert "gold" not in Prediction(Post("5", ("a",)), ()).to_dict()


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "predictions.jsonl"
    write_predictions([Prediction(Post("old", ("a",)), ())], path)

    def failing():
        yield Prediction(Post("new", ("a",)), ())
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_predictions(failing(), path)
    assert [prediction.post.id for prediction in read_predictions(path)] == ["old"]


@pytest.mark.parametrize("line", ["{", "[]", '{"id": "5"}', '{"id": "5", "words": ["a"], "predicted": [{}]}', "", "3"])
def test_a_line_that_is_no_prediction_is_named(tmp_path, line):
    path = tmp_path / "predictions.jsonl"
    good = json.dumps(Prediction(Post("5", ("a",)), ()).to_dict())
    path.write_text(f"{good}\n{line}\n", encoding="utf-8")
    with pytest.raises(FormatError, match=r"predictions.jsonl, line 2: not a prediction") as caught:
        read_predictions(path)
    assert caught.value.line == 2


RECORD = {"id": "5", "words": ["Ann", "Lee", "!"], "tags": ["B-PER", "I-PER", "O"], "predicted": []}
TEXT_OF = {"text": "Ann Lee !", "offsets": [[0, 3], [4, 7], [8, 9]]}
ENTITY = {"type": "PER", "start": 0, "end": 2, "confidence": 0.5}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"predicted": [ENTITY, ENTITY]}, "overlap"),
        ({"predicted": [ENTITY, {**ENTITY, "start": 1, "end": 3, "type": "LOC"}]}, "overlap"),
        ({"predicted": [{**ENTITY, "start": -1}]}, r"within the 3 words .* got PER from -1 to 2"),
        ({"predicted": [{**ENTITY, "start": 2, "end": 1}]}, "from 2 to 1"),
        ({"predicted": [{**ENTITY, "end": 0}]}, "from 0 to 0"),
        ({"predicted": [{**ENTITY, "end": 4}]}, "from 0 to 4"),
        ({"predicted": [{**ENTITY, "start": 0.0}]}, r"from 0\.0 to 2"),
        ({"predicted": [{**ENTITY, "start": True}]}, "from True to 2"),
        ({"predicted": [{**ENTITY, "start": "0"}]}, "from '0' to 2"),
        ({"predicted": [{**ENTITY, "confidence": "high"}]}, "confidence to be a number from 0 to 1, got 'high'"),
        ({"predicted": [{**ENTITY, "confidence": 1.5}]}, "got 1.5"),
        ({"predicted": [{**ENTITY, "confidence": -0.1}]}, "got -0.1"),
        ({"predicted": [{**ENTITY, "confidence": True}]}, "got True"),
        ({"predicted": [{**ENTITY, "confidence": float("nan")}]}, "NaN is not a finite number"),
        ({"predicted": [{**ENTITY, "confidence": float("inf")}]}, "Infinity is not a finite number"),
        ({"predicted": [{**ENTITY, "type": 3}]}, "type to be a string, got 3"),
        ({"predicted": [{**ENTITY, "type": ""}]}, "name of an entity type"),
        *(
            ({"predicted": [{**ENTITY, "type": name}]}, "expected type to be")
            for name in ("O", "o", " ", "B-PER", "I_PER", "PER\u200b", "PER\xa0", "P\u202eER", "PER\n")
        ),
        ({"predicted": [{**ENTITY, "text": "Ann"}]}, "the text of PER from 0 to 2 to be that of its words, 'Ann Lee'"),
        ({"predicted": [{**ENTITY, "characters": [5, 1]}]}, "characters"),
        ({"predicted": [{**ENTITY, "characters": [0, 7]}]}, "left out, since the post has no offsets"),
        ({**TEXT_OF, "predicted": [{**ENTITY, "characters": [0, 99]}]}, r"those of its words, \[0, 7\], got \[0, 99\]"),
        ({**TEXT_OF, "predicted": [{**ENTITY, "characters": [8, 9]}]}, r"those of its words, \[0, 7\], got \[8, 9\]"),
        ({**TEXT_OF, "offsets": [[0, 3], [4, 7], [8, 10]]}, r"within the text, got \[8, 10\]"),
        ({**TEXT_OF, "offsets": [[4, 7], [0, 3], [8, 9]]}, r"in order, without overlap, within the text, got \[0, 3\]"),
        ({**TEXT_OF, "character_spans": [[0, 7, "ORG"]]}, "tags say PER 'Ann Lee', but character_spans ORG 'Ann Lee'"),
        ({**TEXT_OF, "character_spans": [[0, 10, "PER"]]}, r"within the text, got \[0, 10\]"),
        ({"character_spans": [[0, 3, "PER"]]}, "the post has no text"),
        ({"tags": ["B-PER\u200b", "I-PER\u200b", "O"]}, "every tag to be 'B-PER', without invisible"),
        ({"tags": ["B-O", "O", "O"]}, "expected O or a BIO or BIOES tag"),
        ({"tags": None, "gold": [ENTITY]}, "gold entities, but no tags"),
        ({"predicted": ["PER"]}, "an entity to be an object, got 'PER'"),
        ({"predicted": {"PER": [0, 2]}}, "predicted to be a list"),
        ({"predicted": None}, "predicted to be a list"),
        ({"tags": ["B-PER", "I-PER"]}, "expected 3 tags"),
        ({"tags": ["B-PER", "I-PER", "PER"]}, "expected O or a BIO or BIOES tag"),
        ({"tags": "BIO"}, "tags to be a list"),
        ({"tags": ["O", "O", None]}, "every item of tags to be a string"),
        ({"gold": []}, "gold disagrees with the tags"),
        ({"words": "Ann"}, "words to be a list"),
        ({"words": [1, 2, 3]}, "every item of words to be a string"),
        ({"id": 5}, "id to be a string"),
        ({"text": 5}, "text to be a string"),
        ({"offsets": [[0, 1]]}, "expected 3 offsets"),
        ({"offsets": [[0, 1], [2, 1], [3, 4]]}, "offsets to be a start and an end"),
        ({"image": {}}, "image to be a file name"),
        ({"contexts": {"caption": 1}}, "contexts.caption to be a string"),
        ({"metadata": []}, "metadata to be an object"),
        ({"scores": [0.5]}, "scores to be an object"),
        ({"scores": {"relation": "high"}}, "scores.relation to be a number, got 'high'"),
    ],
)
def test_a_malformed_prediction_is_refused_with_file_and_line(tmp_path, change, said):
    path = tmp_path / "predictions.jsonl"
    lines = [json.dumps({**RECORD, "id": "4", "predicted": [ENTITY]}), json.dumps({**RECORD, **change})]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(FormatError, match=rf"predictions.jsonl, line 2: not a prediction: .*{said}"):
        read_predictions(path)


def test_a_post_that_comes_twice_is_refused(tmp_path):
    path = tmp_path / "predictions.jsonl"
    path.write_text(f"{json.dumps(RECORD)}\n" * 2, encoding="utf-8")
    with pytest.raises(FormatError, match="line 2: the post '5' of line 1 again"):
        read_predictions(path)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"id": "6", "words": [], "predicted": [], "predicted": []}', "the key 'predicted' occurs twice"),
        (b'{"id": "6", "words": [], "predicted": [], "metadata": {"x": [1e999]}}', "1e999 is not a finite number"),
        (b'{"id": "6", "words": [], "predicted": [], "metadata": {"\\ud83d": 1, "\\ud83c": 2}}', "differ only in surr"),
    ],
)
def test_no_value_is_lost_in_decoding(tmp_path, line, said):
    path = tmp_path / "predictions.jsonl"
    path.write_bytes(json.dumps(RECORD).encode() + b"\n" + line + b"\n")
    with pytest.raises(FormatError, match=f"line 2: not a prediction: .*{said}"):
        read_predictions(path)


def test_lone_surrogates_are_repaired_and_counted(tmp_path):
    path = tmp_path / "predictions.jsonl"
    entity = b'{"type": "PER", "start": 0, "end": 1, "text": "Ann\\ud83d"}'
    line = b'{"id": "%d", "words": ["Ann\xed\xa0\xbd"], "tags": ["O"], "predicted": [' + entity + b"]}\n"
    path.write_bytes(b"\xef\xbb\xbf" + line % 1 + line % 2)
    with pytest.warns(UserWarning, match="replaced by U.FFFD in 2 lines, the first is 1"):
        first, _ = read_predictions(path)
    assert first.post.words == ("Ann\ufffd",)
    assert first.entities[0].text == "Ann\ufffd"


@pytest.mark.parametrize(
    "line", [b"\xff\xfe{}", b"[" * 100_000, b'{"id": ' + b"9" * 5000 + b"}", b"[" * 900 + b"]" * 900]
)
def test_bytes_that_are_no_json_are_refused(tmp_path, line):
    path = tmp_path / "predictions.jsonl"
    path.write_bytes(json.dumps(RECORD).encode() + b"\n" + line + b"\n")
    with pytest.raises(FormatError, match=r"line 2: not a prediction"):
        read_predictions(path)


def test_numbers_that_json_lacks_are_written_as_null(tmp_path):
    path = tmp_path / "predictions.jsonl"
    metadata = {"score": float("nan"), "more": [{"x": float("-inf")}, 1.5], "pair": (1, float("inf"))}
    write_predictions([Prediction(Post("5", ("a",), metadata=metadata), ())], path)
    assert "NaN" not in path.read_text(encoding="utf-8")
    (back,) = read_predictions(path)
    assert back.post.metadata == {"score": None, "more": [{"x": None}, 1.5], "pair": [1, None]}
    with pytest.raises(DataError, match="metadata of post '5' is not plain JSON"):
        write_predictions([Prediction(Post("5", ("a",), metadata={"x": {1}}), ())], path)


def test_character_spans_and_lone_surrogates(tmp_path):
    path = tmp_path / "predictions.jsonl"
    post = Post("5", ("#Paris", "\ud83d"), text="#Paris \ud83d", offsets=((0, 6), (7, 8)), spans=((1, 6, "LOC"),))
    write_predictions([Prediction(post, ())], path)
    (back,) = read_predictions(path)
    assert back.post.spans == ((1, 6, "LOC"),)
    assert back.post.words == ("#Paris", "\ufffd")


def test_an_empty_file_and_a_missing_one_are_refused(tmp_path):
    path = tmp_path / "predictions.jsonl"
    with pytest.raises(FormatError, match="no such file"):
        read_predictions(path)
    path.touch()
    with pytest.raises(FormatError, match="no predictions in the file"):
        read_predictions(path)


def test_boxes_of_gold_and_predicted_entities_are_kept():
    box = (0.1, 0.2, 0.5, 1.0)
    post = Post("5", ("Ann", "!", "Bo"), ("B-PER", "O", "B-PER"), boxes={(0, 1): (box, (0.0, 0.0, 1.0, 1.0))})
    entities = (Entity("PER", 0, 1, "Ann", boxes=(box,)), Entity("PER", 1, 2, "!", boxes=()), Entity("PER", 2, 3, "Bo"))
    record = json.loads(Prediction(post, entities).to_json())
    assert [entity["boxes"] for entity in record["gold"]] == [[list(box), [0.0, 0.0, 1.0, 1.0]], []]
    assert [entity.get("boxes") for entity in record["predicted"]] == [[list(box)], [], None]
    assert Prediction.from_dict(record) == Prediction(post, entities)
    for change in (
        {"entity_boxes": [{"start": 0, "end": 1, "box": list(box)}]},
        {"entity_boxes": [{"start": 0, "end": 1}]},
    ):
        with pytest.raises(DataError, match=r"disagree with those of the post|expected a box to be"):
            Prediction.from_dict({**record, **change})
    record["predicted"][0]["boxes"] = [[1, 2, 3, 4]]
    with pytest.raises(DataError, match="expected a box to be"):
        Prediction.from_dict(record)
