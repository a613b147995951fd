"""Tags and character spans of the same words agree, or their contradiction is described."""

import pytest

from mner.span_alignment import contradiction

TEXT = "#AnaRuiz in Lugo"
OFFSETS = [(0, 8), (9, 11), (12, 16)]


@pytest.mark.parametrize(
    "spans",
    [
        [(0, 8, "PER"), (12, 16, "LOC")],
        [(1, 4, "PER"), (12, 16, "LOC")],
        [(12, 14, "LOC"), (1, 8, "PER"), (14, 16, "ORG")],  # of two entities in one word the first is tagged
    ],
)
def test_tags_are_those_of_the_widened_spans(spans):
    assert contradiction(["B-PER", "O", "B-LOC"], TEXT, OFFSETS, spans) is None


def test_the_scheme_makes_no_difference():
    spans = [(1, 8, "PER"), (12, 16, "LOC")]
    assert contradiction(["S-PER", "O", "S-LOC"], TEXT, OFFSETS, spans) is None
    assert contradiction(["I-PER", "O", "I-LOC"], TEXT, OFFSETS, spans) is None


@pytest.mark.parametrize(
    ("spans", "said"),
    [
        ([(1, 8, "ORG"), (12, 16, "LOC")], "tags say PER '#AnaRuiz', but character_spans ORG '#AnaRuiz'"),
        ([(1, 8, "PER")], "tags say LOC 'Lugo', but character_spans no such entity"),
        ([(1, 8, "PER"), (9, 16, "LOC")], "tags say LOC 'Lugo', but character_spans LOC 'in Lugo'"),
    ],
)
def test_both_sides_are_named(spans, said):
    assert contradiction(["B-PER", "O", "B-LOC"], TEXT, OFFSETS, spans) == said
