"""Mean and deviation against numpy, and their text."""

import numpy as np
import pytest

from mner.analysis.spread import Spread


def test_mean_and_sample_deviation():
    values = [0.2, 0.5, 0.9]
    assert Spread.of(values) == pytest.approx((np.mean(values), np.std(values, ddof=1)))
    assert Spread.of([0.3]) == (0.3, None)


def test_text():
    assert f"{Spread.of([0.8, 0.9]).percent():.1f}" == "85.0 ± 7.1"
    assert f"{Spread.of([80, 80]):.2f}" == "80.00 ± 0.00"
    assert f"{Spread.of([0.5]).percent():.0f}" == "50"
