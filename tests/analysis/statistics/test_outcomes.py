"""Outcomes that a run has or has not, and numbers that are infinite, against closed forms."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.design.within_seed import per_seed
from analysis.statistics.intervals import constant, median_interval, share_interval
from analysis.statistics.p_values import mcnemar_p, sign_flip_p, sign_p, signed_ranks


def pairs(n_first, n_second, n_alike):
    """Seeds of which the first side alone, the second alone, and both or neither diverge."""
    return [1.0] * n_first + [-1.0] * n_second + [0.0] * n_alike


@pytest.mark.parametrize(("b", "c"), [(8, 0), (5, 0), (6, 1), (3, 3), (2, 9)])
@pytest.mark.parametrize("n_alike", [0, 7])
def test_mcnemars_test_is_a_coin_for_the_seeds_that_differ(b, c, n_alike):
    expected = stats.binomtest(b, b + c).pvalue
    assert mcnemar_p(pairs(b, c, n_alike)) == pytest.approx(expected)
    assert mcnemar_p(pairs(c, b, n_alike)) == pytest.approx(expected)


def test_mcnemars_test_finds_nothing_where_no_seed_differs():
    assert mcnemar_p(pairs(0, 0, 8)) == 1.0


@pytest.mark.parametrize("n", [2, 8, 40])
def test_all_and_none_of_the_seeds_have_the_limits_of_clopper_and_pearson(n):
    """Each share at half the error of an end: 0.0125 of 0.05."""
    least, none = 0.0125 ** (1 / n), 1 - 0.0125 ** (1 / n)
    every, nothing = share_interval(pairs(n, 0, 0)), share_interval(pairs(0, 0, n))
    assert (every.low, every.estimate, every.high) == pytest.approx((least - none, 1, 1))
    assert (nothing.low, nothing.high) == pytest.approx((-none, none))


@pytest.mark.parametrize(("b", "c", "n_alike"), [(5, 0, 3), (4, 2, 2), (20, 3, 17)])
def test_between_them_the_limits_are_a_little_wider_than_those_of_clopper_and_pearson(
    b, c, n_alike
):
    n, found = b + c + n_alike, share_interval(pairs(b, c, n_alike))

    def exact(k):
        limits = stats.binomtest(k, n).proportion_ci(0.975)
        return limits.low, limits.high

    low, high = exact(b)[0] - exact(c)[1], exact(b)[1] - exact(c)[0]
    assert low - 0.15 < found.low < low and high < found.high < high + 0.15
    assert found.estimate == pytest.approx((b - c) / n)


@pytest.mark.parametrize("n", [3, 8])
def test_the_interval_of_a_share_holds_it_whatever_the_shares(n):
    """Every outcome of n seeds with its probability: no simulation."""
    outcomes = [(b, c) for b in range(n + 1) for c in range(n + 1 - b)]
    ends = {(b, c): share_interval(pairs(b, c, n - b - c), 0.9) for b, c in outcomes}
    for first in np.linspace(0, 1, 11):
        for second in np.linspace(0, 1 - first, 6):
            p = [first, second, max(0.0, 1 - first - second)]
            covered = sum(
                stats.multinomial.pmf([b, c, n - b - c], n, p)
                for (b, c), interval in ends.items()
                if interval.low - 1e-9 <= first - second <= interval.high + 1e-9
            )
            assert covered >= 0.9


def test_a_difference_of_more_than_all_is_refused():
    with pytest.raises(ValueError, match="numbers from -1 to 1"):
        share_interval([0.5, 1.5])


def test_the_sign_flip_test_on_ranks_is_wilcoxons():
    """Without ties; a number that is infinite has the highest rank."""
    d = np.array([0.3, -0.1, 0.8, 0.5, -0.2, 1.1, 0.7, np.inf])
    expected = stats.wilcoxon(np.where(np.isinf(d), 99.0, d), method="exact").pvalue
    assert sign_flip_p(signed_ranks(d)) == pytest.approx(expected)
    assert signed_ranks([-np.inf, np.inf, 0.5, 0.0]).tolist() == [-3.5, 3.5, 2.0, 0.0]


def test_a_median_of_numbers_some_of_which_are_infinite_is_known_by_their_order():
    d = [math.inf] * 3 + [0.4, 0.1, 0.2, 0.3, 0.5]
    found = median_interval(d, 0.95)  # of 8 seeds from the least to the largest
    assert (found.low, found.estimate, found.high) == (0.1, 0.45, math.inf)
    assert sign_p(d) == 2 / 2**8
    assert median_interval([math.inf] * 5 + [0.1] * 3).estimate == math.inf
    assert median_interval([math.inf] * 4 + [-math.inf] * 4).estimate == 0.0


def test_infinite_numbers_are_constant_where_all_are_the_same():
    assert constant(np.array([np.inf] * 3)) and not constant(np.array([np.inf, 0.1, np.inf]))


def test_what_is_worst_on_both_sides_of_a_seed_is_a_tie():
    worst = -np.inf
    numbers = pd.DataFrame(
        {"a": [worst, worst, 0.9, 0.9], "b": [worst, 0.8, worst, 0.8]}, index=range(4)
    )
    found = per_seed(numbers, {"a": 1.0, "b": -1.0})
    assert found == pytest.approx([0.0, -np.inf, np.inf, 0.1])
    thirds = {"a": 1 / 3, "b": -1 / 3}
    assert per_seed(numbers, thirds) == pytest.approx([0.0, -np.inf, np.inf, 0.1 / 3])
