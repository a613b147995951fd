"""The results of experiments as a file: what was trained on what data, its scores, and its predictions files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from mner.errors import DataError, FormatError
from mner.files import atomic_write
from mner.paths import is_file, is_folder
from mner.post_json import from_json, to_json
from mner.unicode import repair_surrogates

RESULTS_FILE = "results.jsonl"
Status = Literal["finished", "failed"]


@dataclass(frozen=True, slots=True)
class Result:
    """One trained and scored model: a cell of a grid.

    Args:
        model: Name of the model, for example ``1.0_bert_crf``.
        data: Name of the data set.
        seed: Seed of the training.
        fraction: Fraction of the training posts that was used.
        status: ``finished``, or ``failed`` with an ``error``.
        split: The split that was scored, ``test`` or ``valid``.
        version: Which known version of the data set the scored file is, where it is known.
        train_posts: Training posts that were used.
        metrics: Scores between 0 and 1, named as :class:`mner.metrics.EntityF1` names them.
        images: How many images the scored posts ``named`` and how many the model ``used``, if it looks at images.
        predictions: The predictions file.
        ablations: Predictions file of each ablation, by its name, for example ``shuffled_images``.
        seconds: Time of training and scoring.
        commands: The commands that the cell stands for, in order.
        error: Why it failed.
    """

    model: str
    data: str
    seed: int = 0
    fraction: float = 1.0
    status: Status = "finished"
    split: str | None = None
    version: str | None = None
    train_posts: int | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    images: Mapping[str, int] | None = None
    predictions: Path | None = None
    ablations: Mapping[str, Path] = field(default_factory=dict)
    seconds: float | None = None
    commands: Sequence[str] = ()
    error: str | None = None

    @property
    def cell(self) -> str:
        """The place of the result in its grid, as a relative folder."""
        return f"{self.model}/{self.data}/fraction_{self.fraction:g}/seed_{self.seed}"

    def to_dict(self, folder: Path) -> dict[str, Any]:
        """Plain data, as one line of a results file in ``folder``; files are named relative to it where they can be."""
        record = asdict(self)
        record["predictions"] = None if self.predictions is None else _relative(self.predictions, folder)
        record["ablations"] = {name: _relative(path, folder) for name, path in self.ablations.items()}
        record["commands"] = list(self.commands)
        return record

    @classmethod
    def from_dict(cls, record: Any, folder: Path) -> Result:
        """Build the result that :meth:`to_dict` described.

        Raises:
            DataError: If a value is of the wrong type or out of range, or a name is missing or unknown.
        """
        _check(record)
        values = dict(record)
        if values.get("predictions") is not None:
            values["predictions"] = folder / values["predictions"]
        values["ablations"] = {name: folder / path for name, path in values.get("ablations", {}).items()}
        return cls(**values)


def write_results(results: Iterable[Result], path: str | Path) -> None:
    """Write one JSON object per line, after any other process that is writing the file.

    Args:
        results: The results. They are read while the file is locked against other writers.
        path: The file.

    Raises:
        OutputError: If the file cannot be written; the former file is then unchanged.
    """
    folder = Path(path).parent
    with atomic_write(path, wait=True) as file:
        file.writelines(to_json(result.to_dict(folder)) + "\n" for result in results)


def read_results(path: str | Path) -> list[Result]:
    """Read a results file, or that of an experiment's folder.

    Raises:
        FormatError: If it is not there or empty, or a line is not a result.
    """
    path = Path(path)
    if is_folder(path):
        path = path / RESULTS_FILE
    if not is_file(path):
        raise FormatError(path, None, "no such file", "Write it with mner experiment")
    with path.open("rb") as file:
        results = [_line(path, number, line) for number, line in enumerate(file, start=1)]
    if not results:
        raise FormatError(path, None, "no results in the file", "Run mner experiment to its end")
    return results


def _line(path: Path, number: int, line: bytes) -> Result:
    try:
        record, _ = repair_surrogates(from_json(line))
        return Result.from_dict(record, path.parent)
    except DataError as error:
        raise FormatError(
            path, number, f"not a result: {error}", "Write the file again with mner experiment"
        ) from error


def _check(record: Any) -> None:
    if not isinstance(record, Mapping):
        raise DataError(f"expected an object, got {record!r:.60}")
    strange = sorted(record.keys() - _EXPECTED.keys())
    if strange:
        raise DataError(f"expected no other names than {', '.join(_EXPECTED)}, got {strange[0]!r:.60}")
    for name, (words, fits) in _EXPECTED.items():
        if (name in record or name in ("model", "data")) and not fits(record.get(name)):
            raise DataError(f"expected {name} to be {words}, got {record.get(name)!r:.60}")
    if record.get("status", "finished") == "finished" and record.get("predictions") is None:
        raise DataError("expected the predictions of a finished result, got none")


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _are_metrics(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        type(score) in (int, float) and 0 <= score <= 1 for name, score in value.items() if name.startswith("f1")
    )


def _are_images(value: Any) -> bool:
    named, used = (value.get("named"), value.get("used")) if isinstance(value, Mapping) else (None, None)
    return type(named) is int and type(used) is int and 0 <= used <= named


def _or_none(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or fits(value)


_EXPECTED: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "model": ("a name", _is_name),
    "data": ("a name", _is_name),
    "seed": ("a whole number", lambda value: type(value) is int),
    "fraction": ("above 0 and up to 1", lambda value: type(value) in (int, float) and 0 < value <= 1),
    "status": (f"one of {', '.join(get_args(Status))}", lambda value: value in get_args(Status)),
    "split": ("a name", _or_none(_is_name)),
    "version": ("a name", _or_none(_is_name)),
    "train_posts": ("a whole number", _or_none(lambda value: type(value) is int and value >= 0)),
    "metrics": ("an object whose F1 scores are numbers from 0 to 1", _are_metrics),
    "images": ("an object of the numbers named and used", _or_none(_are_images)),
    "predictions": ("a file name", _or_none(_is_name)),
    "ablations": (
        "an object of file names",
        lambda value: isinstance(value, Mapping) and all(map(_is_name, (*value, *value.values()))),
    ),
    "seconds": ("a number", _or_none(lambda value: type(value) in (int, float))),
    "commands": (
        "a list of commands",
        lambda value: isinstance(value, list) and all(isinstance(command, str) for command in value),
    ),
    "error": ("a text", _or_none(lambda value: isinstance(value, str))),
}


def _relative(path: Path, folder: Path) -> str:
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path.absolute())
