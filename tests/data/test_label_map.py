"""Annotation in the terms of a model, compared with entities that are renamed one by one."""

import shlex

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mner.data import Twitter2017
from mner.data.label_map import in_terms_of, renamed_tags
from mner.errors import ConfigurationError, LabelError
from mner.labels import labels_for, spans
from mner.posts import Post

MODEL = labels_for(["PER", "LOC", "MISC"])
OWN = labels_for(["PER", "LOC", "OTHER"])
SEQUENCES = st.one_of(
    st.lists(st.sampled_from(OWN), max_size=8),
    st.lists(st.sampled_from(labels_for(["PER", "LOC", "OTHER"], "BIOES")), max_size=8),
)
MAPS = (
    {},
    {"OTHER": "MISC"},
    {"OTHER": "PER", "LOC": "PER"},
    {"OTHER": None, "PER": "MISC"},
    {"PER": "LOC", "LOC": "PER"},  # swapped
    {"OTHER": "PER", "PER": "LOC", "LOC": "OTHER"},  # in a circle, once
    {"OTHER": "PER", "PER": "LOC", "LOC": None},
)


@given(SEQUENCES, st.sampled_from(MAPS))
@pytest.mark.parametrize("convention", ["conlleval", "strict"])
def test_entities_are_renamed_and_never_merged(convention, tags, label_map):
    renamed = [
        (label_map.get(entity.type, entity.type), entity.start, entity.end) for entity in spans(tags, "conlleval")
    ]
    assert [each.span for each in spans(renamed_tags(tags, label_map))] == [
        each for each in renamed if each[0] is not None
    ]
    well_formed = [each.span for each in spans(tags, "strict")]
    for type_, start, end in well_formed:
        if label_map.get(type_, type_) is not None:
            assert (label_map.get(type_, type_), start, end) in {
                each.span for each in spans(renamed_tags(tags, label_map), convention)
            }


def test_an_unknown_type_is_an_error_that_shows_how_to_rename_it():
    posts = [Post("1", ("iPhone", "Paris"), ("B-OTHER", "B-LOC"))]
    with pytest.raises(
        LabelError, match=r"test posts have .* type OTHER.*--label_map '\{\"OTHER\": \"MISC\"\}', .*null drops"
    ):
        in_terms_of(posts, "test", OWN, MODEL, {})


@pytest.mark.parametrize(
    ("label_map", "complaint"),
    [
        ({"OTHERS": "MISC"}, r"'OTHERS', which is not a type of the data set \(PER, LOC, OTHER\)"),
        ({"OTHER": "MIST"}, r"'OTHER' to 'MIST', which is not a type of the model \(PER, LOC, MISC\); choose one"),
        ({"other": "MISC"}, "'other', .* the type is written OTHER"),
        ({"B-OTHER": "B-MISC"}, "'B-OTHER', .* the type is written OTHER"),
        ({"OTHER": "B-MISC"}, "to 'B-MISC', .* the type is written MISC"),
        ({"OTHER": "misc"}, "to 'misc', .* the type is written MISC"),
        ({"OTHER": "O"}, "to 'O', .* null to drop the type"),
        ({"O": "MISC"}, "'O', which is not a type"),
        ({"": ""}, "'', which is not a type"),
    ],
)
def test_a_map_of_types_that_nobody_has_is_an_error(label_map, complaint):
    posts = [Post("1", ("iPhone",), ("B-OTHER",))]
    with pytest.raises(LabelError, match=complaint):
        in_terms_of(posts, "test", OWN, MODEL, label_map)


def test_the_example_of_an_error_is_a_map_that_works():
    own = labels_for(["person", "NO", "it's"])
    posts = [Post("1", ("a", "b", "c"), ("B-person", "B-NO", "B-it's"))]
    with pytest.raises(LabelError) as raised:
        in_terms_of(posts, "test", own, MODEL, {})
    words = shlex.split(f"{raised.value}".partition("for example ")[2])
    example = yaml.safe_load(words[1].removesuffix(","))
    assert example == {"person": "PER", "NO": "MISC", "it's": "MISC"}
    assert in_terms_of(posts, "test", own, MODEL, example)[0].tags == ("B-PER", "B-MISC", "B-MISC")


@pytest.mark.parametrize("label_map", [None, ["OTHER"], {"OTHER": 1}, {1: "MISC"}, {"OTHER": ["MISC"]}])
def test_in_python_a_label_map_is_a_mapping_of_types(label_map):
    with pytest.raises(ConfigurationError, match="expected a label map of types to types or null"):
        Twitter2017().label_map = label_map


def test_character_spans_are_renamed_too():
    (post,) = in_terms_of(
        [Post("1", ("iPhone", "Oslo"), ("B-OTHER", "B-LOC"), spans=((0, 6, "OTHER"), (7, 11, "LOC")))],
        "test",
        OWN,
        MODEL,
        {"OTHER": "MISC", "LOC": None},
    )
    assert (post.tags, post.spans) == (("B-MISC", "O"), ((0, 6, "MISC"),))


def test_posts_take_the_scheme_of_the_model():
    posts = [Post("1", ("a", "b", "c"), ("B-PER", "I-PER", "B-LOC")), Post("2", ("d",))]
    bioes = labels_for(["PER", "LOC"], "BIOES")
    converted = in_terms_of(posts, "test", OWN, bioes, {})
    assert [post.tags for post in converted] == [("B-PER", "E-PER", "S-LOC"), None]
    assert in_terms_of(converted, "test", bioes, MODEL, {})[0].tags == posts[0].tags
