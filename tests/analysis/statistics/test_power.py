"""How many seeds it takes, against tables and simulation."""

import numpy as np
import pytest

from analysis.statistics.power import (
    power,
    sd_upper,
    seeds_for_power,
    smallest_detectable,
)


@pytest.mark.parametrize("d_z, n", [(0.5, 34), (0.8, 15), (1, 10), (1.5, 6), (2, 5), (3, 4)])
def test_the_seeds_for_a_power_of_four_fifths(d_z, n):
    assert seeds_for_power(d_z) == n
    assert power(d_z, n) >= 0.8 > power(d_z, n - 1)


@pytest.mark.parametrize("n, d_z", [(3, 3.26), (5, 1.68), (8, 1.16), (10, 1.00), (20, 0.66)])
def test_the_smallest_difference_that_seeds_find(n, d_z):
    assert smallest_detectable(n) == pytest.approx(d_z, abs=0.006)


def test_power_is_a_number_where_the_noncentral_t_gives_up():
    assert power(50, 200) == 1 and power(0, 10) == pytest.approx(0.05)


def test_the_upper_bound_of_a_pilots_spread_holds_in_four_of_five():
    rng = np.random.default_rng(0)
    sd = rng.normal(size=(20_000, 4)).std(axis=1, ddof=1)
    assert np.mean([sd_upper(pilot, 4) > 1 for pilot in sd]) == pytest.approx(0.8, abs=0.01)
