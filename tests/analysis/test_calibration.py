"""Calibration, against values by hand, sums over entities, and confidences that keep their promise."""

import numpy as np
import pytest

from mner.analysis.calibration import calibrate
from mner.errors import ConfigurationError, DataError
from mner.posts import Entity, Post
from mner.predictions import Prediction


def predictions(*pairs):
    """A post an entity: its confidence, and whether it is right."""
    return [
        Prediction(Post(str(index), ("Ann",), ("B-PER" if right else "O",)), (Entity("PER", 0, 1, None, confidence),))
        for index, (confidence, right) in enumerate(pairs)
    ]


def test_by_hand():
    result = calibrate(predictions((0.9, True), (0.8, False), (0.3, False), (0.5, True)), bins=2)
    # 0.5 is the upper edge of the first bin and belongs to it.
    assert [(each.low, each.high, each.count) for each in result.bins] == [(0.0, 0.5, 2), (0.5, 1.0, 2)]
    assert [each.confidence for each in result.bins] == pytest.approx([0.4, 0.85])
    assert [each.accuracy for each in result.bins] == [0.5, 0.5]
    assert result.expected_error == pytest.approx((0.1 + 0.35) / 2)
    assert result.maximum_error == pytest.approx(0.35)
    assert result.brier == pytest.approx((0.1**2 + 0.8**2 + 0.3**2 + 0.5**2) / 4)
    assert (result.accuracy, result.confidence, result.count) == (0.5, pytest.approx(0.625), 4)


def test_right_means_span_and_type():
    post = Post("1", ("Ann", "Lee"), ("B-PER", "I-PER"))
    for entity, right in ((("PER", 0, 2), 1), (("ORG", 0, 2), 0), (("PER", 0, 1), 0)):
        assert calibrate([Prediction(post, (Entity(*entity, None, 0.5),))]).accuracy == right


@pytest.mark.parametrize("binning", ["width", "mass"])
def test_every_entity_is_in_one_bin_and_the_errors_are_their_sums(binning):
    random = np.random.default_rng(0)
    pairs = [(float(confidence), bool(random.random() < 0.6)) for confidence in random.beta(4, 1, 503)]
    result = calibrate(predictions(*pairs), bins=7, binning=binning)
    gaps, members = [], 0
    for each in result.bins:
        inside = [pair for pair in pairs if each.low < pair[0] <= each.high]
        assert each.count == len(inside)
        members += len(inside)
        assert each.accuracy == pytest.approx(np.mean([right for _, right in inside]))
        gaps.append(abs(np.mean([confidence - right for confidence, right in inside])))
    assert members == result.count == 503
    weights = [each.count / 503 for each in result.bins]
    assert result.expected_error == pytest.approx(np.dot(gaps, weights))
    assert result.maximum_error == pytest.approx(max(gaps))
    if binning == "mass":
        assert {each.count for each in result.bins} <= {71, 72}


def test_confidences_that_keep_their_promise():
    random = np.random.default_rng(0)
    confidences = random.random(4000)
    honest = calibrate(predictions(*((value, random.random() < value) for value in confidences)))
    boasting = calibrate(predictions(*((value, random.random() < value / 2) for value in confidences)))
    assert honest.expected_error < 0.03
    assert boasting.expected_error == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize("binning", ["width", "mass"])
def test_all_as_certain(binning):
    result = calibrate(predictions((1.0, True), (1.0, False)), binning=binning)
    assert (len(result.bins), result.expected_error) == (1, pytest.approx(0.5))


def test_what_cannot_be_calibrated_is_refused():
    with pytest.raises(DataError, match="post '0' has an entity without confidence"):
        calibrate(predictions((None, True)))
    with pytest.raises(DataError, match="nothing to calibrate"):
        calibrate([Prediction(Post("1", ("Ann",), ("O",)), ())])
    with pytest.raises(ConfigurationError, match="binning"):
        calibrate(predictions((0.5, True)), binning="height")
    with pytest.raises(ConfigurationError, match="at least one bin, got 0"):
        calibrate(predictions((0.5, True)), bins=0)
