"""How uneven the luck of a contrast's two sides is, and how skewed, as all that tells of it shows.

A t test of luck that is uneven and skewed is wrong too often, and a few seeds of two cells tell
little of either.
"""

import math
import statistics
from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.design.within_seed import Array, cells_and_weights
from analysis.statistics import intervals
from analysis.statistics.skewness import mean_skewness, skewness_error

#: The runs of the two sides have standard deviations over the seeds with this ratio, or more, where
#: their luck is uneven. Below it t tests on four cells have at most 8 % false directions, whatever
#: the luck's distribution; above it up to 13 % in skewed luck (benchmarks/README.md, "The
#: verdicts").
UNEVEN = 2.5
#: As `UNEVEN`, for the median of the ratios of so many contrasts or more that share a side. It is
#: less: the median of several is seldom as large by chance, and each of them can be wrong. Six that
#: share a cell had up to 20 % false directions in skewed luck (there, too).
UNEVEN_BESIDE, _FEWEST = 1.75, 3
#: Where luck is skewed, the cells' mean skewness over the seeds is this or more, and this many
#: standard errors of that of normal luck, which chance brings in one sweep of a hundred. True
#: skewness of 0.75 hardly misleads t tests: with one side's luck twice the other's, four looks at
#: six claims have 5 % false directions by them, and 9 % with a skewness of 3.3.
SKEWED, _BEYOND_CHANCE = 0.75, 2.58


@dataclass(frozen=True)
class Luck:
    """The luck behind a contrast."""

    #: As `unevenness` gives it.
    unevenness: float = math.nan
    #: As `typical_ratios` gives it.
    beside: float = 1.0
    #: As `skewed` says it.
    is_skewed: bool = False

    @property
    def is_uneven(self) -> bool:
        """Whether one side varies so much more than the other that a mean may mislead."""
        return self.unevenness >= UNEVEN or abs(math.log(self.beside)) >= math.log(UNEVEN_BESIDE)


def luck_of(numbers: pd.DataFrame, *contrasts: Mapping[Any, float]) -> list[Luck]:
    """The luck behind contrasts, beside each other, as a `within_seed.table` shows it.

    Parameters
    ----------
    contrasts
        Weights by cell.
    """
    is_skewed = skewed(numbers.to_numpy(float))
    ratios = typical_ratios([sides_of(numbers, weights) for weights in contrasts])
    return [
        Luck(unevenness(*cells_and_weights(numbers, weights)), ratio, is_skewed)
        for weights, ratio in zip(contrasts, ratios, strict=True)
    ]


def unevenness(values: Array, weights: Array) -> float:
    """How many times as much the runs of one side of a contrast vary over the seeds.

    Parameters
    ----------
    values, weights
        As of `within_seed.weighted`.

    Returns
    -------
    float
        At least 1; nan where neither side varies, or a run diverged.
    """
    smaller, larger = sorted(spreads(values, weights))
    # A side that never varies beside one that does is as uneven as can be.
    return larger / smaller if smaller > 0 else (math.inf if larger > 0 else math.nan)


def spreads(values: Array, weights: Array) -> tuple[float, float]:
    """How much the runs of the two sides of a contrast vary over the seeds; the first is positive.

    Of each side it is the mean of its cells' variances, each by its weight squared, as it enters
    the variance of the contrast. Many cells of a few seeds tell more of luck than their means do.

    Returns
    -------
    tuple of two floats
        Standard deviations in the metric's units; nan where a run diverged.
    """
    if not np.isfinite(values[:, weights != 0]).all():
        return math.nan, math.nan
    variances = np.array([intervals.spread(cell) ** 2 for cell in values.T])
    positive, negative = (
        math.sqrt(np.average(variances[side], weights=weights[side] ** 2))
        for side in (weights > 0, weights < 0)
    )
    return positive, negative


@dataclass(frozen=True)
class Side:
    """One side of a contrast."""

    #: What it is known by in other contrasts: the metric, and its cells.
    name: Hashable
    #: As `spreads` gives it.
    spread: float


def sides_of(
    numbers: pd.DataFrame, weights: Mapping[Any, float], metric: str = ""
) -> tuple[Side, Side]:
    """The two sides of a contrast by its weights on `within_seed.table`; the first is positive."""
    positive, negative = spreads(*cells_and_weights(numbers, weights))
    return (
        Side((metric, frozenset(cell for cell, w in weights.items() if w > 0)), positive),
        Side((metric, frozenset(cell for cell, w in weights.items() if w < 0)), negative),
    )


def typical_ratios(contrasts: Sequence[tuple[Side, Side]]) -> list[float]:
    """How many times as much those sides vary that a sweep compares with one, typically.

    Where several contrasts share a side, each tells whether it varies less than the others do, or
    more. One alone seldom shows it: the luck that a seed brings to all its runs hides it, and a few
    seeds miss those that lie far off.

    Returns
    -------
    list of float, as long as `contrasts`
        Of the side of each that is shared by `_FEWEST` contrasts or more, the median of the other
        sides' spreads by its own; of two such sides that which is farther from 1; 1 where there is
        none. Sides that do not vary have no part in it.
    """
    logs: dict[Hashable, dict[Hashable, float]] = defaultdict(dict)
    for one, other in contrasts:
        if one.spread > 0 and other.spread > 0:
            logs[one.name][other.name] = math.log(other.spread / one.spread)
            logs[other.name][one.name] = -logs[one.name][other.name]
    # A ratio and its inverse are as far from 1.
    typical = {
        name: statistics.median(of.values()) for name, of in logs.items() if len(of) >= _FEWEST
    }
    return [
        math.exp(max((typical.get(side.name, 0.0) for side in sides), key=abs))
        for sides in contrasts
    ]


def skewed(values: Array) -> bool:
    """Whether some seeds lie far off, and all on the same side, as the cells show together.

    The skewness of a contrast is what misleads a t test of it: the seeds that lie far off are
    seldom among a few, and without them the mean looks surely other than it is. The same seeds are
    then missing in what the contrast shows of its own skewness and of its unevenness, which
    therefore warn too late; the other cells have theirs.

    Parameters
    ----------
    values
        A metric of the cells of a sweep, shape (n_seeds, n_cells).
    """
    if min(values.shape) < 2 or not np.isfinite(values).all():
        return False
    skewness = abs(mean_skewness(values))
    # The error takes time where there are thousands of cells.
    return skewness >= SKEWED and skewness >= _BEYOND_CHANCE * skewness_error(values)
