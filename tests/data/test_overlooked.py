"""What has the form of an annotation is never lost, and what has not the form is metadata, whatever the key."""

import json

import pytest

from mner.data.extent import Extent
from mner.data.overlooked import holds_annotation
from mner.data.readers import iter_posts, read_posts
from mner.errors import FormatError

TEXT = "Ana Ruiz in Lugo #riga @bo"
WORDS = TEXT.split()
TAGS = ["B-PER", "I-PER", "O", "B-LOC", "O", "O"]
SPANS = [[0, 8, "PER"], [12, 16, "LOC"]]
OBJECTS = [{"start": 0, "end": 8, "type": "PER"}]

ANNOTATIONS = [
    TAGS, SPANS, OBJECTS, json.dumps(TAGS), str(TAGS), str([tuple(span) for span in SPANS]), str(OBJECTS),
    " ".join(TAGS), ",".join(TAGS), str(TAGS).replace(",", ""), ["O"] * 6, {"a": SPANS}, {"a": {"b": OBJECTS}},
    OBJECTS[0],
    [{"begin": 0, "end": 8, "label": ["PER"]}], [{"offset": 0, "length": 8, "category": "PER"}],
    [{"BeginOffset": 0, "EndOffset": 8, "Type": "PERSON", "Score": 0.9}],
    [{"start_pos": 0, "end_pos": 8, "labels": ["PER"]}],
    [{"start": 0, "end": 8, "entity_group": "PER", "word": "Ana Ruiz"}], [["T1", "PER", [[0, 8]]]],
    [["Ana Ruiz", "PER", 0, 8]],
    [["Ana", "B-PER"], ["Ruiz", "I-PER"]], [[word, "O"] for word in WORDS], [{"word": "Ana", "ner": "PERSON"}],
    " ".join(f"{word}/{tag}" for word, tag in zip(WORDS, TAGS, strict=True)), "<PER>Ana Ruiz</PER> in Lugo",
    "[Ana Ruiz](PER) in Lugo", {"Ana": "B-PER", "Lugo": "B-LOC"}, ["PER-B", "PER-I", "O", "LOC-B", "O", "O"],
]  # fmt: skip

# Forms that are less usual, and no less annotations.
OTHER_ANNOTATIONS = [
    ["B-PER", "I-PER", None, "B-LOC", None, None], ["B-PER", "I-PER", "", "B-LOC", "_", "-"], [*SPANS, None],
    ["B", "I", "O", "B", "O", "O"], ["B:PER", "E:PER", "O", "S:LOC", "O", "O"], ["PER", "PER", "O", "LOC", "O", "O"],
    ["person", "person", None, "location", None, None], "B-PER/I-PER/O/B-LOC/O/O", "b-per i-per o b-loc o o",
    "B-PER; I-PER; O; B-LOC; O; O", "PER PER O LOC O O", "Ana B-PER\nRuiz I-PER\nin O", ["Ana B-PER", "Ruiz I-PER"],
    "Ana(B-PER) Ruiz(I-PER) in(O)",
    dict(zip("012345", TAGS, strict=True)), {"3": "B-LOC"}, {"0": SPANS[0], "1": SPANS[1]},
    {"B-PER": ["Ana"], "I-PER": ["Ruiz"]}, {"B-PER": [0], "I-PER": [1]},
    {"starts": [0, 12], "ends": [8, 16], "types": ["PER", "LOC"]}, {"entities": ["Ana Ruiz"], "types": ["PER"]},
    {"start": {"0": 0}, "end": {"0": 8}, "type": {"0": "PER"}},
    "(0, 8, 'PER')", ["(0, 8, 'PER')", "(12, 16, 'LOC')"], "((0, 8), 'PER')", [0, 8, "PER"], {"T1": ["PER", [[0, 8]]]},
    {"PER": ["Ana Ruiz"], "LOC": []}, {"PER": "Ana Ruiz"}, {"PER": [[0, 8]]}, {"PER": [{"start": 0, "end": 8}]},
    {"PER": "0-8"}, {"person": ["Ana Ruiz"]}, {"place": {"Lugo": [[12, 15]]}}, {"PER": {"Ana Ruiz": [[0, 7]]}},
    {"0-8": "PER"}, {"(0, 8)": "PER"}, {"Ana Ruiz": "PER"}, [{"Ana Ruiz": "PER"}, {"LOC": "Lugo"}],
    [["Ana Ruiz", "PER"], ["LOC", "Lugo"]], [{"text": "Ana Ruiz", "type": "person"}], [{"name": "Lugo", "type": "LOC"}],
    ["Ana Ruiz:PER"], "Ana Ruiz (PER); Lugo (LOC)", "PER: Ana, Ruiz; LOC: Lugo", "Lugo -> LOC", "Lugo|LOC",
    "0-8 PER; 12-16 LOC", ["0 8 PER"], "T1\tPER 0 8\tAna Ruiz", "PER[0:8]", "0,8,PER",
    [{"type": "PER", "spans": [[0, 8]]}], [{"type": "PER", "mentions": ["Ana Ruiz"]}], {"span": "0-8", "type": "PER"},
    {"location": {"begin": 0, "end": 8}, "type": "PER"}, {"indices": [0, 8], "type": "PER"},
    {"b": 0, "e": 8, "t": "PER"},
    {"text": "Ana Ruiz", "labels": [{"value": "PER"}], "start_pos": 0, "end_pos": 8},
    [{"label": "PER", "points": [{"start": 0, "end": 7, "text": "Ana Ruiz"}]}],
    "<per>Ana Ruiz</per> in Lugo", '<ENAMEX TYPE="PERSON">Ana Ruiz</ENAMEX> in', "<START:person> Ana Ruiz <END> in",
    "[PER Ana Ruiz] in Lugo", "[Ana Ruiz|PER] in Lugo", "{{PER:Ana Ruiz}} in", "(S (PERSON Ana/NNP Ruiz/NNP) in/IN)",
]  # fmt: skip

# An annotation only where the key says so: of other keys these could be anything.
NAMED_ANNOTATIONS = [
    ("gold_tags", [1, 2, 0, 5, 0, 0]), ("nerLabels", [{"from": 0, "to": 8}]),
    ("named_entities", {"SHIP": ["Ana Ruiz"]}),
    ("entity_mentions", [{"offset": 0}]), ("entities_str", "Lugo:CITY"), ("entities_str", "Ana (HERO); Lugo (CITY)"),
    ("gold", [["Ana Ruiz", "hero"]]), ("ner_result", [{"name": "Ana Ruiz", "type": "HERO", "salience": 0.4}]),
    ("gold_types", ["HERO", "HERO", "O", "CITY", "O", "O"]), ("entity", {"Ana Ruiz": "HERO"}),
    ("entities_per", ["Ana"]), ("named_entities", ["Ana Ruiz", "Lugo"]), ("entity_list", "Ana Ruiz, Lugo"),
    ("entity_spans", [[0, 8], [12, 16]]), ("spans_str", "0-8, 12-16"),
    ("entity_mask", [True, True, False, True, False, False]),
    ("gold_tags", ["1", "2", "0", "5", "0", "0"]), ("gold_tags", [1.0, 2.0, None, 5.0, None, None]),
    ("ner_tags_str", "1 2 0 5 0 0"), ("ner_one_hot", [[0, 1], [0, 1], [1, 0], [0, 1], [1, 0], [1, 0]]),
    ("entities_loc", "Lugo"), ("LOC", "Lugo"), ("person", ["Ana Ruiz"]), ("perSpans", ["0-8"]),
]  # fmt: skip

# An annotation in several keys.
SCATTERED = [
    {"starts": [0, 12], "ends": [8, 16], "types": ["PER", "LOC"]},
    {"entity_start": 0, "entity_end": 8, "entity_type": "PER"}, {"start": 0, "end": 8, "label": "hero"},
    {"span_starts": [0], "span_lengths": [8], "span_types": ["HERO"]},
    {"mention_texts": ["Ana Ruiz", "Lugo"], "mention_types": ["PER", "LOC"]},
]  # fmt: skip

HASHTAGS = [{"start": 17, "end": 22, "tag": "riga"}]
MENTIONS = [{"start": 23, "end": 26, "username": "bo", "id": "5"}]
AUTOMATIC = [{"start": 0, "end": 7, "probability": 0.9, "type": "Person", "normalized_text": "Ana Ruiz"}]
V2 = {"hashtags": HASHTAGS, "mentions": MENTIONS, "annotations": AUTOMATIC, "urls": []}
DOMAINS = [{"domain": {"id": "65", "name": "Places"}, "entity": {"id": "8", "name": "Lugo"}}]

HARMLESS = [
    ("mentions", ["ana"]), ("mentions", MENTIONS), ("hashtags", HASHTAGS), ("context_annotations", DOMAINS),
    ("post_tags", ["travel"]), ("topic_labels", ["news", "uk"]), ("label_names", ["O", "B-PER", "I-PER"]),
    ("label_list", str(["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG"])), ("entity_types", ["PER", "LOC"]),
    ("id2label", {"0": "O", "1": "B-PER"}), ("total_labels", 4), ("user_tags", ["a", "b"]), ("pos_tags", [1] * 6),
    ("upos", ["PROPN"] * 6), ("chunk_tags", ["B-NP", "I-NP", "B-PP", "B-NP", "O", "O"]), ("aircraft", ["B-52", "B-2"]),
    ("entity_count", 2), ("annotation_status", "done"), ("tagger", {"name": "x"}), ("sentiment_labels", ["positive"]),
    ("predictions", SPANS), ("pred_tags", TAGS), ("relations", [{"start": 0, "end": 8, "type": "in"}]),
    ("size", [640, 480, "px"]),
    ("sents", [{"start": 0, "end": 26}]), ("doc", {"tokens": [{"start": 0, "end": 3, "tag": "NNP", "pos": "PROPN"}]}),
    ("date", "2026-11-26"), ("boxes", [{"name": "x", "box": [1, 2, 3, 4]}]),
    ("faces", [{"left": 1, "right": 5, "label": "x"}]),
    ("annotations_by", "ana"), ("edit", {"start": "2020", "end": "2021", "type": "x"}), ("note", "I-95 is closed"),
    ("user", {"name": "Ana", "screen_name": "bo", "location": "Lugo", "description": "in Lugo", "id": 5}),
    ("place", {"place_type": "city", "name": "Lugo", "full_name": "Lugo, Galicia", "country_code": "ES"}),
    ("geo", {"type": "Point", "coordinates": [3, 12]}), ("location", [3, 12]), ("location", "Lugo"), ("LOCALE", "en"),
    ("place", {"type": "location", "coordinates": [3, 12]}), ("display_text_range", [0, 26]), ("score", "PER 1-2 BRA"),
    ("author", {"@type": "Person", "name": "Ana Ruiz"}), ("objects_seen", ["person", "dog"]), ("crop", [0, 8]),
    ("media", [{"type": "photo", "indices": [17, 22], "expanded_url": "x"}]), ("sentiment", {"Lugo": "positive"}),
    ("source", '<a href="https://example.org" rel="nofollow">Ana</a>'), ("grade", ["B-", "A"]), ("target", "Lugo"),
    ("keywords", ["Ana", "Lugo"]), ("hashtags", ["riga"]), ("hashtags", [{"text": "riga", "indices": [17, 22]}]),
    ("created_at", {"start": "0", "end": "0"}), ("rank", {"1": "gold", "2": "silver"}),
    ("counts", {"PER": 1, "LOC": 1}),
    ("id2label", dict(zip("012345", ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG"], strict=True))),
    ("label2id", {"O": 0, "B-PER": 1}),
    ("entities", V2), ("label", "positive"), ("label", 1), ("labels", [0, 3]), ("labels", [0.1, 0.9]),
    ("tags", ["travel"]),
    ("labels", ["positive"]), ("tags", [{"id": 1, "name": "travel"}]), ("entities", {"hashtags": ["riga"]}),
    ("tags", "travel"),
    ("entities", ["Lugo"]), ("annotations", DOMAINS), ("label", True), ("tags", "O captain"), ("spans", {}),
]  # fmt: skip


@pytest.fixture
def read(tmp_path):
    def read(record, read=read_posts, **options):
        path = tmp_path / "posts.jsonl"
        path.write_text(json.dumps(record), encoding="utf-8")
        (post,) = read(path, **options)
        return post

    return read


BODIES = [{"text": TEXT}, {"tokens": WORDS}]
KEYS = [
    "x", "user_annotations", "other_entities", "image_entities", "total_labels", "sentiment_labels", "user_tags", "pos",
    "Tags", "NER", "goldEntities", "y_true", "hashtags", "label_names", "meta",
]  # fmt: skip


@pytest.mark.parametrize("body", BODIES, ids=["text", "tokens"])
@pytest.mark.parametrize("value", ANNOTATIONS, ids=str)
def test_the_form_of_an_annotation_decides_before_its_key(read, body, value):
    for key in KEYS:
        with pytest.raises(FormatError, match=f"line 1: {key} looks like an annotation"):
            read({**body, key: value})
    with pytest.raises(FormatError, match="user looks like an annotation"):
        read({**body, "user": {"annotations": value}})


@pytest.mark.parametrize("extent", [Extent(WORDS, None), Extent(None, TEXT)], ids=["words", "text"])
def test_unusual_forms_of_annotations(extent):
    overlooked = [value for value in OTHER_ANNOTATIONS if not holds_annotation("x", value, extent)]
    assert not overlooked


@pytest.mark.parametrize(("key", "value"), NAMED_ANNOTATIONS, ids=str)
def test_an_annotation_by_its_name(read, key, value):
    with pytest.raises(FormatError, match=f"{key} looks like an annotation"):
        read({"tokens": WORDS, key: value})
    assert read({"tokens": WORDS, "x": value}).metadata == {"x": value}


@pytest.mark.parametrize("body", BODIES, ids=["text", "tokens"])
@pytest.mark.parametrize("keys", SCATTERED, ids=str)
@pytest.mark.filterwarnings("ignore:.*is kept as metadata")
def test_an_annotation_in_several_keys(read, body, keys):
    with pytest.raises(FormatError, match=f"line 1: {' and '.join(sorted(keys))} look like the parts of an annotation"):
        read({**body, **keys, "lang": "en", "likes": [3, 5], "id": 7})


@pytest.mark.parametrize("body", BODIES, ids=["text", "tokens"])
@pytest.mark.parametrize(("key", "value"), HARMLESS, ids=str)
@pytest.mark.filterwarnings("ignore:.*is kept as metadata")
@pytest.mark.filterwarnings("ignore:.*media looks like an image")
def test_what_has_not_the_form_is_metadata(read, body, key, value):
    post = read({**body, key: value})
    assert (post.tags, post.metadata) == (None, {key: value})
    annotated = {**body, "ner": TAGS, key: value} if "tokens" in body else {**body, "ents": SPANS, key: value}
    post = read(annotated)
    assert (post.tags is not None, post.metadata) == (True, {key: value})


@pytest.mark.parametrize(("key", "value"), [("label", "positive"), ("tags", ["travel"]), ("entities", ["Lugo"])])
def test_what_is_under_a_key_of_annotations_but_is_none_is_noted(read, key, value):
    with pytest.warns(UserWarning, match=f"{key} is kept as metadata: it is neither a tag per word nor spans"):
        read({"text": TEXT, key: value})


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"tokens": WORDS, "label": ["O"]}, "6 words and 1 tags"),
        ({"tokens": ["Lugo"], "label": ["LOC"]}, "the tag 'LOC'"),
        ({"tokens": ["Lugo", "x"], "label": ["b-loc", "o"]}, "the tag 'b-loc'"),
        ({"text": TEXT, "entities": [["0", "8", "PER"]]}, "not an entity span"),
        ({"text": TEXT, "entities": [[False, True, "PER"]]}, "not an entity span"),
        ({"tokens": WORDS, "tags": ["person", "person", "O", "place", "O", "O"]}, "the tag 'person'"),
        ({"tokens": WORDS, "labels": [1, 2, 0, 5, 0, 0]}, "class indices"),
        ({"text": TEXT, "ner_tags": [1, 2]}, "class indices"),
        ({"tokens": WORDS, "labels": [-100, 1, 2, -100]}, "class indices"),
        ({"text": TEXT, "entities": {"PER": ["Ana Ruiz"]}}, "entities is not a list"),
        ({"text": TEXT, "entities": {"mentions": OBJECTS}}, "entities is not a list"),
        ({"text": TEXT, "entities": [["Ana Ruiz", "PER"]]}, "not an entity span"),
        ({"text": TEXT, "spans": {"a": OBJECTS, "b": OBJECTS}}, "spans is not a list"),
        ({"tokens": WORDS, "tags": TAGS, "entities": [[3, 4, "LOC"]]}, "tags and entities give different entities"),
    ],
    ids=str,
)  # fmt: skip
def test_a_malformed_annotation_is_not_metadata(read, record, message):
    with pytest.raises(FormatError, match=message):
        read(record)


@pytest.mark.parametrize("value", [str(TAGS), json.dumps(TAGS), " ".join(TAGS), str(TAGS).replace(",", "")])
def test_tags_in_a_string_are_read(read, value):
    assert read({"tokens": str(WORDS), "tags": value}).tags == tuple(TAGS)


@pytest.mark.parametrize(
    "empty", [{"annotations": []}, {"tags": []}, {"spans": {}}, {"spans": {"sc": []}}, {"labels": "[]"}], ids=str
)
@pytest.mark.filterwarnings("ignore:.*spans is kept as metadata")
def test_an_empty_second_annotation_is_none(read, empty):
    assert read({"text": TEXT, "entities": SPANS, **empty}).spans == ((0, 8, "PER"), (12, 16, "LOC"))


def test_annotations_under_two_keys_may_be_the_same(read):
    assert read({"tokens": WORDS, "tags": TAGS, "entities": [[0, 2, "PER"], [3, 4, "LOC"]]}).tags == tuple(TAGS)
    assert read({"text": TEXT, "ents": SPANS, "entities": [*OBJECTS, [12, 16, "LOC"]]}).spans[1] == (12, 16, "LOC")


DOC = {"text": "in Lugo", "tokens": [{"id": 0, "start": 0, "end": 2}, {"id": 1, "start": 3, "end": 7}]}
GROUPS = {"sc": [{"start": 3, "end": 7, "label": "LOC", "kb_id": ""}]}


def test_span_groups_of_spacy(read):
    assert read({**DOC, "ents": [], "spans": GROUPS}).tags == ("O", "B-LOC")
    with pytest.warns(UserWarning, match="span groups of spans are kept as metadata"):
        post = read({**DOC, "ents": [{"start": 3, "end": 7, "label": "GPE"}], "spans": GROUPS})
    assert (post.tags, post.metadata["spans"]) == (("O", "B-GPE"), GROUPS)


@pytest.mark.parametrize(
    "extra",
    [
        {"x": TAGS}, {"image_entities": SPANS}, {"ner_tags": [1, 2, 0, 5, 0, 0]}, {"label": ["O"]},
        {"alt_text": "a dog"},
        {"entities": {"PER": ["Ana Ruiz"]}}, {"entities": [[0, 99, "PER"]]}, {"photo": "33.jpg"},
    ],
    ids=str,
)  # fmt: skip
def test_where_posts_are_only_tagged_annotations_are_noted_once(tmp_path, extra):
    path = tmp_path / "posts.jsonl"
    path.write_text("\n".join([json.dumps({"tokens": WORDS, **extra})] * 3), encoding="utf-8")
    with pytest.warns(UserWarning, match=r"posts\.jsonl: .*3 lines, the first is 1") as caught:
        posts = list(iter_posts(path, lenient=True))
    assert ([post.tags for post in posts], len(caught)) == ([None] * 3, 1)
    with pytest.raises(FormatError):
        list(iter_posts(path))


@pytest.mark.filterwarnings("ignore:.*looks like an annotation")
def test_notes_are_bounded(tmp_path):
    path = tmp_path / "posts.jsonl"
    path.write_text("\n".join(json.dumps({"text": TEXT, f"x{n}": SPANS}) for n in range(300)), encoding="utf-8")
    with pytest.warns(UserWarning, match="other notes .200 lines") as caught:
        assert len(list(iter_posts(path, lenient=True))) == 300
    assert len(caught) == 101


IMAGE_KEYS = [
    "tweet_image",
    "post_image",
    "main_image",
    "cover_image",
    "thumbnail_image",
    "attached_photo",
    "imageFile",
]


@pytest.mark.parametrize("key", IMAGE_KEYS)
@pytest.mark.parametrize("value", ["33.jpg", "33", 33])
def test_image_keys_are_not_overlooked(read, key, value):
    with pytest.raises(FormatError, match=f"{key} looks like the name of an image"):
        read({"tokens": WORDS, key: value})


ENCODED = f"/9j/{'A' * 80}"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("attachments", {"photo": "33.jpg"}), ("media", [{"file": "33.jpg"}]),
        ("x", [{"url": "http://x.org", "y": ["33.png"]}]),
        ("jpg", ENCODED), ("x", {"y": ENCODED}), ("picture_data", f"data:image/jpeg;base64,{ENCODED}"),
    ],
)  # fmt: skip
def test_images_at_any_depth_and_encoded_ones_are_not_overlooked(read, key, value):
    with pytest.raises(FormatError, match=f"{key} looks like the name of an image"):
        read({"tokens": WORDS, key: value})
    assert read({"tokens": WORDS, "image": "1.jpg", key: value}).metadata == {key: value}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("user", {"avatar": "a.png", "photo": "b.png"}), ("place", {"bounding_box": {"type": "Polygon"}}),
        ("profile_image", "a.jpg"), ("user_image", "a.jpg"), ("avatar", "a.png"), ("author_photo", "a.png"),
        ("num_images", 3),
        ("image_count", 3), ("has_image", True), ("image_width", 640), ("image_hash", "a8f3"), ("media_key", "3_12"),
        ("image_model", "clip"), ("image_score", 0.3), ("photo_tags", ["dog"]),
    ],
)  # fmt: skip
def test_what_is_said_about_images_or_people_is_metadata(read, key, value):
    assert read({"tokens": WORDS, key: value}).metadata == {key: value}
