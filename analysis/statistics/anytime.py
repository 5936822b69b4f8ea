"""Intervals and p values that hold at every number of seeds at once, whoever looks, and when.

Those of intervals.py and p_values.py hold at one number of seeds that was fixed beforehand. Whoever
adds seeds until a difference shows has looked at many. Here the chance that a true mean or median
of 0 is *ever* excluded, after however many seeds, is at most 1 - level.
"""

import math
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from analysis.statistics import intervals, p_values
from analysis.statistics.intervals import Interval, checked, spread, standard_error

#: The standard deviation, in units of that of the seeds, of the normal distribution over which the
#: true mean is mixed: at this one the interval is narrow between five and forty seeds.
TAU = 2.0


def multiple(n: int, alpha: float) -> float:
    """Half the width of `t_interval` at level 1 - alpha, in standard errors; inf for few seeds."""
    r = 1 + n * TAU**2
    k = (math.sqrt(r) / alpha) ** (2 / n)
    return math.sqrt((n - 1) * r * (k - 1) / (r - k)) if k < r else math.inf


def t_interval(values: ArrayLike, level: float = 0.95) -> Interval:
    """Interval for the mean of one value per seed, of normal values, for any number of looks.

    The standardised mean is mixed over a normal distribution, the standard deviation over the
    right Haar measure (Wang and Ramdas, "Anytime-valid t-tests and confidence sequences for
    Gaussian means with unknown variance", arXiv 2310.03722).

    Parameters
    ----------
    values
        Shape (n_seeds,), at least 2 seeds.
    """
    numbers = checked(values)
    n, mean, se = len(numbers), float(numbers.mean()), standard_error(numbers)
    half = multiple(n, 1 - level) * se if se > 0 else 0.0
    return Interval(mean, mean - half, mean + half, level, n, n - 1, se)


def t_p(values: ArrayLike) -> float:
    """P of the same test that the mean is 0: the smallest alpha at which the interval excludes 0.

    Returns
    -------
    float, nan when the values do not vary
    """
    numbers = checked(values)
    n, se = len(numbers), standard_error(numbers)
    if se == 0:
        return math.nan
    x, r = (float(numbers.mean()) / se) ** 2 / (n - 1), 1 + n * TAU**2
    return float(min(1.0, math.sqrt(r) * ((1 + x / r) / (1 + x)) ** (n / 2)))


def median_interval(values: ArrayLike, level: float = 0.95) -> Interval:
    """Interval for the median of one value per seed, whatever the distribution, for any looks.

    It reaches from the k-th smallest value to the k-th largest, with the largest k at which
    `sign_p` excludes whatever lies beyond; it has no ends below 7 seeds at a level of 0.95.
    """
    numbers = np.sort(checked(values, may_be_infinite=True))
    n = len(numbers)
    k = sum(_sign_p(n - below, below) <= 1 - level + 1e-12 for below in range((n + 1) // 2))
    low, high = (numbers[k - 1], numbers[n - k]) if k > 0 else (-math.inf, math.inf)
    se = spread(numbers) / math.sqrt(n)
    return Interval(float(np.median(numbers)), float(low), float(high), level, n, math.nan, se)


def sign_p(values: ArrayLike) -> float:
    """P that the median is 0, exact whatever the distribution, for any number of looks.

    The chance of a sign is mixed over Beta(1/2, 1/2), each half of it against one direction. A
    value of 0 counts against either sign.
    """
    numbers = checked(values, may_be_infinite=True)
    return _sign_p(int((numbers > 0).sum()), int((numbers < 0).sum()), len(numbers))


def share_interval(values: ArrayLike, level: float = 0.95) -> Interval:
    """As `intervals.share_interval`, for any number of looks."""
    n = len(checked(values))
    return replace(intervals.share_interval(values, 1 - (1 - level) * _part(n)), level=level)


def mcnemar_p(values: ArrayLike) -> float:
    """As `p_values.mcnemar_p`, for any number of looks."""
    return min(1.0, p_values.mcnemar_p(values) / _part(len(checked(values))))


def _part(n: int) -> float:
    """What a look at n seeds may spend of alpha; the sum over all n is 1 (a union bound)."""
    return 6 / (math.pi * n) ** 2


def _sign_p(n_above: int, n_below: int, n: int | None = None) -> float:
    n = n_above + n_below if n is None else n
    evidence = (_against(n_above, n) + _against(n_below, n)) / 2
    return min(1.0, 1 / evidence)


def _against(k: int, n: int) -> float:
    """How many times as likely k of n are of one sign where its chance is above a half.

    The likelihood under the half of Beta(1/2, 1/2) above 1/2, over that of 1/2. It has an
    expectation of at most 1 at every step where the chance is 1/2 or less.
    """
    a, b = k + 0.5, n - k + 0.5
    log = n * math.log(2) + math.log(2 / math.pi) + float(special.betaln(a, b))
    return math.exp(log) * float(special.betainc(b, a, 0.5))
