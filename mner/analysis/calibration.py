"""Calibration of confidences: expected calibration error, Brier score and the bins of a reliability diagram."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torchmetrics.functional.classification import binary_calibration_error

from mner.errors import ConfigurationError, DataError
from mner.labels import check_choice
from mner.predictions import Prediction, gold_spans

Binning = Literal["width", "mass"]


@dataclass(frozen=True, slots=True)
class Bin:
    """The predicted entities with a confidence in one bin.

    Args:
        low: Lower edge, which belongs to the bin below.
        high: Upper edge, which belongs to the bin.
        confidence: Mean confidence.
        accuracy: Fraction of correct entities.
        count: Number of entities.
    """

    low: float
    high: float
    confidence: float
    accuracy: float
    count: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """Agreement of confidence and accuracy.

    Args:
        bins: The bins that are not empty, from low to high.
        expected_error: Expected calibration error: mean over entities of their bin's gap (Naeini et al. 2015).
        maximum_error: Maximum calibration error: the largest gap of a bin.
        brier: Mean squared difference of confidence and correctness, 1 or 0 (Brier 1950).
        accuracy: Fraction of correct entities, which is precision.
        confidence: Mean confidence.
        count: Number of predicted entities.
    """

    bins: tuple[Bin, ...]
    expected_error: float
    maximum_error: float
    brier: float
    accuracy: float
    confidence: float
    count: int


def calibrate(predictions: Iterable[Prediction], bins: int = 10, binning: Binning = "width") -> Calibration:
    """Compare the confidences of predicted entities with the fraction of correct ones.

    Args:
        predictions: Predictions of annotated posts.
        bins: Number of bins.
        binning: Bins of equal ``width``, or of equal ``mass``, with as many entities in each.

    Raises:
        DataError: If no entity was predicted, or one has no confidence.
        ConfigurationError: If the binning is unknown, or there are no bins.
    """
    check_choice("binning", binning, get_args(Binning))
    if bins < 1:
        raise ConfigurationError(f"expected at least one bin, got {bins}")
    pairs = []
    for prediction in predictions:
        true = gold_spans(prediction.post)
        for entity in prediction.entities:
            if entity.confidence is None:
                raise DataError(
                    f"post {prediction.post.id!r} has an entity without confidence; predictions of mner test have them"
                )
            pairs.append((entity.confidence, entity.span in true))
    if not pairs:
        raise DataError("no entity was predicted in any post, so there is nothing to calibrate")
    confidence, correct = np.array(pairs, dtype=np.float64).T
    width = torch.linspace(0, 1, bins + 1, dtype=torch.float64).numpy()  # the edges of torchmetrics
    edges = width if binning == "width" else _equal_mass(confidence, bins)
    place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, len(edges) - 2)
    filled = tuple(
        Bin(
            float(edges[index]),
            float(edges[index + 1]),
            float(confidence[place == index].mean()),
            float(correct[place == index].mean()),
            int((place == index).sum()),
        )
        for index in np.unique(place)
    )
    return Calibration(
        filled,
        *(_equal_width_errors(confidence, correct, bins) if binning == "width" else _errors(filled)),
        float(((confidence - correct) ** 2).mean()),
        float(correct.mean()),
        float(confidence.mean()),
        len(confidence),
    )


def _equal_width_errors(
    confidence: NDArray[np.float64], correct: NDArray[np.float64], bins: int
) -> tuple[float, float]:
    """Expected and maximum calibration error over bins of equal width, by torchmetrics.

    Its bins contain their lower edge, and confidences of 1 have a bin of their own; those of Guo et al. (2017) and of
    the reliability diagram contain their upper edge. The step to the next smaller number makes the two agree.
    """
    preds = torch.from_numpy(np.nextafter(confidence, -1).clip(0))
    target = torch.from_numpy(correct.astype(np.int64))
    expected, largest = (float(binary_calibration_error(preds, target, bins, norm)) for norm in ("l1", "max"))
    return expected, largest


def _errors(bins: Sequence[Bin]) -> tuple[float, float]:
    """Expected and maximum calibration error over any bins."""
    gaps = [abs(each.confidence - each.accuracy) for each in bins]
    return float(np.average(gaps, weights=[each.count for each in bins])), max(gaps)


def _equal_mass(confidence: NDArray[np.float64], bins: int) -> NDArray[np.float64]:
    edges = np.unique(np.quantile(confidence, np.linspace(0, 1, bins + 1)))
    edges[0], edges[-1] = 0.0, 1.0
    return edges if len(edges) > 1 else np.array([0.0, 1.0])
