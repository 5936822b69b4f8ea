"""The table from an interval and a margin to a verdict."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.decide import verdicts
from analysis.decide.verdicts import Bounds, over_settings, weakest
from analysis.statistics.intervals import Interval


def between(low, high, narrow=1.0):
    middle, half = (low + high) / 2, (high - low) / 2
    interval = Interval(middle, low, high, 0.95, 6, 5, 1.0)
    return Bounds(
        interval, replace(interval, low=middle - narrow * half, high=middle + narrow * half)
    )


def verdict(bounds, direction, margin):
    """Of a claim by itself: a direction is established where its interval leaves 0 out."""
    low, _, high = bounds.interval.ends
    return verdicts.verdict(bounds, direction, margin, low > 0 or high < 0)


@pytest.mark.parametrize(
    "low, high, direction, expected",
    [
        (3, 5, "greater", verdicts.SUPPORTED),
        (1, 3, "greater", verdicts.DIRECTION),
        (0.5, 1.5, "greater", verdicts.NEGLIGIBLE),
        (-1, 1.5, "greater", verdicts.EQUIVALENT),
        (-5, -3, "greater", verdicts.REFUTED),
        # The wrong way, and too small to matter.
        (-1.5, -0.5, "greater", verdicts.EQUIVALENT),
        (-2.5, -0.5, "greater", verdicts.REFUTED),
        (-1, 3, "greater", verdicts.INCONCLUSIVE),
        (2, 3, "greater", verdicts.DIRECTION),
        (-5, -3, "less", verdicts.SUPPORTED),
        (-3, -1, "less", verdicts.DIRECTION),
        (-1.5, -0.5, "less", verdicts.NEGLIGIBLE),
        (3, 5, "less", verdicts.REFUTED),
        (-5, -3, "either", verdicts.SUPPORTED),
        (3, 5, "either", verdicts.SUPPORTED),
        (-3, -1, "either", verdicts.DIRECTION),
        (-1.5, 1, "either", verdicts.EQUIVALENT),
        (-3, 1, "either", verdicts.INCONCLUSIVE),
    ],
)
def test_the_interval_and_the_margin_give_the_verdict(low, high, direction, expected):
    assert verdict(between(low, high), direction, margin=2) == expected


def test_equivalence_reads_the_narrower_interval():
    assert verdict(between(-2.2, 2.2, narrow=0.8), "greater", 2) == verdicts.EQUIVALENT
    assert verdict(between(-2.2, 2.2, narrow=0.95), "greater", 2) == verdicts.INCONCLUSIVE


def test_a_margin_of_nothing_is_never_equivalent():
    assert verdict(between(-1e-9, 1e-9), "either", 0) == verdicts.INCONCLUSIVE


@given(st.floats(-5, 5), st.floats(0.01, 5), st.floats(0, 3))
def test_swapping_the_arms_and_the_direction_changes_no_verdict(middle, half, margin):
    low, high = middle - half, middle + half
    assert verdict(between(low, high), "greater", margin) == verdict(
        between(-high, -low), "less", margin
    )
    assert verdict(between(low, high), "either", margin) == verdict(
        between(-high, -low), "either", margin
    )


def test_what_holm_establishes_beyond_the_shared_interval_ends_at_nothing():
    shared = between(-0.2, 4)
    assert verdicts.verdict(shared, "greater", 2, True) == verdicts.DIRECTION
    assert verdicts.verdict(shared, "less", 2, True) == verdicts.REFUTED
    assert shared.with_direction().interval.ends == (0.0, 1.9, 4)
    assert between(-4, 0.2).with_direction().interval.ends == (-4, -1.9, 0.0)
    assert between(1, 3).with_direction() == between(1, 3)


def test_a_direction_is_larger_than_a_margin_of_nothing():
    assert verdicts.verdict(between(-0.2, 4), "greater", 0, True) == verdicts.SUPPORTED


@pytest.mark.parametrize("low, high", [(3, 5), (-5, -3), (-0.1, 0.1)])
def test_two_seeds_decide_nothing(low, high):
    two = between(low, high)
    two = replace(two, interval=replace(two.interval, n=2))
    assert verdicts.verdict(two, "greater", 2, True) == verdicts.INCONCLUSIVE


@pytest.mark.parametrize(
    "given_, expected",
    [
        ([verdicts.SUPPORTED, verdicts.DIRECTION], verdicts.DIRECTION),
        ([verdicts.NEGLIGIBLE, verdicts.EQUIVALENT], verdicts.EQUIVALENT),
        ([verdicts.REFUTED, verdicts.REFUTED], verdicts.REFUTED),
        ([verdicts.SUPPORTED, verdicts.REFUTED], verdicts.DEPENDS),
        ([verdicts.SUPPORTED, verdicts.NEGLIGIBLE], verdicts.DEPENDS),
        ([verdicts.SUPPORTED, verdicts.INCONCLUSIVE], verdicts.DEPENDS),
        ([verdicts.INCONCLUSIVE] * 4, verdicts.INCONCLUSIVE),
    ],
)
def test_settings_that_differ_have_one_answer_or_it_depends(given_, expected):
    assert over_settings(given_, [1.0] * len(given_)) == expected


def test_one_way_at_one_setting_and_the_other_at_another_depends_though_either_is_claimed():
    both = [verdicts.SUPPORTED, verdicts.DIRECTION]
    assert over_settings(both, [0.5, -0.5]) == verdicts.DEPENDS
    assert over_settings([verdicts.EQUIVALENT] * 2, [0.1, -0.1]) == verdicts.EQUIVALENT


def test_a_winner_is_as_good_as_its_result_against_the_closest_rival():
    assert weakest([verdicts.SUPPORTED, verdicts.EQUIVALENT]) == verdicts.EQUIVALENT
    assert (
        weakest([verdicts.SUPPORTED, verdicts.DIRECTION, verdicts.SUPPORTED]) == verdicts.DIRECTION
    )
