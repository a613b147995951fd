"""The results of experiments as a file: what was trained on what data, its scores, and its predictions files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from mner.errors import DataError, FormatError
from mner.files import atomic_write
from mner.post_json import from_json, to_json

RESULTS_FILE = "results.jsonl"
Status = Literal["finished", "failed"]


@dataclass(frozen=True, slots=True)
class Result:
    """One trained and scored model: a cell of a grid.

    Args:
        model: Name of the model, for example ``1.0_bert_crf``.
        data: Name of the data set.
        seed: Of the training.
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
    def from_dict(cls, record: Mapping[str, Any], folder: Path) -> Result:
        """Build the result that :meth:`to_dict` described.

        Raises:
            DataError: If a value is of the wrong type or out of range.
            TypeError: If a name is missing or unknown.
        """
        values = dict(record)
        _check(values)
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
    if path.is_dir():
        path = path / RESULTS_FILE
    if not path.is_file():
        raise FormatError(path, None, "no such file", "Write it with mner experiment")
    with path.open("rb") as file:
        results = [_line(path, number, line) for number, line in enumerate(file, start=1)]
    if not results:
        raise FormatError(path, None, "no results in the file", "Run mner experiment to its end")
    return results


def _line(path: Path, number: int, line: bytes) -> Result:
    try:
        return Result.from_dict(from_json(line), path.parent)
    except (DataError, KeyError, TypeError, ValueError) as error:
        raise FormatError(
            path, number, f"not a result: {error}", "Write the file again with mner experiment"
        ) from error


def _check(record: Mapping[str, Any]) -> None:
    expected: dict[str, tuple[str, Callable[[Any], bool]]] = {
        "model": ("a name", lambda value: isinstance(value, str) and value != ""),
        "data": ("a name", lambda value: isinstance(value, str) and value != ""),
        "seed": ("a whole number", lambda value: type(value) is int),
        "fraction": ("above 0 and up to 1", lambda value: type(value) in (int, float) and 0 < value <= 1),
        "status": (f"one of {', '.join(get_args(Status))}", lambda value: value in get_args(Status)),
        "train_posts": ("a whole number", lambda value: value is None or type(value) is int),
        "metrics": ("an object whose F1 scores are numbers", _are_metrics),
        "ablations": ("an object of files", lambda value: isinstance(value, Mapping)),
    }
    for name, (words, fits) in expected.items():
        if name in record and not fits(record[name]):
            raise DataError(f"expected {name} to be {words}, got {record[name]!r:.60}")


def _are_metrics(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        type(score) in (int, float) for name, score in value.items() if name.startswith("f1")
    )


def _relative(path: Path, folder: Path) -> str:
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path.absolute())
