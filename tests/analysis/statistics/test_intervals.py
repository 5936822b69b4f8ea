"""Intervals for a mean over seeds, against closed forms and simulation."""

import numpy as np
import pytest

from analysis.statistics.intervals import (
    median_interval,
    new_images_interval,
    pooled_interval,
    t_interval,
)
from analysis.statistics.p_values import t_p


def test_the_pooled_error_is_that_of_randomised_blocks():
    # Four seeds x three cells by hand: residual mean square of the two-way table.
    table = np.array([[1.0, 2, 4], [2, 4, 5], [0, 1, 5], [3, 3, 6]])
    fitted = table.mean(axis=1, keepdims=True) + table.mean(axis=0) - table.mean()
    square = ((table - fitted) ** 2).sum() / 6
    interval = pooled_interval(table, [1, -1, 0], 0.95)
    assert interval.df == 6 and interval.estimate == pytest.approx(-1.0)
    assert interval.se == pytest.approx(np.sqrt(square * 2 / 4))
    assert interval.high - interval.estimate == pytest.approx(2.446912 * interval.se, rel=1e-6)


@pytest.mark.parametrize("broken", [[1.0], [1.0, np.nan], [1.0, np.inf], [[1.0, 2.0]]])
def test_an_interval_of_what_is_no_list_of_numbers_is_refused(broken):
    with pytest.raises(ValueError):
        t_interval(broken)


@pytest.mark.parametrize("n", [3, 5, 8, 10])
def test_t_intervals_cover_as_often_as_they_say(n):
    rng = np.random.default_rng(n)
    d = rng.normal(size=(20_000, n)) * 2
    half = t_interval(d[0]).high - t_interval(d[0]).estimate
    scale = half / (d[0].std(ddof=1) / np.sqrt(n))
    covered = np.abs(d.mean(axis=1)) <= scale * d.std(axis=1, ddof=1) / np.sqrt(n)
    assert covered.mean() == pytest.approx(0.95, abs=0.01)


def test_new_images_intervals_hold_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(1)
    n_seeds, n_images, held = 8, 60, 0
    for _ in range(1500):
        d = (
            0.1 * rng.normal(size=(n_seeds, 1))
            + 0.3 * rng.normal(size=n_images)
            + rng.normal(size=(n_seeds, n_images))
        )
        interval = new_images_interval(d)
        held += interval.low <= 0 <= interval.high
    assert 0.93 < held / 1500 < 0.98


def test_new_images_make_an_interval_wider_where_images_differ():
    rng = np.random.default_rng(2)
    d = rng.normal(size=200) + 0.01 * rng.normal(size=(8, 200)) + 0.01 * rng.normal(size=(8, 1))
    these, new = t_interval(d.mean(axis=1)), new_images_interval(d)
    assert new.estimate == pytest.approx(these.estimate) and new.se > 10 * these.se


@pytest.mark.parametrize(
    "n, first", [(5, None), (6, 1), (8, 1), (9, 2), (15, 4), (20, 6)]
)  # fmt: skip
def test_the_interval_of_a_median_is_that_of_the_tables_of_order_statistics(n, first):
    interval = median_interval(np.arange(1.0, n + 1)[::-1])
    ends = (-np.inf, np.inf) if first is None else (first, n + 1 - first)
    assert (interval.low, interval.high) == ends
    assert interval.estimate == (n + 1) / 2 and interval.n == n


@pytest.mark.parametrize("n", [8, 20])
def test_the_interval_of_a_median_holds_it_whatever_the_distribution(n):
    samples = np.exp(0.75 * np.random.default_rng(0).normal(size=(4000, n)))
    intervals = [median_interval(sample) for sample in samples]
    assert np.mean([i.low <= 1 <= i.high for i in intervals]) >= 0.95


def test_the_p_of_a_t_interval_is_that_of_the_t_test():
    values = [0.3, 0.1, -0.2, 0.5, 0.4]
    assert t_interval(values).p == pytest.approx(t_p(values))
