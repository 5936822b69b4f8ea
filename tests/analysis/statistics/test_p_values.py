"""P values, against published results and closed forms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.statistics.heterogeneity import heterogeneity_p
from analysis.statistics.intervals import t_interval
from analysis.statistics.p_values import (
    benjamini_hochberg,
    holm,
    holm_levels,
    sign_flip_p,
    sign_p,
    t_p,
    tost_p,
)

#: Darwin's Zea mays, differences in eighths of an inch (Fisher 1935).
DARWIN = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]
#: Student's sleep data, the first drug less the second.
SLEEP = [-1.2, -2.4, -1.3, -1.3, 0.0, -1.0, -1.8, -0.8, -4.6, -1.4]

seeds = st.lists(st.floats(-1, 1).map(lambda x: round(x, 6)), min_size=3, max_size=8).filter(
    lambda v: np.ptp(v) > 1e-3
)


def test_darwins_maize_as_fisher_and_student_have_it():
    assert sign_flip_p(DARWIN) == 1726 / 32768
    assert t_p(DARWIN) == pytest.approx(0.0497029, abs=5e-8)
    interval = t_interval(DARWIN)
    assert (interval.low, interval.high) == pytest.approx((0.031193, 41.835473), abs=5e-7)
    assert (interval.n, interval.df) == (15, 14)


def test_students_sleep_as_r_prints_it():
    assert sign_flip_p(SLEEP) == 4 / 1024
    assert t_p(SLEEP) == pytest.approx(0.002833, abs=5e-7)
    interval = t_interval(SLEEP)
    assert (interval.estimate, interval.low, interval.high) == pytest.approx(
        (-1.58, -2.4598858, -0.7001142), abs=5e-8
    )


def test_equivalence_as_the_r_package_has_it():
    d = np.array([4, 7, 8, 6, 3, 2]) - np.array([6, 8, 7, 10, 11, 9])
    assert tost_p(d, 1) == pytest.approx(0.9293826, abs=5e-8)
    assert tost_p(d, 2) == pytest.approx(0.8286101, abs=5e-8)


@pytest.mark.parametrize(
    "n, floor", [(3, 0.25), (4, 0.125), (5, 0.0625), (6, 0.03125), (8, 0.0078125)]
)
def test_the_smallest_exact_p_is_one_pattern_and_its_mirror_image(n, floor):
    assert sign_flip_p(np.arange(1, n + 1)) == floor


@given(seeds)
def test_the_exact_p_counts_patterns_and_neither_order_nor_sign_of_the_seeds_matters(values):
    p = sign_flip_p(values)
    assert (p * 2 ** (len(values) - 1)).is_integer() and 0 < p <= 1
    assert sign_flip_p(values[::-1]) == p == sign_flip_p(np.negative(values))
    assert t_p(values[::-1]) == pytest.approx(t_p(values), rel=1e-9)
    turned = t_interval(np.negative(values))
    assert (turned.low, turned.high) == pytest.approx(
        (-t_interval(values).high, -t_interval(values).low)
    )


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_raises_p_values_keeps_their_order_and_stops_at_one(p):
    adjusted = holm(p)
    assert (adjusted >= np.array(p)).all() and (adjusted <= 1).all()
    assert (np.diff(adjusted[np.argsort(p, kind="stable")]) >= 0).all()


def test_holm_in_a_case_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


def test_benjamini_and_hochberg_in_a_case_by_hand():
    assert benjamini_hochberg([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.02, 0.04, 0.04, 0.02])
    assert len(benjamini_hochberg([])) == 0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_benjamini_and_hochberg_lie_between_the_p_values_and_holms(p):
    adjusted = benjamini_hochberg(p)
    assert (adjusted >= np.array(p)).all() and (adjusted <= holm(p) + 1e-15).all()
    assert adjusted == pytest.approx(stats.false_discovery_control(p), abs=1e-15)


@pytest.mark.parametrize(
    "values, n_same", [([1, 2, 3, 4, 5], 5), ([1, -2, 3, 4, 5, 6, -7, 8], 6), ([0, 1, 1, 1, 1], 4)]
)
def test_the_sign_test_is_that_of_a_coin(values, n_same):
    assert sign_p(values) == pytest.approx(stats.binomtest(n_same, len(values)).pvalue)


def test_the_sign_test_of_no_difference_at_all_finds_none():
    assert sign_p(np.zeros(8)) == 1.0


def test_two_columns_differ_by_the_t_test_of_their_difference():
    values = np.random.default_rng(0).normal(size=(6, 2)) + [0.0, 1.0]
    assert heterogeneity_p(values) == pytest.approx(t_p(values[:, 1] - values[:, 0]))


def test_of_several_columns_the_farthest_counts_times_their_number():
    values = np.random.default_rng(0).normal(size=(6, 4)) + [0.0, 0.0, 0.0, 3.0]
    away = values[:, 3] - values.mean(axis=1)
    assert heterogeneity_p(values) == pytest.approx(4 * t_p(away))
    assert heterogeneity_p(values + 5 * np.arange(6)[:, None]) == pytest.approx(4 * t_p(away))


def test_columns_that_differ_by_the_same_in_each_seed_are_told_by_the_signs():
    values = np.arange(8.0)[:, None] + [0.0, 1.0]
    assert heterogeneity_p(values) == 2 / 2**8
    assert heterogeneity_p(np.arange(8.0)[:, None] + [0.0, 0.0, 0.0]) == 1.0


@pytest.mark.parametrize("spreads", [(1, 1, 1, 1), (1, 1, 1, 10)])
def test_columns_that_are_the_same_are_seldom_told_apart(spreads):
    values = np.random.default_rng(1).normal(size=(2000, 5, 1))
    values = values + np.array(spreads) * np.random.default_rng(2).normal(size=(2000, 5, 4))
    assert np.mean([heterogeneity_p(sweep) <= 0.05 for sweep in values]) <= 0.065


@given(st.lists(st.floats(1e-6, 1), min_size=1, max_size=8))
def test_a_p_is_at_most_its_level_where_holm_rejects(p):
    alpha = 0.05
    rejected = holm(p) <= alpha
    near = np.isclose(holm(p), alpha)
    assert ((np.array(p) <= holm_levels(p, alpha)) == rejected)[~near].all()
