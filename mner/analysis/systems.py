"""Systems: the results of one model on one data set at one training size, with a run per seed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from mner.analysis.alignment import check_aligned
from mner.analysis.counts import Counts, count_entities
from mner.analysis.grounding import count_grounding
from mner.analysis.results import Result
from mner.errors import ExperimentError
from mner.predictions import Prediction, read_predictions


@dataclass(frozen=True)
class Run:
    """One seed of a system.

    Args:
        result: The record of training and scoring.
        predictions: Its predictions.
        counts: Counts of these.
        ablations: Counts under each ablation, by its name.
        grounding: Counts of grounded entities by measure; empty if posts or predictions have no boxes.
        grounding_ablations: The GMNER counts under each ablation, by its name.
    """

    result: Result
    predictions: Sequence[Prediction]
    counts: Counts
    ablations: Mapping[str, Counts]
    grounding: Mapping[str, Counts] = field(default_factory=dict)
    grounding_ablations: Mapping[str, Counts] = field(default_factory=dict)


@dataclass
class DataSet:
    """The systems that were scored on one data set, on the same posts.

    Args:
        name: The data set.
        systems: Runs by model and fraction of the training posts, in the order of the results.
    """

    name: str
    systems: dict[tuple[str, float], list[Run]] = field(default_factory=dict)

    @property
    def models(self) -> list[str]:
        """The models, in the order of the results."""
        return list(dict.fromkeys(model for model, _ in self.systems))

    @property
    def fractions(self) -> list[float]:
        """The training fractions, from small to large."""
        return sorted({fraction for _, fraction in self.systems})

    @property
    def main_fraction(self) -> float:
        """The training fraction that most models have, the largest of several."""
        models = {fraction: sum(key[1] == fraction for key in self.systems) for fraction in self.fractions}
        return max(self.fractions, key=lambda fraction: (models[fraction], fraction))

    def main(self) -> dict[str, list[Run]]:
        """The systems with the main fraction, by model."""
        return {model: runs for (model, fraction), runs in self.systems.items() if fraction == self.main_fraction}

    def grounded(self) -> DataSet:
        """The systems that predict boxes in every run, with their GMNER counts in place of those of entities."""
        systems = {
            key: [replace(run, counts=run.grounding["gmner"], ablations=run.grounding_ablations) for run in runs]
            for key, runs in self.systems.items()
            if all(run.grounding for run in runs)
        }
        return DataSet(self.name, systems)

    @property
    def posts(self) -> Sequence[Prediction]:
        """The predictions of some run, where only the posts matter."""
        return next(iter(self.systems.values()))[0].predictions


def read_systems(results: Iterable[Result]) -> list[DataSet]:
    """Read the predictions of finished results and check that those on a data set are of the same posts.

    Raises:
        ExperimentError: If no result is finished, or one is given twice.
        AlignmentError: If predictions of a data set are not of the same posts; names the first difference.
        FormatError: If a predictions file is missing, empty or malformed.
    """
    data_sets: dict[str, DataSet] = {}
    first: dict[str, tuple[str, Sequence[Prediction]]] = {}
    seen: set[tuple[str, str, float, int]] = set()
    for result in results:
        if result.status != "finished" or result.predictions is None:
            continue
        name = f"{result.model} on {result.data} ({result.fraction:g} of training, seed {result.seed})"
        place = (result.model, result.data, result.fraction, result.seed)
        if place in seen:
            raise ExperimentError(f"{name} is given twice and would count as two seeds; give each result once")
        seen.add(place)
        reference = first.get(result.data)
        predictions = _read_aligned(result.predictions, name, reference)
        reference = first.setdefault(result.data, (name, predictions))
        ablations, grounding_ablations = {}, {}
        for ablation, path in result.ablations.items():
            ablated = _read_aligned(path, f"{name}, {ablation}", reference)
            ablations[ablation] = count_entities(ablated)
            if grounding := count_grounding(ablated):
                grounding_ablations[ablation] = grounding["gmner"]
        data_set = data_sets.setdefault(result.data, DataSet(result.data))
        counts, grounding = count_entities(predictions), count_grounding(predictions)
        run = Run(result, predictions, counts, ablations, grounding, grounding_ablations)
        data_set.systems.setdefault((result.model, result.fraction), []).append(run)
    if not data_sets:
        raise ExperimentError("no result is finished, so there is nothing to report; run mner experiment to its end")
    return list(data_sets.values())


def _read_aligned(path: Path, name: str, reference: tuple[str, Sequence[Prediction]] | None) -> list[Prediction]:
    """Read predictions, and check them against the posts of the reference if there is one."""
    predictions = read_predictions(path)
    if reference is None:
        return predictions
    check_aligned({reference[0]: reference[1], name: predictions})
    # The posts are the same, so one copy is enough.
    return [
        Prediction(one.post, other.entities, other.scores) for one, other in zip(reference[1], predictions, strict=True)
    ]
