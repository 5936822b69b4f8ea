"""The table from an interval and a margin to a verdict."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.decide import verdicts
from analysis.decide.verdicts import Bounds, verdict, weakest
from analysis.statistics.intervals import Interval


def between(low, high, narrow=1.0):
    middle, half = (low + high) / 2, (high - low) / 2
    interval = Interval(middle, low, high, 0.95, 6, 5, 1.0)
    return Bounds(
        interval, replace(interval, low=middle - narrow * half, high=middle + narrow * half)
    )


@pytest.mark.parametrize(
    "low, high, direction, expected",
    [
        (3, 5, "greater", verdicts.SUPPORTED),
        (1, 3, "greater", verdicts.DIRECTION),
        (0.5, 1.5, "greater", verdicts.NEGLIGIBLE),
        (-1, 1.5, "greater", verdicts.EQUIVALENT),
        (-5, -3, "greater", verdicts.REFUTED),
        (-1.5, -0.5, "greater", verdicts.REFUTED),
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


def test_a_winner_is_as_good_as_its_result_against_the_closest_rival():
    assert weakest([verdicts.SUPPORTED, verdicts.EQUIVALENT]) == verdicts.EQUIVALENT
    assert (
        weakest([verdicts.SUPPORTED, verdicts.DIRECTION, verdicts.SUPPORTED]) == verdicts.DIRECTION
    )
