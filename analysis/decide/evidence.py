"""What the seeds say of one contrast: by their mean or, where that could mislead, their median."""

import math
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import pandas as pd

from analysis.decide.verdicts import Bounds
from analysis.design.luck import Luck, luck_of
from analysis.design.within_seed import Array, cells_and_weights, weighted
from analysis.statistics import anytime, intervals, p_values
from runner.record import DIVERGES, Claim, parse_reduction


class By(StrEnum):
    """What of the differences is judged."""

    MEAN = "mean"
    #: It needs no assumption.
    MEDIAN = "median"
    #: The mean of differences in an outcome that a run has or has not.
    SHARE = "share"


#: By what is judged: the test of the direction, and the interval; for one number of seeds, and for
#: any number of looks.
_TESTS = {
    False: {By.MEAN: p_values.t_p, By.MEDIAN: p_values.sign_p, By.SHARE: p_values.mcnemar_p},
    True: {By.MEAN: anytime.t_p, By.MEDIAN: anytime.sign_p, By.SHARE: anytime.mcnemar_p},
}
_INTERVALS = {
    False: {
        By.MEAN: intervals.t_interval,
        By.MEDIAN: intervals.median_interval,
        By.SHARE: intervals.share_interval,
    },
    True: {
        By.MEAN: anytime.t_interval,
        By.MEDIAN: anytime.median_interval,
        By.SHARE: anytime.share_interval,
    },
}


@dataclass(frozen=True)
class Evidence:
    """A contrast within each seed, and what follows from it."""

    #: Shape (n_seeds,), in the metric's units.
    differences: Array
    #: As `sides` gives them.
    both_sides: Array
    luck: Luck
    #: The median where luck is uneven or skewed, where all seeds agree to the last digit and so
    #: show no spread, and where runs that diverged are worse than any number.
    by: By
    bounds: Bounds
    #: That there is no difference: by the t test for a mean, the sign test for a median, and
    #: McNemar's for a share.
    p: float
    #: Whether bounds and p hold for any number of looks, and not for one number of seeds alone.
    for_any_looks: bool = False

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


def evidence(
    differences: Array,
    both_sides: Array,
    luck: Luck,
    alpha: float,
    by: By | None = None,
    for_any_looks: bool = False,
) -> Evidence:
    """The evidence on a contrast.

    Parameters
    ----------
    differences
        The contrast within each seed, shape (n_seeds,), in the metric's units.
    both_sides
        As `sides` gives them.
    luck
        That it is skewed counts where the median of so many seeds tells a direction though one of
        them has the other: where all have to agree, too little is found by it.
    alpha
        Of the intervals.
    by
        What is judged, instead of what luck says.
    for_any_looks
        Whether seeds were added after earlier ones had been seen, and nobody had planned it.
    """
    if by is None:
        is_skewed = luck.is_skewed and _may_disagree(len(differences), alpha, for_any_looks)
        by = By.MEDIAN if is_skewed or luck.is_uneven else By.MEAN
    if not np.isfinite(both_sides).all():
        by = By.MEDIAN
    by = of_column(differences, by)
    return Evidence(
        differences,
        both_sides,
        luck,
        by,
        bounds(differences, alpha, by, for_any_looks),
        direction_p(differences, by, for_any_looks),
        for_any_looks,
    )


def evidence_on(
    numbers: pd.DataFrame,
    weights: dict[str, float],
    alpha: float,
    by: By | None = None,
    for_any_looks: bool = False,
    luck: Luck | None = None,
) -> Evidence:
    """As `evidence`, of a contrast by its weights on `within_seed.table`, seeds x cells.

    Parameters
    ----------
    luck
        Where more is known of it than these cells show.
    """
    of = cells_and_weights(numbers, weights)
    if luck is None:
        (luck,) = luck_of(numbers, weights)
    return evidence(weighted(*of), sides(*of), luck, alpha, by, for_any_looks)


def asked(claim: Claim) -> By | None:
    """What a claim's metric asks to be judged; None where the spreads say it."""
    return By.SHARE if parse_reduction(claim.metric).kind == DIVERGES else None


def of_column(differences: Array, by: By = By.MEAN) -> By:
    """What is judged: of numbers that show no spread or are infinite the median, not the mean."""
    is_mean = np.isfinite(differences).all() and not intervals.constant(differences)
    return by if is_mean or by is not By.MEAN else By.MEDIAN


def sides(values: Array, weights: Array) -> Array:
    """The two sides of a contrast within each seed: the cells of negative weight, then the others.

    Parameters
    ----------
    values, weights
        As of `within_seed.weighted`.

    Returns
    -------
    ndarray of shape (n_seeds, 2)
        In the metric's units.
    """
    of_sides = [np.clip(sign * weights, 0, None) for sign in (-1, 1)]
    return np.stack([weighted(values, side) / side.sum() for side in of_sides], axis=1)


def bounds(differences: Array, alpha: float, by: By, for_any_looks: bool = False) -> Bounds:
    """The two intervals that a verdict reads; one and the same where it is for any looks."""
    interval = _INTERVALS[for_any_looks][by]
    both = interval(differences, 1 - alpha)
    return Bounds(both, both if for_any_looks else interval(differences, 1 - 2 * alpha))


def direction_p(differences: Array, by: By, for_any_looks: bool = False) -> float:
    """That there is no difference: by the test that belongs to what is judged."""
    return _TESTS[for_any_looks][by](differences)


def fewest_seeds(alpha: float, for_any_looks: bool = False) -> int:
    """The fewest seeds of which the sign test can tell a direction: all of them have it."""
    n = math.ceil(1 - math.log2(alpha))
    while for_any_looks and anytime.sign_p([1.0] * n) > alpha:
        n += 1
    return n


def _may_disagree(n: int, alpha: float, for_any_looks: bool) -> bool:
    """Whether the sign test of n seeds tells a direction though one of them has the other."""
    return direction_p(np.append(np.ones(n - 1), -1.0), By.MEDIAN, for_any_looks) <= alpha
