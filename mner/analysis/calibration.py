"""Do confidences keep what they promise? Of entities found with confidence 0.8, four in five should be right."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from mner.analysis.counts import gold_spans
from mner.errors import ConfigurationError, DataError
from mner.labels import check_choice
from mner.predictions import Prediction

Binning = Literal["width", "mass"]


@dataclass(frozen=True, slots=True)
class Bin:
    """Entities whose confidence lies in one bin.

    Args:
        low: Lower edge.
        high: Upper edge, which belongs to the bin.
        confidence: Mean confidence.
        accuracy: Share that is right.
        count: How many there are.
    """

    low: float
    high: float
    confidence: float
    accuracy: float
    count: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """How confidences and accuracy agree.

    Args:
        bins: The bins that are not empty, from low to high.
        expected_error: Expected calibration error: mean over entities of their bin's distance (Naeini et al. 2015).
        maximum_error: The largest distance of a bin.
        brier: Mean squared distance of a confidence from 1 (right) or 0 (wrong) (Brier 1950).
        accuracy: Share of all that is right, which is precision.
        confidence: Mean confidence.
        count: Entities found.
    """

    bins: tuple[Bin, ...]
    expected_error: float
    maximum_error: float
    brier: float
    accuracy: float
    confidence: float
    count: int


def calibrate(predictions: Iterable[Prediction], bins: int = 10, binning: Binning = "width") -> Calibration:
    """Compare the confidences of the entities found with how many are right.

    Args:
        predictions: Predictions of annotated posts.
        bins: How many bins.
        binning: Bins of equal ``width``, or of equal ``mass``: as many entities in each.

    Raises:
        DataError: If no entity was found, or one has no confidence.
        ConfigurationError: If the binning is neither, or there are no bins.
    """
    check_choice("binning", binning, get_args(Binning))
    if bins < 1:
        raise ConfigurationError(f"expected at least one bin, got {bins}")
    pairs = []
    for prediction in predictions:
        true = gold_spans(prediction)
        for entity in prediction.entities:
            if entity.confidence is None:
                raise DataError(
                    f"post {prediction.post.id!r} has an entity without confidence; predictions of mner test have them"
                )
            pairs.append((entity.confidence, entity.span in true))
    if not pairs:
        raise DataError("no entity was found in any post, so there is nothing to calibrate")
    confidence, right = np.array(pairs, dtype=np.float64).T
    edges = np.linspace(0, 1, bins + 1) if binning == "width" else _equal_mass(confidence, bins)
    place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, len(edges) - 2)
    filled = tuple(
        Bin(
            float(edges[index]),
            float(edges[index + 1]),
            float(confidence[place == index].mean()),
            float(right[place == index].mean()),
            int((place == index).sum()),
        )
        for index in np.unique(place)
    )
    distances = np.array([abs(each.confidence - each.accuracy) for each in filled])
    weights = np.array([each.count for each in filled]) / len(confidence)
    return Calibration(
        filled,
        float(distances @ weights),
        float(distances.max()),
        float(((confidence - right) ** 2).mean()),
        float(right.mean()),
        float(confidence.mean()),
        len(confidence),
    )


def _equal_mass(confidence: NDArray[np.float64], bins: int) -> NDArray[np.float64]:
    edges = np.unique(np.quantile(confidence, np.linspace(0, 1, bins + 1)))
    edges[0], edges[-1] = 0.0, 1.0
    return edges if len(edges) > 1 else np.array([0.0, 1.0])
