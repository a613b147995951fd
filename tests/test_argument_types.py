"""Arguments of another type than their hint, or that are not finite, are refused in words that name them."""

import io
import re
from collections.abc import Mapping, Sequence
from enum import Enum, IntEnum
from fractions import Fraction
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import pytest
import torch

import mner
from mner.argument_types import check_range, check_types
from mner.components import Component, to_config
from mner.data import PostFiles, Twitter2017, iter_posts, read_posts
from mner.errors import ConfigurationError
from mner.fusion import VisualAttention
from mner.labels import labels_for
from mner.testing import TinyGrid, tiny_text_encoder
from mner.training import Optimization


@pytest.mark.parametrize(
    ("value", "interval", "expected"),
    [
        (1.0, "[0, 1)", "in [0, 1)"),
        (0.0, "(0, 1]", "in (0, 1]"),
        (-1, "[0, 1]", "in [0, 1]"),
        (float("nan"), "[0, 1]", "in [0, 1]"),
        (0, "[1, inf)", ">= 1"),
        (0.0, "(0, inf)", "> 0"),
        (float("inf"), "(0, inf)", "> 0"),
        (float("nan"), "(-inf, inf)", "in (-inf, inf)"),
    ],
)
def test_a_number_out_of_range_names_argument_and_range(value, interval, expected):
    with pytest.raises(ConfigurationError, match=f"^{re.escape(f'expected rate {expected}, got {value!r}')}$"):
        check_range("rate", value, interval)


@pytest.mark.parametrize(
    ("value", "interval"), [(0, "[0, 1)"), (1, "(0, 1]"), (0.5, "(0, 1)"), (10**9, "[1, inf)"), (None, "[0, 1]")]
)
def test_a_number_in_range(value, interval):
    check_range("rate", value, interval)


@pytest.mark.parametrize("annotator", [1.5, True, b"x", ["x"], float("nan")])
def test_arguments_of_functions_and_data_modules(tmp_path, annotator):
    (tmp_path / "posts.jsonl").write_text('{"text": "Ana"}\n', encoding="utf-8")
    for read in (read_posts, lambda *given, **options: list(iter_posts(*given, **options))):
        with pytest.raises(ConfigurationError, match="expected annotator to be a string or a whole number or None"):
            read(tmp_path / "posts.jsonl", annotator=annotator)
        with pytest.raises(ConfigurationError, match="expected columns to be a dict or None"):
            read(tmp_path / "posts.jsonl", columns=["text"])
        with pytest.raises(ConfigurationError, match="expected the image folder to be a string"):
            read(tmp_path / "posts.jsonl", images=3)
    with pytest.raises(ConfigurationError, match="PostFiles: expected annotator to be a string or None"):
        PostFiles(tmp_path / "posts.jsonl", annotator=annotator)
    with pytest.raises(ConfigurationError, match="expected types to be a list of strings, got 'PER'"):
        labels_for("PER")


class Mode(str, Enum):
    ONE = "one"


class Number(IntEnum):
    TWO = 2


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
    "name": ["a", Path("b"), PurePosixPath("b"), np.str_("c"), Mode.ONE],
    "rate": [None, 1, 0.5, np.float32(0.5), np.float64(0.5), np.float16(0.5), np.int64(1), Fraction(1, 2), Number.TWO],
    "words": [(), ["a"], ("a", "b"), [np.str_("a")]],
    "table": [None, {"a": 1}, {"a": np.int32(1)}, MappingProxyType({"a": 1})],
    "part": [Part(), Whole()],
    "options": [Optimization(), {"lr": 1.0}],
    "mode": ["one", 2, Mode.ONE, Number.TWO, np.int64(2), np.str_("one")],
    "on": [True, np.True_],
    "anything": [object()],
    "untyped": [object()],
    "size": [0, 10**30, np.int64(3), np.uint8(3), Number.TWO],
    "unknown": [object()],
}
REFUSED = [
    ("name", 3, "expected name to be a string, got 3 (int)"),
    ("rate", float("nan"), "expected rate to be a finite number or None, got nan (float)"),
    ("rate", float("-inf"), "got -inf (float)"),
    ("rate", np.float32("inf"), "expected rate to be a finite number or None"),
    ("rate", 10**400, "expected rate to be a finite number or None"),
    ("rate", True, "got True (bool)"),
    ("rate", np.True_, "expected rate to be a finite number or None"),
    ("rate", torch.tensor(0.5), "got Tensor"),
    ("rate", "0.1", "got '0.1' (str)"),
    ("words", "abc", "expected words to be a list of strings, got 'abc' (str)"),
    ("words", b"abc", "got b'abc' (bytes)"),
    ("words", ["a", 3], "got ['a', 3] (list)"),
    ("words", (each for each in "ab"), "got generator"),
    ("words", {"a"}, "got set"),
    ("words", None, "got None (NoneType)"),
    ("table", {"a": "b"}, "got {'a': 'b'} (dict)"),
    ("table", [1], "expected table to be a dict or None"),
    ("part", "Part", "expected part to be a Part or None, got 'Part' (str)"),
    ("options", 3, "expected options to be an Optimization or None, got 3 (int)"),
    ("mode", "two", "expected mode to be 'one' or 2, got 'two' (str)"),
    ("mode", 2.0, "got 2.0 (float)"),
    ("on", 1, "expected on to be True or False, got 1 (int)"),
    ("size", 3.0, "Whole: expected size to be a whole number, got 3.0 (float)"),
    ("size", True, "got True (bool)"),
    ("size", np.False_, "expected size to be a whole number"),
    ("size", np.float64(3.0), "expected size to be a whole number"),
    ("size", None, "got None (NoneType)"),
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


def test_what_fits_is_kept_as_plain_data():
    """So that a checkpoint, which holds no classes, can be read again."""
    kept = to_config(
        Whole(
            size=np.int64(3),
            rate=np.float32(0.5),
            name=Mode.ONE,
            mode=Number.TWO,
            on=np.True_,
            words=(np.str_("a"), PurePosixPath("b")),
            table=MappingProxyType({np.str_("a"): np.int8(1)}),
            untyped=range(np.int64(2)),
            anything=None,
        )
    )["init_args"]
    assert kept == {
        **to_config(Whole())["init_args"],
        **{"size": 3, "rate": 0.5, "name": "one", "mode": 2, "on": True, "words": ["a", "b"], "table": {"a": 1}},
        "untyped": [0, 1],
    }
    for value in (*kept.values(), *kept["words"], *kept["table"]):
        assert type(value) in (int, float, str, bool, list, dict, type(None))
    file = io.BytesIO()
    torch.save(kept, file)
    file.seek(0)
    assert torch.load(file, weights_only=True) == kept


def test_a_model_of_numpy_numbers_is_trained_saved_and_loaded(make_trainer, shared_twitter_folder, tmp_path):
    data = Twitter2017(shared_twitter_folder, batch_size=np.int64(2))
    model = VisualAttention(
        labels=tuple(data.labels),
        query_size=np.int64(4),
        text_encoder=tiny_text_encoder(),
        image_encoder=TinyGrid(hidden_size=np.int32(6)),
        dropout=np.float32(0.25),
        optimization=Optimization(lr=np.float64(1e-3), warmup_ratio=np.float32(0.5), weight_decay=np.float32(0)),
    )
    trainer = make_trainer(max_steps=1)
    data.preprocessor = model.preprocessor
    trainer.fit(model, data)
    trainer.save_checkpoint(tmp_path / "model.ckpt")
    torch.load(tmp_path / "model.ckpt", weights_only=True)
    assert mner.load(tmp_path / "model.ckpt").model.image_encoder.hidden_size == 6


def test_a_hint_that_cannot_be_resolved_is_not_checked():
    class Local(Component):
        def __init__(self, size: "Nowhere" = 3) -> None: ...  # noqa: F821

    assert isinstance(Local("x"), Local)
