"""Bands around a mean curve, by simulation."""

import numpy as np
import pytest

from analysis.statistics.bands import (
    BONFERRONI,
    POINTWISE,
    SIGN_FLIPS,
    pointwise_band,
    simultaneous_band,
)
from analysis.statistics.intervals import t_interval


def test_a_band_of_eight_seeds_holds_the_whole_curve_as_often_as_it_says():
    rng = np.random.default_rng(3)
    held = narrower = 0
    for _ in range(600):
        curves = np.cumsum(rng.normal(size=(8, 10)), axis=1)
        band = simultaneous_band(curves)
        held += bool(((band.low <= 0) & (band.high >= 0)).all())
        narrower += band.method == SIGN_FLIPS
    assert held / 600 >= 0.94 and narrower > 400


def test_few_seeds_get_bonferronis_band_and_one_epoch_the_t_interval():
    rng = np.random.default_rng(4)
    assert simultaneous_band(rng.normal(size=(4, 6))).method == BONFERRONI
    d = rng.normal(size=(8, 1))
    point, interval = pointwise_band(d), t_interval(d[:, 0])
    assert (point.low[0], point.high[0]) == pytest.approx(
        (interval.low, interval.high)
    ) and point.method == POINTWISE


def test_epochs_where_all_seeds_agree_have_no_width_and_do_no_harm():
    rng = np.random.default_rng(5)
    d = np.column_stack([np.full(8, 0.5), rng.normal(size=(8, 3))])
    band = simultaneous_band(d)
    assert band.low[0] == band.high[0] == 0.5
    assert band.low[1:] == pytest.approx(simultaneous_band(d[:, 1:]).low)
