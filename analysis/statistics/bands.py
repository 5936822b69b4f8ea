"""Bands around a mean curve over the epochs, from one curve per seed."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from analysis.statistics.intervals import checked, constant
from analysis.statistics.p_values import sign_patterns

Curve = NDArray[np.float64]

POINTWISE, SIGN_FLIPS, BONFERRONI = (
    "pointwise t",
    "sign flips, largest |t| over the epochs",
    "Bonferroni t",
)


@dataclass(frozen=True)
class Band:
    """A mean curve and its band; the curves have shape (n_epochs,)."""

    mean: Curve
    low: Curve
    high: Curve
    level: float
    #: Number of seeds.
    n: int
    #: `POINTWISE`, `SIGN_FLIPS` or `BONFERRONI`: where the width comes from.
    method: str


def pointwise_band(differences: ArrayLike, level: float = 0.95) -> Band:
    """The t interval of each epoch by itself.

    That some epoch of the true curve lies outside is more frequent than the level says.

    Parameters
    ----------
    differences
        Shape (n_seeds, n_epochs), at least 2 seeds.
    """
    values = _curves(differences, level)
    return _band(values, _t(1 - level, len(values)), level, POINTWISE)


def simultaneous_band(differences: ArrayLike, level: float = 0.95) -> Band:
    """A band that holds the whole true curve, all epochs at once, with this level.

    Its half width is c standard errors at each epoch. The deviations of the seeds from their mean
    are flipped by the patterns of `sign_patterns`, a whole seed at a time; c is a quantile, over
    the patterns, of the largest |t| over the epochs. Curves that move together over the epochs get
    a narrower band than that of Bonferroni, which c never exceeds. With so few seeds that the
    patterns have no such quantile (5 or fewer at 0.95), c is that of Bonferroni, the t quantile at
    1 - (1 - level) / n_epochs.

    An epoch at which all seeds agree has a band of no width and does not count in c.

    Parameters
    ----------
    differences
        Shape (n_seeds, n_epochs), at least 2 seeds.
    """
    values = _curves(differences, level)
    n_seeds, alpha = len(values), 1 - level
    varies = ~constant(values)
    bonferroni = _t(alpha / max(int(varies.sum()), 1), n_seeds)
    # Deviations sum to 0, so the t of the unflipped pattern is 0 and says nothing. In the count of
    # patterns it stands for the observed curve, above all others.
    largest = _largest_t(
        values[:, varies] - values[:, varies].mean(axis=0), sign_patterns(n_seeds)[1:]
    )
    rank = math.ceil(level * (len(largest) + 1) - 1e-9)
    if rank > len(largest):
        return _band(values, bonferroni, level, BONFERRONI)
    c = max(float(np.sort(largest)[rank - 1]), _t(alpha, n_seeds))
    return _band(values, min(c, bonferroni), level, SIGN_FLIPS if c < bonferroni else BONFERRONI)


def _curves(differences: ArrayLike, level: float) -> Curve:
    """The differences as floats of shape (n_seeds, n_epochs), with at least one epoch."""
    values = np.asarray(differences, dtype=float)
    if values.ndim != 2 or values.shape[1] == 0:
        raise ValueError(f"differences have shape {values.shape}: (n_seeds, n_epochs) is needed")
    for epoch in values.T:
        checked(epoch)
    if not 0 < level < 1:
        raise ValueError(f"level is {level}: it must lie between 0 and 1, as 0.95")
    return values


def _t(alpha: float, n_seeds: int) -> float:
    return float(-special.stdtrit(n_seeds - 1, alpha / 2))


def _largest_t(deviations: Curve, patterns: Curve) -> Curve:
    """The largest |t| over the epochs under each pattern, ndarray of shape (n_patterns,)."""
    n_seeds = len(deviations)
    share = np.zeros(len(patterns))
    # One epoch at a time: all at once take a quarter of a gigabyte for 16 seeds and 1,000 epochs.
    for column in deviations.T:
        # t**2 = (n - 1) r / (1 - r) grows with r, the share of the sum of squares that the mean
        # takes.
        np.maximum(share, (patterns @ column) ** 2 / (n_seeds * (column @ column)), out=share)
    with np.errstate(divide="ignore"):
        return np.sqrt((n_seeds - 1) * share / np.maximum(1 - share, 0.0))


def _band(values: Curve, c: float, level: float, method: str) -> Band:
    n_seeds = len(values)
    mean = values.mean(axis=0)
    se = np.where(constant(values), 0.0, values.std(axis=0, ddof=1) / math.sqrt(n_seeds))
    return Band(mean, mean - c * se, mean + c * se, level, n_seeds, method)
