"""Published scores, read from a YAML file, for comparison with measured ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from mner.errors import FormatError
from mner.paths import is_file, is_there

SHIPPED = Path(__file__).parent / "published_scores"
_REMEDY = f"{SHIPPED / 'chen2020.yaml'} is an example"


@dataclass(frozen=True)
class PublishedScore:
    """Published scores of one model on one split of a data set, in percent.

    Args:
        model: Name of the model in the results.
        data: Name of the data set in the results.
        split: The split that was scored.
        f1: F1, or ``None`` if it is not reported.
        precision: Precision.
        recall: Recall.
        groups: F1 of ``seen``, ``unseen``, ``multi-type`` and ``single-type`` entities, as far as reported.
    """

    model: str
    data: str
    split: str = "test"
    f1: float | None = None
    precision: float | None = None
    recall: float | None = None
    groups: Mapping[str, float] = field(default_factory=dict)


class PublishedScores:
    """The scores of one file, by the full names of model and data set."""

    def __init__(self, scores: Mapping[tuple[str, str, str], PublishedScore] | None = None) -> None:
        self._scores = dict(scores or {})

    def find(self, model: str, data: str, split: str | None) -> PublishedScore | None:
        """Find the published score of a model on this split of a data set, or else on its test split."""
        return self._scores.get((model, data, split or "test")) or self._scores.get((model, data, "test"))


def read_published(path: str | Path) -> PublishedScores:
    """Read a YAML file with a list of scores, each with the keys of :class:`PublishedScore`.

    Args:
        path: The file, or the name of one that ships with mner, such as ``chen2020``.

    Raises:
        FormatError: If the file is missing, is not such a list, or has an entry twice; names the entry.
    """
    path = Path(path)
    if not is_there(path) and is_file(SHIPPED / f"{path.name}.yaml"):
        path = SHIPPED / f"{path.name}.yaml"
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise FormatError(path, None, f"not a YAML file ({error})", _REMEDY) from error
    if not isinstance(entries, list) or not entries:
        raise FormatError(path, None, "expected a list of scores", _REMEDY)
    scores: dict[tuple[str, str, str], PublishedScore] = {}
    for number, entry in enumerate(entries, start=1):
        score = _score(path, number, entry)
        if scores.setdefault((score.model, score.data, score.split), score) is not score:
            raise FormatError(path, None, f"entry {number} is {score.model} on {score.data} again", "Keep one of them")
    return PublishedScores(scores)


def _score(path: Path, number: int, entry: Any) -> PublishedScore:
    known = {each.name for each in fields(PublishedScore)}
    if not isinstance(entry, dict) or not {"model", "data"} <= entry.keys() <= known:
        raise FormatError(
            path, None, f"entry {number}: expected model, data and any of {', '.join(sorted(known))}", _REMEDY
        )
    groups = entry.get("groups", {})
    scores = [entry[name] for name in ("f1", "precision", "recall") if name in entry]
    if not isinstance(groups, dict) or not all(map(_is_percent, (*scores, *groups.values()))):
        raise FormatError(path, None, f"entry {number}: expected scores in percent, from 0 to 100", _REMEDY)
    return PublishedScore(**{**entry, **{name: str(entry[name]) for name in ("model", "data")}})


def _is_percent(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= 100
