"""What the seeds say of one contrast: by their mean or, where that could mislead, their median."""

import math
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import pandas as pd

from analysis.decide.verdicts import Bounds
from analysis.design.contrasts import Array, per_seed
from analysis.statistics import intervals, p_values
from runner.record import DIVERGES, Claim, parse_reduction

#: The two sides' standard deviations over the seeds have this ratio, or more, where their luck is
#: uneven. Below it a t test has few more false directions than it promises, whatever the luck's
#: distribution; above it has up to 13 % in skewed luck (benchmarks/README.md, "The verdicts").
UNEVEN = 3.0


class By(StrEnum):
    """What of the differences is judged."""

    MEAN = "mean"
    #: It needs no assumption.
    MEDIAN = "median"
    #: The mean of differences in an outcome that a run has or has not.
    SHARE = "share"


#: Of a metric by what is judged: the test of the direction, and the interval.
_TESTS = {By.MEAN: p_values.t_p, By.MEDIAN: p_values.sign_p, By.SHARE: p_values.mcnemar_p}
_INTERVALS = {
    By.MEAN: intervals.t_interval,
    By.MEDIAN: intervals.median_interval,
    By.SHARE: intervals.share_interval,
}


@dataclass(frozen=True)
class Evidence:
    """A contrast within each seed, and what follows from it."""

    #: Shape (n_seeds,), in the metric's units.
    differences: Array
    #: As `sides` gives them.
    both_sides: Array
    #: The larger standard deviation of the two sides over the smaller one; nan where neither
    #: varies.
    unevenness: float
    #: The median where luck is uneven, where all seeds agree to the last digit and so show no
    #: spread, and where runs that diverged are worse than any number.
    by: By
    bounds: Bounds
    #: That there is no difference: by the t test for a mean, the sign test for a median, and
    #: McNemar's for a share.
    p: float

    @property
    def by_median(self) -> bool:
        return self.by is By.MEDIAN

    def and_(self, other: "Evidence") -> "Evidence":
        """What both say, where a contrast was computed in two ways: the weaker p, the wider ends.

        Where they say opposite directions, there is none.
        """
        is_one = self.bounds.interval.estimate * other.bounds.interval.estimate > 0
        p = max(self.p, other.p) if is_one else 1.0
        return replace(self, bounds=self.bounds.hull(other.bounds), p=p)


def evidence(differences: Array, both_sides: Array, alpha: float, by: By | None = None) -> Evidence:
    """The evidence on a contrast.

    Parameters
    ----------
    differences
        The contrast within each seed, shape (n_seeds,), in the metric's units.
    both_sides
        As `sides` gives them.
    alpha
        Of the intervals.
    by
        What is judged, instead of what the sides' spreads say.
    """
    if np.isfinite(both_sides).all():
        smaller, larger = sorted(intervals.spread(side) for side in both_sides.T)
        # A side that never varies beside one that does is as uneven as can be.
        unevenness = larger / smaller if smaller > 0 else (math.inf if larger > 0 else math.nan)
    else:
        by, unevenness = By.MEDIAN, math.nan
    if by is None:
        by = By.MEDIAN if unevenness >= UNEVEN else By.MEAN
    if by is By.MEAN:
        by = of_column(differences)
    p = direction_p(differences, by)
    return Evidence(differences, both_sides, unevenness, by, bounds(differences, alpha, by), p)


def evidence_on(
    numbers: pd.DataFrame, weights: dict[str, float], alpha: float, by: By | None = None
) -> Evidence:
    """As `evidence`, of a contrast by its weights on `contrasts.table`, seeds x cells."""
    return evidence(per_seed(numbers, weights), sides(numbers, weights), alpha, by)


def asked(claim: Claim) -> By | None:
    """What a claim's metric asks to be judged; None where the spreads say it."""
    return By.SHARE if parse_reduction(claim.metric).kind == DIVERGES else None


def of_column(differences: Array) -> By:
    """The mean; the median of numbers that show no spread or are infinite."""
    is_mean = np.isfinite(differences).all() and not intervals.constant(differences)
    return By.MEAN if is_mean else By.MEDIAN


def sides(numbers: pd.DataFrame, weights: dict[str, float]) -> Array:
    """The two sides of a contrast within each seed: the cells of negative weight, then the others.

    Returns
    -------
    ndarray of shape (n_seeds, 2)
        In the metric's units.
    """
    by_sign = [
        {cell: abs(weight) for cell, weight in weights.items() if weight * sign > 0}
        for sign in (-1, 1)
    ]
    means = [per_seed(numbers, side) / sum(side.values()) for side in by_sign]
    return np.stack(means, axis=1)


def bounds(differences: Array, alpha: float, by: By) -> Bounds:
    """The two intervals that a verdict reads."""
    interval = _INTERVALS[by]
    return Bounds(interval(differences, 1 - alpha), interval(differences, 1 - 2 * alpha))


def direction_p(differences: Array, by: By) -> float:
    """That there is no difference: by the test that belongs to what is judged."""
    return _TESTS[by](differences)


def fewest_seeds(alpha: float) -> int:
    """The fewest seeds of which the sign test can tell a direction: all of them have it."""
    return math.ceil(1 - math.log2(alpha))
