"""Arguments of another type than their hint, or that are not finite, are refused in words that name them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pytest

from mner.argument_types import check_types
from mner.components import Component
from mner.errors import ConfigurationError
from mner.training import Optimization


class Part(Component):
    def __init__(self, size: int = 3, **kwargs: Any) -> None: ...


class Whole(Part):
    def __init__(
        self,
        name: str = "a",
        rate: float | None = None,
        words: Sequence[str] = (),
        table: Mapping[str, int] | None = None,
        part: Part | None = None,
        options: Optimization | None = None,
        mode: Literal["one", 2] = "one",
        on: bool = False,
        anything=None,
        untyped: Any = None,
        **kwargs: Any,
    ) -> None: ...


FITTING = {
    "name": ["a", Path("b")],
    "rate": [None, 1, 0.5],
    "words": [(), ["a"], ("a", "b")],
    "table": [None, {"a": 1}],
    "part": [Part(), Whole()],
    "options": [Optimization(), {"lr": 1.0}],
    "mode": ["one", 2],
    "on": [True],
    "anything": [object()],
    "untyped": [object()],
    "size": [0, 10**30],
    "unknown": [object()],
}
REFUSED = [
    ("name", 3, "expected name to be a string, got 3 (int)"),
    ("rate", float("nan"), "expected rate to be a finite number or None, got nan (float)"),
    ("rate", float("-inf"), "got -inf (float)"),
    ("rate", True, "got True (bool)"),
    ("rate", "0.1", "got '0.1' (str)"),
    ("words", "abc", "expected words to be a list of strings, got 'abc' (str)"),
    ("words", b"abc", "got b'abc' (bytes)"),
    ("words", ["a", 3], "got ['a', 3] (list)"),
    ("words", None, "got None (NoneType)"),
    ("table", {"a": "b"}, "got {'a': 'b'} (dict)"),
    ("table", [1], "expected table to be a dict or None"),
    ("part", "Part", "expected part to be a Part or None, got 'Part' (str)"),
    ("options", 3, "expected options to be an Optimization or None, got 3 (int)"),
    ("mode", "two", "expected mode to be 'one' or 2, got 'two' (str)"),
    ("mode", 2.0, "got 2.0 (float)"),
    ("on", 1, "expected on to be True or False, got 1 (int)"),
    ("size", 3.0, "Whole: expected size to be a whole number, got 3.0 (float)"),
    ("size", object(), "got object"),
]


@pytest.mark.parametrize("name", FITTING)
def test_what_fits(name):
    for value in FITTING[name]:
        check_types(Whole, {name: value})
        Whole(**{name: value})


@pytest.mark.parametrize(("name", "value", "complaint"), REFUSED)
def test_what_does_not_fit(name, value, complaint):
    with pytest.raises(ConfigurationError) as caught:
        Whole(**{name: value})
    assert complaint in str(caught.value)


def test_a_hint_that_cannot_be_resolved_is_not_checked():
    class Local(Component):
        def __init__(self, size: "Nowhere" = 3) -> None: ...  # noqa: F821

    assert isinstance(Local("x"), Local)
