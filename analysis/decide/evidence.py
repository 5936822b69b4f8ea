"""What the seeds say of one contrast: by their mean or, where that could mislead, their median."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.decide.verdicts import Bounds
from analysis.design.contrasts import Array, per_seed
from analysis.statistics import anytime, intervals, p_values

#: The runs of the two sides have standard deviations over the seeds with this ratio, or more, where
#: their luck is uneven. Below it a t test has at most 8 % false directions, whatever the luck's
#: distribution; above it has up to 13 % in skewed luck (benchmarks/README.md, "The verdicts").
UNEVEN = 2.5


@dataclass(frozen=True)
class Evidence:
    """A contrast within each seed, and what follows from it."""

    #: Shape (n_seeds,), in the metric's units.
    differences: Array
    #: As the function of this name gives it.
    unevenness: float
    #: Whether luck is uneven.
    is_uneven: bool
    #: Whether the median is judged, which needs no assumption: where luck is uneven, and where all
    #: seeds agree to the last digit and so show no spread.
    by_median: bool
    bounds: Bounds
    #: That there is no difference: by the t test for a mean, by the sign test for a median.
    p: float
    #: Whether bounds and p hold for any number of looks, and not for one number of seeds alone.
    for_any_looks: bool = False


def evidence(
    differences: Array,
    unevenness: float,
    alpha: float,
    by_median: bool | None = None,
    for_any_looks: bool = False,
) -> Evidence:
    """The evidence on a contrast.

    Parameters
    ----------
    differences
        The contrast within each seed, shape (n_seeds,), in the metric's units.
    unevenness
        As the function of this name gives it.
    alpha
        Of the intervals.
    by_median
        Whether luck counts as uneven, instead of what the unevenness says.
    for_any_looks
        Whether seeds were added after earlier ones had been seen, and nobody had planned it.
    """
    is_uneven = unevenness >= UNEVEN if by_median is None else by_median
    of_median = is_uneven or bool(intervals.constant(differences))
    return Evidence(
        differences,
        unevenness,
        is_uneven,
        of_median,
        bounds(differences, alpha, of_median, for_any_looks),
        direction_p(differences, of_median, for_any_looks),
        for_any_looks,
    )


def evidence_on(
    numbers: pd.DataFrame,
    weights: dict[str, float],
    alpha: float,
    by_median: bool | None = None,
    for_any_looks: bool = False,
) -> Evidence:
    """As `evidence`, of a contrast by its weights on `contrasts.table`, seeds x cells."""
    uneven = unevenness(numbers, weights)
    return evidence(per_seed(numbers, weights), uneven, alpha, by_median, for_any_looks)


def unevenness(numbers: pd.DataFrame, weights: dict[str, float]) -> float:
    """How many times as much the runs of one side of a contrast vary over the seeds.

    The variances of each side's cells are averaged: many cells of a few seeds tell more of luck
    than their means do.

    Returns
    -------
    float
        At least 1; nan where neither side varies.
    """
    variances: dict[bool, list[float]] = {True: [], False: []}
    for cell, weight in weights.items():
        if weight:
            variances[weight > 0].append(intervals.spread(numbers[cell].to_numpy(float)) ** 2)
    smaller, larger = sorted(math.sqrt(np.mean(side)) for side in variances.values())
    # A side that never varies beside one that does is as uneven as can be.
    return larger / smaller if smaller > 0 else (math.inf if larger > 0 else math.nan)


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


def bounds(
    differences: Array, alpha: float, by_median: bool, for_any_looks: bool = False
) -> Bounds:
    """The two intervals that a verdict reads; one and the same where it is for any looks."""
    of = anytime if for_any_looks else intervals
    interval = of.median_interval if by_median else of.t_interval
    both = interval(differences, 1 - alpha)
    return Bounds(both, both if for_any_looks else interval(differences, 1 - 2 * alpha))


def direction_p(differences: Array, by_median: bool, for_any_looks: bool = False) -> float:
    """That there is no difference: by the sign test for the median, by the t test for the mean."""
    of = anytime if for_any_looks else p_values
    return float(of.sign_p(differences) if by_median else of.t_p(differences))


def fewest_seeds(alpha: float, for_any_looks: bool = False) -> int:
    """The fewest seeds of which the sign test can tell a direction: all of them have it."""
    n = math.ceil(1 - math.log2(alpha))
    while for_any_looks and anytime.sign_p([1.0] * n) > alpha:
        n += 1
    return n
