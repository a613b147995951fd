"""Surrogates are joined or replaced, wherever they are, and counted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mner.errors import DataError
from mner.unicode import repair_surrogates

TEXTS = st.text(alphabet=st.one_of(st.characters(), st.characters(categories=["Cs"])))
VALUES = st.recursive(
    TEXTS | st.none() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner) | st.tuples(inner)
)


def test_the_halves_of_a_pair_are_joined():
    assert repair_surrogates("a\ud83d\ude00b\ude00") == ("a😀b\ufffd", 1)
    assert repair_surrogates("\ude00\ud83d") == ("\ufffd\ufffd", 2)


def test_every_text_of_a_record_is_repaired():
    record = {"words": ["a", "\ud83d"], "k\ude00": ("x", {"y": "\ud83d\ude00"}), "n": 3, "none": None}
    assert repair_surrogates(record) == (
        {"words": ["a", "\ufffd"], "k\ufffd": ("x", {"y": "😀"}), "n": 3, "none": None},
        2,
    )


def test_no_value_is_lost_where_two_keys_become_one():
    with pytest.raises(DataError, match="keys that differ only in surrogates"):
        repair_surrogates([dict.fromkeys(("a", "x\ud83d", "x\ufffd"), 1)])


def test_a_value_that_is_nested_too_deeply_is_refused():
    value = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(DataError, match="nested too deeply"):
        repair_surrogates(value)


def test_what_is_whole_is_the_same_object():
    record = {"words": ["a", "😀"]}
    assert repair_surrogates(record)[0] is record


@given(TEXTS)
def test_any_text_can_be_encoded_afterwards(text):
    # UTF-16 of any string is what a decoder with the same policy, Python's own, turns into the same text.
    expected = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    repaired, count = repair_surrogates(text)
    assert repaired == expected
    assert count == expected.count("\ufffd") - text.count("\ufffd")


@given(VALUES)
def test_repairing_twice_changes_nothing(value):
    try:
        repaired, _ = repair_surrogates(value)
    except DataError:  # two keys that differ only in surrogates
        return
    assert repair_surrogates(repaired) == (repaired, 0)
