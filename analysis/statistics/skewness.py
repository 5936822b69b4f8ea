"""Skewness over the seeds, on average over cells, and how far from 0 chance alone brings it."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.statistics.intervals import checked, constant


def mean_skewness(values: ArrayLike) -> float:
    """The mean of the cells' skewnesses; 0 where none can be told, as of 2 seeds.

    A cell's skewness is the unbiased third cumulant by the unbiased variance to the power of 1.5
    (G1 of Joanes and Gill 1998).

    Parameters
    ----------
    values
        Shape (n_seeds, n_cells), at least 2 of each. Cells that do not vary have no part in it.
    """
    units = _units(values)
    n = len(units)
    if n < 3 or not units.size:
        return 0.0
    return float((units**3).mean()) * math.sqrt(n * (n - 1)) / (n - 2)


def skewness_error(values: ArrayLike) -> float:
    """The standard error of `mean_skewness` where luck is normal; infinite where none can be told.

    Cells share the luck of their seeds: where two normal variables are correlated by r, their
    skewnesses are by r^3. A correlation below 0 counts as 0, for a few seeds show some by chance,
    and the standard error would be too small with them.
    """
    units = _units(values)
    n = len(units)
    if n < 3 or not units.size:
        return math.inf
    correlations = np.clip(units.T @ units / n, 0, 1)
    of_one_cell = 6 * n * (n - 1) / ((n - 2) * (n + 1) * (n + 3))
    return math.sqrt(of_one_cell * float((correlations**3).mean()))


def _units(values: ArrayLike) -> NDArray[np.float64]:
    """The cells that vary, each with mean 0 and a mean square of 1 over the seeds."""
    numbers = checked(values, n_axes=2)
    numbers = numbers[:, ~constant(numbers)]
    centred = numbers - numbers.mean(axis=0)
    return np.asarray(centred / np.sqrt((centred**2).mean(axis=0)))
