"""Intervals and p values for any number of looks: by hand, by each other, and looked at always."""

import numpy as np
import pytest
from scipy import integrate, stats

from analysis.statistics import anytime


def test_the_multiples_of_the_standard_error_are_those_that_were_derived():
    # r = 1 + 4n, K = (sqrt(r) / 0.05)^(2/n): statistics of Wang and Ramdas, tau = 2.
    multiples = [anytime.multiple(n, 0.05) for n in (5, 8, 10, 20, 40)]
    assert multiples == pytest.approx([5.36, 4.20, 3.97, 3.63, 3.54], abs=0.005)
    assert anytime.multiple(2, 0.05) == np.inf


@pytest.mark.parametrize("n", [5, 8, 40])
def test_p_is_the_alpha_at_which_the_interval_ends_at_0(n):
    values = np.random.default_rng(n).normal(3.0, 1.0, n)
    p, interval = anytime.t_p(values), anytime.t_interval(values)
    assert anytime.multiple(n, p) * interval.se == pytest.approx(interval.estimate, rel=1e-6)
    assert (p <= 0.05) == (interval.low >= 0)
    assert p > 2 * stats.t.sf(interval.estimate / interval.se, n - 1), "no free lunch"


def test_the_evidence_of_signs_is_the_likelihood_mixed_over_the_chance_of_a_sign():
    def against(k, n):
        def mixed(p):
            return (2 * p) ** k * (2 * (1 - p)) ** (n - k) * 2 / np.pi / np.sqrt(p * (1 - p))

        return integrate.quad(mixed, 0.5, 1)[0]

    for n_above, n_below, n in ((8, 0, 8), (6, 2, 8), (5, 1, 8), (4, 4, 8)):
        values = [1.0] * n_above + [-1.0] * n_below + [0.0] * (n - n_above - n_below)
        expected = 2 / (against(n_above, n) + against(n_below, n))
        assert anytime.sign_p(values) == pytest.approx(min(1, expected), rel=1e-6)


def test_seven_seeds_of_one_sign_are_the_fewest_that_tell_a_direction():
    assert [anytime.sign_p([1.0] * n) <= 0.05 for n in (5, 6, 7)] == [False, False, True]
    interval = anytime.median_interval(np.arange(1.0, 8), 0.95)
    assert (interval.low, interval.estimate, interval.high) == (1, 4, 7)
    assert anytime.median_interval(np.arange(6.0), 0.95).low == -np.inf


@pytest.mark.parametrize("by", ["mean", "median"])
def test_whoever_looks_after_each_seed_from_3_to_40_finds_nothing_in_19_of_20_sweeps(by):
    values = np.random.default_rng(0).normal(size=(4000, 40))
    ever = np.zeros(len(values), bool)
    for n in range(3, 41):
        seen = values[:, :n]
        if by == "mean":
            t = np.abs(seen.mean(1)) / (seen.std(1, ddof=1) / np.sqrt(n))
            ever |= t > anytime.multiple(n, 0.05)
        else:
            p = np.array([anytime.sign_p([1.0] * k + [-1.0] * (n - k)) for k in range(n + 1)])
            ever |= p[(seen > 0).sum(1)] <= 0.05
    assert 0.02 < ever.mean() <= 0.035  # 2.7 % are expected; of fixed intervals 30 %
