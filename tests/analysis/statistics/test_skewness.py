"""Skewness against scipy's, and its standard error against normal luck that cells share."""

import numpy as np
import pytest
from scipy import stats

from analysis.statistics.skewness import mean_skewness, skewness_error


def test_it_is_the_mean_of_the_cells_unbiased_skewnesses():
    values = np.random.default_rng(1).exponential(size=(8, 3))
    skewness = mean_skewness(values)
    assert skewness == pytest.approx(stats.skew(values, bias=False).mean())
    assert mean_skewness(5 - 2 * values) == pytest.approx(-skewness)


@pytest.mark.parametrize("n_cells", [2, 7])
@pytest.mark.parametrize("shared", [0.0, 0.5, 0.9])
def test_its_standard_error_is_that_of_normal_luck_of_which_cells_share_a_part(shared, n_cells):
    rng = np.random.default_rng(2)
    own, of_all = rng.normal(size=(2000, 20, n_cells)), rng.normal(size=(2000, 20, 1))
    sweeps = np.sqrt(1 - shared) * own + np.sqrt(shared) * of_all
    true = np.std([mean_skewness(values) for values in sweeps])
    # A little too large where the cells share nothing: no correlation counts as below 0.
    assert 0.97 * true < np.mean([skewness_error(values) for values in sweeps]) < 1.15 * true


def test_of_two_seeds_and_of_cells_that_do_not_vary_no_skewness_can_be_told():
    for values in ([[1.0, 2.0], [3.0, 5.0]], np.ones((8, 2))):
        assert mean_skewness(values) == 0 and skewness_error(values) == np.inf
    values = np.random.default_rng(3).exponential(size=(8, 2))
    with_constant = np.column_stack([values, np.full(8, 0.1)])
    assert mean_skewness(with_constant) == mean_skewness(values)
    assert skewness_error(with_constant) == skewness_error(values)
