"""The arithmetic on per-seed numbers, against published results, closed forms and simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.statistics.bands import BONFERRONI, POINTWISE, SIGN_FLIPS, pointwise_band, simultaneous_band
from analysis.statistics.intervals import new_images_interval, pooled_interval, t_interval
from analysis.statistics.p_values import benjamini_hochberg, holm, sign_flip_p, t_p, tost_p
from analysis.statistics.power import power, sd_upper, seeds_for_half_width, seeds_for_power, smallest_detectable

#: Darwin's Zea mays, differences in eighths of an inch (Fisher 1935).
DARWIN = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]
#: Student's sleep data, the first drug less the second.
SLEEP = [-1.2, -2.4, -1.3, -1.3, 0.0, -1.0, -1.8, -0.8, -4.6, -1.4]

seeds = st.lists(st.floats(-1, 1).map(lambda x: round(x, 6)), min_size=3, max_size=8).filter(lambda v: np.ptp(v) > 1e-3)


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
    assert (interval.estimate, interval.low, interval.high) == pytest.approx((-1.58, -2.4598858, -0.7001142), abs=5e-8)


def test_equivalence_as_the_r_package_has_it():
    d = np.array([4, 7, 8, 6, 3, 2]) - np.array([6, 8, 7, 10, 11, 9])
    assert tost_p(d, 1) == pytest.approx(0.9293826, abs=5e-8)
    assert tost_p(d, 2) == pytest.approx(0.8286101, abs=5e-8)


def test_the_pooled_error_is_that_of_randomised_blocks():
    # Four seeds x three cells by hand: residual mean square of the two-way table.
    table = np.array([[1.0, 2, 4], [2, 4, 5], [0, 1, 5], [3, 3, 6]])
    fitted = table.mean(axis=1, keepdims=True) + table.mean(axis=0) - table.mean()
    square = ((table - fitted) ** 2).sum() / 6
    found = pooled_interval(table, [1, -1, 0], 0.95)
    assert found.df == 6 and found.estimate == pytest.approx(-1.0)
    assert found.se == pytest.approx(np.sqrt(square * 2 / 4))
    assert found.high - found.estimate == pytest.approx(2.446912 * found.se, rel=1e-6)


@pytest.mark.parametrize("n, floor", [(3, 0.25), (4, 0.125), (5, 0.0625), (6, 0.03125), (8, 0.0078125)])
def test_the_smallest_exact_p_is_one_pattern_and_its_mirror_image(n, floor):
    assert sign_flip_p(np.arange(1, n + 1)) == floor


@given(seeds)
def test_the_exact_p_counts_patterns_and_neither_order_nor_sign_of_the_seeds_matters(values):
    p = sign_flip_p(values)
    assert (p * 2 ** (len(values) - 1)).is_integer() and 0 < p <= 1
    assert sign_flip_p(values[::-1]) == p == sign_flip_p(np.negative(values))
    assert t_p(values[::-1]) == pytest.approx(t_p(values), rel=1e-9)
    turned = t_interval(np.negative(values))
    assert (turned.low, turned.high) == pytest.approx((-t_interval(values).high, -t_interval(values).low))


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


@pytest.mark.parametrize("broken", [[1.0], [1.0, np.nan], [1.0, np.inf], [[1.0, 2.0]]])
def test_an_interval_of_what_is_no_list_of_numbers_is_refused(broken):
    with pytest.raises(ValueError):
        t_interval(broken)


# How many seeds.


@pytest.mark.parametrize("d_z, n", [(0.5, 34), (0.8, 15), (1, 10), (1.5, 6), (2, 5), (3, 4)])
def test_the_seeds_for_a_power_of_four_fifths(d_z, n):
    assert seeds_for_power(d_z) == n
    assert power(d_z, n) >= 0.8 > power(d_z, n - 1)


@pytest.mark.parametrize("n, d_z", [(3, 3.26), (5, 1.68), (8, 1.16), (10, 1.00), (20, 0.66)])
def test_the_smallest_difference_that_seeds_find(n, d_z):
    assert smallest_detectable(n) == pytest.approx(d_z, abs=0.006)


def test_power_is_a_number_where_the_noncentral_t_gives_up():
    assert power(50, 200) == 1 and power(0, 10) == pytest.approx(0.05)


def test_seeds_for_a_width_are_the_fewest():
    n = seeds_for_half_width(1.0, 0.5)
    halves = [t_interval(np.resize([-1, 1], m) * np.sqrt((m - 1) / m)).high for m in (n, n - n % 2)]
    assert n == 18 and halves[0] <= 0.5
    assert seeds_for_half_width(1.0, 1e-6) is None and seeds_for_half_width(1.0, 5.0, have=8) == 8


def test_the_upper_bound_of_a_pilots_spread_holds_in_four_of_five():
    rng = np.random.default_rng(0)
    sd = rng.normal(size=(20_000, 4)).std(axis=1, ddof=1)
    assert np.mean([sd_upper(one, 4) > 1 for one in sd]) == pytest.approx(0.8, abs=0.01)


# New images, and bands.


def test_new_images_intervals_hold_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(1)
    n_seeds, n_images, held = 8, 60, 0
    for _ in range(1500):
        d = 0.1 * rng.normal(size=(n_seeds, 1)) + 0.3 * rng.normal(size=n_images) + rng.normal(size=(n_seeds, n_images))
        interval = new_images_interval(d)
        held += interval.low <= 0 <= interval.high
    assert 0.93 < held / 1500 < 0.98


def test_new_images_make_an_interval_wider_where_images_differ():
    rng = np.random.default_rng(2)
    d = rng.normal(size=200) + 0.01 * rng.normal(size=(8, 200)) + 0.01 * rng.normal(size=(8, 1))
    these, new = t_interval(d.mean(axis=1)), new_images_interval(d)
    assert new.estimate == pytest.approx(these.estimate) and new.se > 10 * these.se


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
    assert (point.low[0], point.high[0]) == pytest.approx((interval.low, interval.high)) and point.method == POINTWISE


def test_epochs_where_all_seeds_agree_have_no_width_and_do_no_harm():
    rng = np.random.default_rng(5)
    d = np.column_stack([np.full(8, 0.5), rng.normal(size=(8, 3))])
    band = simultaneous_band(d)
    assert band.low[0] == band.high[0] == 0.5
    assert band.low[1:] == pytest.approx(simultaneous_band(d[:, 1:]).low)


# Calibration: what the verdicts rest on.


@pytest.mark.parametrize("n", [3, 5, 8, 10])
def test_t_intervals_cover_as_often_as_they_say(n):
    rng = np.random.default_rng(n)
    d = rng.normal(size=(20_000, n)) * 2
    half = t_interval(d[0]).high - t_interval(d[0]).estimate
    scale = half / (d[0].std(ddof=1) / np.sqrt(n))
    covered = np.abs(d.mean(axis=1)) <= scale * d.std(axis=1, ddof=1) / np.sqrt(n)
    assert covered.mean() == pytest.approx(0.95, abs=0.01)
