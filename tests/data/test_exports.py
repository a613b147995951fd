"""What annotation tools and other libraries write is read as they mean it, or refused by name."""

import json
import unicodedata
from pathlib import Path

import pytest

from mner.data import offsets
from mner.data.readers import read_posts
from mner.errors import FormatError
from mner.labels import spans

TEXT = "Ana Ruiz in Lugo"
WORDS = TEXT.split()
TRUE = [("PER", "Ana Ruiz"), ("LOC", "Lugo")]


@pytest.fixture
def read(tmp_path):
    def read(*values, **options):
        path = tmp_path / "posts.json"
        path.write_text("\n".join(json.dumps(value) for value in values), encoding="utf-8")
        return read_posts(path, **options)

    return read


def found(post):
    return None if post.tags is None else [(e.type, post.surface(e.start, e.end)) for e in spans(post.tags)]


TOKENS = [
    {"text": "Ana", "start": 0, "end": 3, "id": 0, "ws": True},
    {"text": "Ruiz", "start": 4, "end": 8, "id": 1, "ws": True},
    {"text": "in", "start": 9, "end": 11, "id": 2, "ws": True},
    {"text": "Lugo", "start": 12, "end": 16, "id": 3, "ws": False},
]
PRODIGY = {
    "text": TEXT,
    "_task_hash": 5,
    "tokens": TOKENS,
    "spans": [
        {"start": 0, "end": 8, "token_start": 0, "token_end": 1, "label": "PER"},
        {"start": 12, "end": 16, "token_start": 3, "token_end": 3, "label": "LOC"},
    ],
    "answer": "accept",
}
DOCCANO = [
    {"id": 1, "label": "PER", "start_offset": 0, "end_offset": 8},
    {"label": "LOC", "start_offset": 12, "end_offset": 16},
]
AUTOGLUON = [{"entity_group": "PER", "start": 0, "end": 8}, {"entity_group": "LOC", "start": 12, "end": 16}]
UNCO = [
    {"start": 0, "end": 1, "entity_type": "PER", "phrase": "Ana Ruiz", "region_box": [[1, 2, 3, 4], [5, 6, 7, 8]]},
    {"start": 3, "end": 3, "entity_type": "LOC", "phrase": "Lugo", "region_box": []},
]
INCLUSIVE = [
    {"start": 0, "end": 1, "type": "PER", "text": "Ana Ruiz"},
    {"start": 3, "end": 3, "type": "LOC", "text": "Lugo"},
]
AZURE = [
    {"text": "Ana Ruiz", "category": "PER", "offset": 0, "length": 8, "confidenceScore": 0.9},
    {"category": "LOC", "offset": 12, "length": 4},
]
FLAIR = [
    {"text": "Ana Ruiz", "start_pos": 0, "end_pos": 8, "labels": [{"value": "PER", "confidence": 0.99}]},
    {"text": "Lugo", "start_pos": 12, "end_pos": 16, "type": "LOC"},
]
COMPREHEND = [
    {"BeginOffset": 0, "EndOffset": 8, "Score": 0.9, "Text": "Ana Ruiz", "Type": "PER"},
    {"BeginOffset": 12, "EndOffset": 16, "Type": "LOC"},
]
WIKI = [["Ana Ruiz", "PER", 0, 8, "https://en.wikipedia.org/wiki/Ana"], ["Lugo", "LOC", 12, 16, ""]]


@pytest.mark.parametrize(
    "value",
    [
        PRODIGY,
        {key: value for key, value in PRODIGY.items() if key not in ("tokens", "answer")},
        {"text": TEXT, "ents": AUTOGLUON, "tokens": [{key: t[key] for key in ("id", "start", "end")} for t in TOKENS]},
        {"id": 7, "text": TEXT, "entities": DOCCANO, "relations": [], "Comments": []},
        {"id": 7, "text": TEXT, "label": [[0, 8, "PER"], [12, 16, "LOC"]]},
        {"id": 7, "data": TEXT, "label": [[0, 8, "PER"], [12, 16, "LOC"]], "author": "x"},
        [TEXT, {"entities": [[0, 8, "PER"], [12, 16, "LOC"]]}],
        [TEXT, [[0, 8, "PER"], [12, 16, "LOC"]]],
        {"tokenized_text": WORDS, "ner": [[0, 1, "PER"], [3, 3, "LOC"]]},
        {"text": TEXT, "entity_annotations": AUTOGLUON},
        {"text_snippet": TEXT, "entity_annotations": json.dumps(AUTOGLUON)},
        {"text_snippet": TEXT, "entity_annotations": str(AUTOGLUON)},
        {"tokens": WORDS, "image_id": "33.jpg", "gt_entities": UNCO},
        [TEXT, "https://upload.wikimedia.org/a/ab/My%20dog.jpg", "people", WIKI],
        {"id": 3, "text": WORDS, "images": ["a.jpg"], "label": ["B-PER", "I-PER", "O", "B-LOC"], "url": "x"},
        {"text": str(WORDS), "images": "['a.jpg']", "label": str(["B-PER", "I-PER", "O", "B-LOC"])},
        {"tokens": WORDS, "ner_tags": ["B-PER", "I-PER", "O", "B-LOC"]},
        {"tokens": WORDS, "ner": ["B-PER", "I-PER", "O", "B-LOC"], "pos_tags": [1] * 4, "chunk_tags": ["B-NP"] * 4},
        {"tokens": WORDS, "text": TEXT, "entities": [{**AUTOGLUON[0], "text": "Ana Ruiz"}, AUTOGLUON[1]]},
        {"tokens": WORDS, "text": TEXT, "entities": [{"start_char": 0, "end_char": 8, "type": "PER"}, [12, 16, "LOC"]]},
        {"tokens": WORDS, "text": TEXT, "entities": [[0, 2, "PER"], [3, 4, "LOC"]]},
        {"tokens": WORDS, "entities": INCLUSIVE},
        {**PRODIGY, "spans": [{k: v for k, v in s.items() if k not in ("start", "end")} for s in PRODIGY["spans"]]},
        {"text": TEXT, "ents": [{"label": ["PER"], "start": 0, "end": 8, "tag": "PER"}, [12, 16, "LOC"]]},
        {"text": TEXT, "entities": AZURE},
        {"text": TEXT, "entities": FLAIR},
        {"text": TEXT, "entities": COMPREHEND},
        {"tokenized_text": WORDS, "ner": INCLUSIVE},
        {"text": TEXT, "character_spans": [[0, 8, "PER"], [12, 16, "LOC"]]},
        {"tokens": WORDS, "words": WORDS, "text": TEXT, "character_spans": [[0, 8, "PER"], [12, 16, "LOC"]]},
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, dict) else f"list of {len(value)}",
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:.*(boxes in pixels|bounds of spans were converted)")
def test_the_entities_are_those_of_the_export(read, value):
    assert [found(post) for post in read(value, value)] == [TRUE, TRUE]


@pytest.mark.parametrize("answer", ["reject", "ignore"])
def test_what_prodigy_rejects_is_not_gold(read, answer):
    with pytest.warns(UserWarning, match="answer rejects or ignores"):
        assert read({**PRODIGY, "answer": answer})[0].tags is None


def test_words_of_prodigy_keep_their_offsets(read):
    post = read(PRODIGY)[0]
    assert (post.words, post.offsets) == (tuple(WORDS), ((0, 3), (4, 8), (9, 11), (12, 16)))


@pytest.mark.filterwarnings("ignore:.*boxes in pixels")
def test_what_unco_and_wikidiverse_say_of_the_image(read):
    unco, wiki = read(
        {"tokens": WORDS, "image_id": "33", "gt_entities": UNCO}, [TEXT, "https://x.org/My%20dog.jpg", "t", WIKI]
    )
    assert (unco.image, wiki.image) == (Path("33.jpg"), Path("My dog.jpg"))
    assert (wiki.metadata["topic"], wiki.metadata["links"][0]) == ("t", "https://en.wikipedia.org/wiki/Ana")


def test_empty_annotations_are_annotations(read):
    values = [
        {"text": TEXT, "entity_annotations": "[]"},
        {"tokenized_text": WORDS, "ner": []},
        {"tokens": WORDS, "gt_entities": []},
        {**PRODIGY, "spans": []},
        [TEXT, {"entities": []}],
    ]
    assert [found(post) for post in read(*values)] == [[]] * 5
    absent = [
        {"text": TEXT, "entity_annotations": None},
        {"tokenized_text": WORDS},
        {"tokens": WORDS, "gt_entities": None},
    ]
    assert [found(post) for post in read(*absent)] == [None] * 3


def test_spans_labelled_outside_are_no_entities(read):
    values = [
        {"text": TEXT, "entities": [[0, 8, "PER"], [9, 11, "O"], [12, 16, "LOC"]]},
        {"tokens": WORDS, "entities": [[0, 2, "PER"], [0, 4, "O"], [3, 4, "LOC"]]},
    ]
    assert [found(post) for post in read(*values)] == [TRUE, TRUE]


@pytest.mark.parametrize(
    "mark", ["\xa0", "\u200b", "\ufeff", "\u00ad", "\u2060", "\ufe0f", "\u3000", "\u2028", "\u034f", "\u3164"]
)
def test_invisible_characters_make_no_type(read, mark):
    with pytest.warns(UserWarning, match="invisible characters in tags and types"):
        posts = read(
            {"text": TEXT, "entities": [[0, 8, f"PER{mark}"], [12, 16, f"{mark}LOC"]]},
            {"tokens": WORDS, "tags": [f"B-PER{mark}", f"I-{mark}PER", f"{mark}O", "B-LOC"]},
        )
    assert [found(post) for post in posts] == [TRUE, TRUE]


def test_types_may_have_spaces_and_one_form(read):
    with pytest.warns(UserWarning, match="tags and types"):
        posts = read(
            {"text": TEXT, "entities": [[12, 16, "place é"]]}, {"text": TEXT, "entities": [[12, 16, "place e\u0301"]]}
        )
    assert posts[0].tags == posts[1].tags


EMOJI = "💩💩 hi Ana"


@pytest.mark.parametrize(
    "value",
    [
        {"text": EMOJI, "entities": [{"start": 8, "end": 11, "type": "PER", "text": "Ana"}]},
        {"text": EMOJI + " 💩", "spans": [{"start": 8, "end": 11, "label": "PER", "text": " Ana "}]},
        {"text": EMOJI + "!", "entities": [{"start": 8, "end": 11, "type": "PER", "text": "ana"}, [5, 7, "O"]]},
    ],
)  # fmt: skip
def test_utf16_units_are_converted_where_the_text_of_a_span_proves_them(read, value):
    with pytest.warns(UserWarning, match=r"they count UTF-16 units.*2 lines, the first is 1") as caught:
        posts = read(value, value)
    assert [found(post) for post in posts] == [[("PER", "Ana")]] * 2
    assert len(caught) == 1


@pytest.mark.parametrize(
    ("text", "start", "end", "unit"),
    [
        (TEXT, 13, 16, "from 1, the end inclusively"),
        (TEXT, 13, 17, "from 1"),
        (TEXT, 12, 15, "the end inclusively"),
        ("Aná Ruíz in Lugo", 14, 18, "UTF-8 bytes"),
        ("Ana 💩 in Lugo", 12, 16, "UTF-8 bytes"),
        ("👩\u200d👩\u200d👧 👍🏽 Z\u0324\u0354a in Lugo", 10, 14, "graphemes, the characters as they are displayed"),
    ],
)
def test_units_that_the_text_of_a_span_proves(read, text, start, end, unit):
    with pytest.warns(UserWarning, match=f"they count {unit}, as"):
        post = read({"text": text, "entities": [{"start": start, "end": end, "type": "LOC", "text": "Lugo"}]})[0]
    assert found(post) == [("LOC", "Lugo")]


@pytest.mark.parametrize("spans", [[[1, 8, "PER"]], [[1, 4, "PER"], [4, 8, "PER"]], [[0, 4, "PER"], [13, 17, "LOC"]]])
def test_spans_of_parts_of_words_are_read(read, spans):
    assert read({"text": "#AnaRuiz! in#Lugo", "entities": spans})[0].spans == tuple(map(tuple, spans))


TWITTER = {"hashtags": [{"text": "x", "indices": [0, 2]}], "urls": [], "user_mentions": []}


def test_what_is_no_annotation_is_kept(read):
    others = {
        "hashtags": ["a"], "pos_tags": [1], "image_labels": ["dog"], "user_mentions": ["x"], "label_quality": 0.9,
        "total_annotations": 0, "boxes": [{"name": "x", "box": [1, 2, 3, 4]}], "lang": "en", "tagger": {"a": 1},
        "urls": ["x"], "retweets": [1, 2, 3], "entities": TWITTER, "annotations": None, "note": "O what a day",
    }  # fmt: skip
    post = read({"text": TEXT, **others})[0]
    assert post.tags is None
    assert post.metadata == {key: value for key, value in others.items() if value is not None}


def test_a_prediction_of_mner_is_a_post(read):
    entity = {"type": "PER", "text": "Ana Ruiz", "start": 0, "end": 2, "characters": [0, 8], "confidence": 0.9}
    record = {
        "id": "1",
        "words": WORDS,
        "tags": ["B-PER", "I-PER", "O", "B-LOC"],
        "gold": [entity, {"type": "LOC", "start": 3, "end": 4}],
        "predicted": [entity],
    }
    assert found(read(record)[0]) == TRUE


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"text": TEXT, "annotation": {"entities": [[0, 8, "PER"]]}}, "annotation looks like an annotation"),
        ({"text": TEXT, "meta": {"labels": [[0, 3, "PER"]]}}, "meta looks like an annotation"),
        ({"text": TEXT, "a": {"b": [{"c": {"x": [[0, 3, "PER"]]}}]}}, "a looks like an annotation"),
        ({"text": TEXT, "meta": json.dumps({"labels": [[0, 3, "PER"]]})}, "meta looks like an annotation"),
        ({"tokens": WORDS, "x": {"tags": ["B-PER", "I-PER", "O", "B-LOC"]}}, "x looks like an annotation"),
        ({"text": TEXT, "x": {"e1": {"start": 0, "end": 8, "type": "PER"}}}, "x looks like an annotation"),
        ({"text": TEXT, "x": [["Ana", "B-PER"], ["in", "O"]]}, "x looks like an annotation"),
        ({"text": TEXT, "sentences": [{"tokens": [{"word": "Ana", "ner": "PERSON"}]}]}, "sentences looks like an ann"),
        ({"tokens": WORDS, "words": ["x"] * 4}, "two values of tokens"),
        ({"text": TEXT, "entity_annotations": AUTOGLUON, "entities": [[12, 16, "LOC"]]}, "two values of entities"),
        ({"text": "x", "text_snippet": TEXT, "entity_annotations": AUTOGLUON}, "two values of text"),
        ({"tokenized_text": WORDS, "ner": [[0, 1, "PER"]], "entities": []}, "two values of entities"),
        ({"tokenized_text": WORDS, "tokens": ["x"], "ner": []}, "two values of tokens"),
        ({"tokens": WORDS, "gt_entities": UNCO, "entities": [[3, 4, "LOC"]]}, "two values of entities"),
        ({**PRODIGY, "entities": [[0, 8, "ORG"]]}, "two values of entities"),
        ({**PRODIGY, "spans": [{**PRODIGY["spans"][0], "token_start": 2}]}, "tokens 2-1 of a span, of 4 tokens"),
        (
            {**PRODIGY, "spans": [{**PRODIGY["spans"][0], "token_end": 2}]},
            "span from 0 to 8, whose token_start 0 and token_end 2 are the characters 0 to 11",
        ),
        ({"text": TEXT, "ents": [{"start": 0, "end": 3, "start_char": 0, "end_char": 8, "type": "X"}]}, "two bounds"),
        ({"text": TEXT, "entities": [{"start": 0, "end": 3, "type": "PER", "label": "ORG"}]}, "two types, type 'PER'"),
        ({"tokens": WORDS, "ner_tags": [1, 2, 0, 5]}, "ner_tags contains class indices"),
        ({"tokens": WORDS, "labels": [0, 0, 0, 0]}, "labels contains class indices"),
        *(
            ({"tokens": WORDS, "tags": tags}, message)
            for tags, message in {
                ("b-per", "i-per", "o", "b-loc"): "'b-per'.*the prefixes in capitals",
                ("B-PER", "I-PER", "o", "B-LOC"): "'o'.*the prefixes in capitals",
                ("b-per", "i-per", "o"): "4 words and 3 tags",
                (None, None, "O", "B-LOC"): "where a list of strings was expected",
            }.items()
        ),
        ({"tokens": ["Ana"], "tags": ["b-per"]}, "'b-per'.*the prefixes in capitals"),
        ({"tokens": ["Ana"], "tags": ["b-x"]}, "'b-x'.*the prefixes in capitals"),
        ({"tokens": ["Ana"], "label": "b-per"}, "'b-per'.*the prefixes in capitals"),
        ({"tokens": ["Ana"], "x": ["b-per"]}, "x looks like an annotation"),
        ({"text": TEXT, "entities": [[0, 8, "b-per"]]}, "the tag 'b-per'"),
        ({"tokens": WORDS, "entities": [{"pos": [0, 2], "type": "X"}]}, "'pos': .* is not an entity span"),
        ({"tokens": [["Ana", "B-PER"]]}, "where a list of strings was expected"),
        ({"text": TEXT, "entities": [{**DOCCANO[0], "label": 3}]}, "a number as its type. Write the type's name"),
        ({"tokenized_text": WORDS, "ner": [{"start": 0, "end": 1, "type": "PER"}]}, "of these objects are inclusive"),
        ({"tokens": WORDS, "gold_tags": [1, 2, 0, 5]}, "gold_tags looks like an annotation"),
        ({"tokens": WORDS, "bio": ["O"] * 4}, "bio looks like an annotation"),
        ({"tokens": WORDS, "y": ["B-PER", "I-PER", "O", "O"]}, "y looks like an annotation"),
        ({"tokens": WORDS, "y": "B-PER I-PER O O"}, "y looks like an annotation"),
        ({"text": TEXT, "nerLabels": [{"from": 0, "to": 8}]}, "nerLabels looks like an annotation"),
        ({"text": TEXT, "results": AUTOGLUON}, "results looks like an annotation"),
        ({"text": TEXT, "results": json.dumps(AUTOGLUON)}, "results looks like an annotation"),
        ({"text": TEXT, "named_entities": {"PER": ["Ana Ruiz"]}}, "named_entities looks like an annotation"),
        ({"text": TEXT, "entity_mentions": [{"offset": 0}]}, "entity_mentions looks like an annotation"),
        ({"tokens": WORDS, "label": ["O"] * 4, "fine_labels": ["B-x"] * 4}, "fine_labels looks like an annotation"),
        ({"text": TEXT, "entities": {"PER": ["Ana"]}}, "entities is not a list"),
        ({"text": TEXT, "tags": ["B-PER", "I-PER", "O", "B-LOC"]}, "word tags, but there are no words"),
        ({"tokens": WORDS, "ner": [[0, 1, "PER"]]}, "whether the ends of these spans are inclusive"),
        ({"tokens": WORDS, "entities": DOCCANO}, "character spans without the text"),
        ({"text": TEXT, "entities": [["PER", 0, 8]]}, "not an entity span"),
        ({"text": TEXT, "entities": [{"start": 0.0, "end": 8, "type": "PER"}]}, "not an entity span"),
        ({"text": TEXT, "entities": [{"start": True, "end": 8, "type": "PER"}]}, "not an entity span"),
        ({"text": TEXT, "entities": [[0, 8, "\u200b"]]}, "not an entity span"),
        ({"text": TEXT, "entities": [{"entity": "I-PER", "word": "Ana", "start": 0, "end": 3}]}, "the tag 'I-PER'"),
        ({"text": TEXT, "entities": [{"start": 0, "end": 8, "labels": ["PER", "ORG"]}]}, "2 types"),
        ({"tokens": WORDS, "text": TEXT, "entities": [[0, 3, "PER"]]}, "words .'Ana Ruiz in'. or characters .'Ana'."),
        ({"tokens": WORDS, "text": TEXT, "entities": [[1, 7, "PER"]]}, "does not begin and end with a word"),
        ({"tokens": ["Bo", "x"], "text": TEXT, "entities": [[0, 8, "PER"]]}, "not those of the text"),
        ({"tokens": WORDS, "entities": [{"start": 0, "end": 2, "type": "PER", "text": "Lugo"}]}, "reads 'Ana Ruiz'"),
        ({"tokens": WORDS, "text": TEXT, "offsets": [[0, 3], [4, 8], [9, 11], [12, 99]]}, "within the 16 char"),
        ({"tokens": WORDS, "text": TEXT, "offsets": [[0, 3], [4, 8], [9, 11], [0, 3]]}, "out of order"),
        ({"tokens": WORDS, "text": TEXT, "offsets": [[0, 3], [5, 8], [9, 11], [12, 16]]}, "of 'Ruiz' is 'uiz'"),
        ({"tokens": WORDS, "text": TEXT, "offsets": [[0, 3], [4, 8], [9, 11], [-4, 16]]}, "offsets -4-16"),
        ({"tokens": WORDS, "text": TEXT, "offsets": [[0, 3], [4, 8], [9, 11], [12, 16.0]]}, "not pairs of numbers"),
        ({"text": EMOJI, "entities": [[8, 11, "PER"]]}, "bounds counted UTF-16 units. Count .* an emoji is one"),
        ({"text": EMOJI + " now", "entities": [[8, 11, "PER"]]}, "splits a word"),
        ({"text": EMOJI + "!", "spans": [{"start": 3, "end": 5, "type": "PER", "text": "Ana"}]}, "emoji .* is at 6-9"),
        ({"text": TEXT, "spans": [{"start": 5, "end": 9, "type": "PER", "text": "Lugo"}]}, "from 0, with .*12-16"),
        ({"text": TEXT, "spans": [{"start": 5, "end": 9, "type": "PER", "text": "Riga"}]}, "does not occur in the te"),
        ({"text": TEXT, "spans": [[1, 9, "PER"], [13, 17, "LOC"]]}, "the bounds counted from 1"),
        ({"text": "é in Lugo", "spans": [[6, 10, "LOC"]]}, "UTF-8 bytes. Count characters, not bytes"),
        ({"text": "👩\u200d👩\u200d👧 Ana", "spans": [[2, 5, "PER"]]}, "splits a word; .* counted graphemes"),
        ({"tokens": ["é", "a"], "text": "é a", "offsets": [[0, 2], [3, 4]]}, "Count characters, not bytes"),
        ({"tokens": ["e", "a"], "text": "e a", "offsets": [[1, 2], [3, 4]]}, "from 0, with the end excl"),
        ({"text": TEXT, "entity_annotations": "PER: Ana"}, "where a list was expected"),
        ([TEXT, {"text": "x", "entities": []}], "two values of text"),
        ({**PRODIGY, "ents": PRODIGY["spans"], "spans": {"a": [{}]}, "metadata": "x"}, "metadata is 'x', where an obj"),
        ({"text": TEXT, "entity_annotations": {"PER": 1}}, "where a list was expected"),
        ({"tokenized_text": WORDS, "ner": [[0, "PER"]]}, "where GLiNER has spans"),
        ({"tokens": WORDS, "gt_entities": [{"start": 0}]}, "in a layout other than UnCo"),
        ([TEXT, "https://x.org/a.jpg", "t", [["Ana", 0, 3]]], "in a layout other than WikiDiverse"),
        ({"input": TEXT, "output": {"entities": {"PER": ["Ann"]}}}, "entity 'Ann' .PER. is not in the text"),
        ({"input": TEXT, "output": {"entities": {"PER": [{"start": 0}]}}}, "where GLiNER2 has the words"),
        ({"input": TEXT, "output": "a label"}, "an input and an output of a language model"),
        ({"messages": [], "images": []}, "fine-tuning"),
        ({**PRODIGY, "answer": "maybe"}, "the answer 'maybe'"),
        ({"text": TEXT, "tokens": [{"orth": "Ana"}]}, "neither words nor those of Prodigy"),
        ({"text": WORDS, "tokens": WORDS}, "not a text"),
        ({"classes": ["PER"], "annotations": []}, r"its keys are classes, annotations"),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:.*(invisible characters|span groups)")
def test_what_is_refused(read, value, message):
    with pytest.raises(FormatError, match=message) as caught:
        read({"tokens": ["fine"]}, value)
    assert caught.value.line == 2
    assert caught.value.remedy


UBIAI = {"documentName": "7.txt", "document": TEXT, "relations": []}
UBIAI_SPANS = [{"start": 0, "end": 8, "text": "Ana Ruiz"}, {"start": 12, "end": 16, "text": "Lugo"}]


@pytest.mark.parametrize(("key", "kind"), [("tokens", "entityLabel"), ("annotation", "label")])
def test_documents_of_ubiai(read, key, kind):
    spans = [{**span, kind: name, "token_start": 0} for span, (name, _) in zip(UBIAI_SPANS, TRUE, strict=True)]
    (post,) = read({**UBIAI, key: spans})
    assert (post.id, post.text, found(post), post.metadata) == ("7.txt", TEXT, TRUE, {"relations": []})
    assert found(read({**UBIAI, key: []})[0]) == []
    with pytest.raises(FormatError, match="an entity of UBIAI without entityLabel"):
        read({**UBIAI, key: UBIAI_SPANS})
    with pytest.raises(FormatError, match=r"line 1: .*'Ana Rui'"):
        read({**UBIAI, key: [{**spans[0], "text": "Ana Rui"}]})


TAGTOG = {"annotatable": {"parts": ["s1p1"]}, "anncomplete": True, "entities": [{"classId": "e_1", "part": "s1p1"}]}
HTML = '<!DOCTYPE html ><html class="anndoc" data-anndoc-version="3.6"><body><p id="s1p1">Ana</p></body></html>'


def test_tagtogs_pair_of_files_is_named(read, tmp_path):
    with pytest.raises(FormatError, match=r"an annotation of tagtog \(.ann.json\), whose text is in the .plain.html"):
        read(TAGTOG)
    (tmp_path / "7.plain.html").write_text(HTML, encoding="utf-8")
    with pytest.raises(FormatError, match=r"a text of tagtog .*entities are in its .ann.json"):
        read_posts(tmp_path / "7.plain.html")


def test_indented_exports(tmp_path):
    path = tmp_path / "posts.json"
    path.write_text("\n".join(json.dumps(value, indent=1) for value in (PRODIGY, PRODIGY)), encoding="utf-8")
    assert [found(post) for post in read_posts(path)] == [TRUE, TRUE]
    path.write_text(json.dumps([[TEXT, "u", "t", WIKI], [TEXT, "u", "t", WIKI]], indent=1), encoding="utf-8")
    assert [found(post) for post in read_posts(path)] == [TRUE, TRUE]


@pytest.mark.parametrize("text", ["NFC", "NFD"])
@pytest.mark.parametrize("counted", ["NFC", "NFD"])
@pytest.mark.parametrize("claimed", ["NFC", "NFD"])
@pytest.mark.filterwarnings("ignore:.*bounds of spans were converted")
def test_accents_may_be_composed_or_not(read, text, counted, claimed):
    def normal(form, value):
        return unicodedata.normalize(form, value)

    plain, names = "Zo\u00e9 \u1e69 \ud55c\uae00 in L\u00fago!", ["Zo\u00e9", "\ud55c\uae00", "L\u00fago"]
    spans = []
    for name in names:
        start = normal(counted, plain).find(normal(counted, name))
        end = start + len(normal(counted, name))
        spans.append({"start_char": start, "end_char": end, "type": "X", "text": normal(claimed, name)})
    raw = read({"text": normal(text, plain), "entities": spans})[0]
    assert [raw.text[start:end] for start, end, _ in raw.spans] == [normal(text, name) for name in names]
    words = normal(claimed, plain).replace("!", " !").split()
    split = read({"text": normal(text, plain), "tokens": words, "entities": spans})[0]
    assert [name for _, name in found(split)] == [normal(claimed, name) for name in names]


def test_white_space_at_the_ends_of_a_span_is_left_out(read):
    with pytest.warns(UserWarning, match="white space at the ends of spans was left out of them .*'Ana Ruiz '"):
        (post,) = read({"text": TEXT, "entities": [[0, 9, "PER"], [11, 16, "LOC"]]})
    assert (post.spans, found(post)) == (((0, 8, "PER"), (12, 16, "LOC")), TRUE)


def test_the_time_of_many_bounds_does_not_grow_with_the_text(read, monkeypatch):
    calls = []
    sizes = offsets.grapheme_sizes
    monkeypatch.setattr(offsets, "grapheme_sizes", lambda text: calls.append(text) or sizes(text))
    places = [[17 * number, 17 * number + 8, "PER"] for number in range(50)]
    (post,) = read({"text": f"{TEXT} " * 50, "entities": places})
    assert found(post) == [("PER", "Ana Ruiz")] * 50
    assert len(calls) == 1
