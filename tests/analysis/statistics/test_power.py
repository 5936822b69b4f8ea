"""How many seeds it takes, against tables and simulation."""

import numpy as np
import pytest
from scipy import stats

from analysis.statistics.power import (
    detectable,
    likely_spreads,
    moderated,
    power,
    seeds_to_find,
    smallest_detectable,
)

#: A spread that is known.
KNOWN = np.array([1.0])


@pytest.mark.parametrize("d_z, n", [(0.5, 34), (0.8, 15), (1, 10), (1.5, 6), (2, 5), (3, 4)])
def test_the_seeds_for_a_power_of_four_fifths(d_z, n):
    assert seeds_to_find(d_z, KNOWN) == n
    assert power(d_z, n) >= 0.8 > power(d_z, n - 1)


@pytest.mark.parametrize("n, d_z", [(3, 3.26), (5, 1.68), (8, 1.16), (10, 1.00), (20, 0.66)])
def test_the_smallest_difference_that_seeds_find(n, d_z):
    assert smallest_detectable(n) == pytest.approx(d_z, abs=0.006)


def test_power_is_a_number_where_the_noncentral_t_gives_up():
    assert power(50, 200) == 1 and power(0, 10) == pytest.approx(0.05)


def test_a_known_spread_finds_what_the_power_says():
    assert detectable(KNOWN, 8) == pytest.approx(smallest_detectable(8), rel=1e-5)
    many = likely_spreads(1.0, 5000)
    assert detectable(many, 8) == pytest.approx(smallest_detectable(8), rel=0.01)
    assert detectable(7 * many, 8) == pytest.approx(7 * detectable(many, 8), rel=1e-4)


@pytest.mark.parametrize("n_pilot, n", [(3, 5), (5, 8), (8, 5)])
def test_the_difference_said_to_be_found_in_four_sweeps_of_five_is(n_pilot, n):
    """Pilots and sweeps after them, with a true spread of 1 that nobody knows."""
    rng = np.random.default_rng(0)
    of_unit = detectable(likely_spreads(1.0, n_pilot), n)
    pilots = rng.normal(size=(20_000, n_pilot)).std(axis=1, ddof=1)
    sweeps = rng.normal(size=(20_000, n)) + of_unit * pilots[:, None]
    t = sweeps.mean(axis=1) / (sweeps.std(axis=1, ddof=1) / np.sqrt(n))
    found = np.abs(t) > stats.t.isf(0.025, n - 1)
    assert found.mean() == pytest.approx(0.8, abs=0.01)


def test_spreads_that_differ_by_chance_alone_are_one_and_others_stay_their_own():
    sd, df = moderated(4 * np.array([1.0, 1.2, 0.9, 1.1]), 4)
    assert sd == pytest.approx([np.sqrt(1.05)] * 4) and df == 16
    of_one = moderated(np.array([8.0]), 4)
    assert of_one[0] == pytest.approx([np.sqrt(2)]) and of_one[1] == 4
    sd, df = moderated(4 * np.array([1e-12, 1.0, 1e12]), 4)
    assert sd == pytest.approx([1e-6, 1, 1e6], rel=0.2) and df == pytest.approx(4, abs=0.1)


def test_a_column_that_does_not_vary_says_nothing_of_the_others():
    sd, _ = moderated(4 * np.array([0.0, 1.0, 1.2]), 4)
    assert sd == pytest.approx([0, np.sqrt(1.1), np.sqrt(1.1)])
    assert moderated(np.zeros(3), 4)[0].tolist() == [0, 0, 0]


@pytest.mark.parametrize("prior_df", [3.0, 10.0])
def test_moderated_spreads_are_nearer_to_the_truth_and_know_by_how_much(prior_df):
    """Variances as Smyth's model has them: a scaled inverse chi square, of `prior_df`."""
    random = np.random.default_rng(1)
    variances = 2.0 * prior_df / random.chisquare(prior_df, 4000)
    squares = variances * random.chisquare(4, 4000)
    sd, df = moderated(squares, 4)
    assert df == pytest.approx(prior_df + 4, rel=0.1)
    # The posterior's own mean of the precision, from the model's true parameters.
    of_model = (prior_df * 2.0 + squares) / (prior_df + 4)
    assert sd**2 == pytest.approx(of_model, rel=0.1)
