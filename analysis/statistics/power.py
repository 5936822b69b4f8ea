"""Power and sample size: how many seeds find a difference, or make an interval narrow enough."""

import math
from collections.abc import Callable

from scipy import optimize, stats

#: Larger sample sizes are not searched for.
MAX_SEEDS = 10_000


def power(d_z: float, n: int, alpha: float = 0.05) -> float:
    """Power of the two-sided paired t test of `n` seeds for a true difference of `d_z`.

    Parameters
    ----------
    d_z
        The true mean of the paired differences in units of their standard deviation, of either
        sign.
    n
        Number of seeds, at least 2.
    """
    return _chance(d_z, n, alpha)


def seeds_for_power(d_z: float, alpha: float = 0.05, power: float = 0.8) -> int | None:
    """The fewest seeds that find a difference of `d_z` with this power; None above 10,000."""
    return _fewest(lambda n: _chance(d_z, n, alpha) >= power, first=2)


def smallest_detectable(n: int, alpha: float = 0.05, power: float = 0.8) -> float:
    """The smallest `d_z`, as in `power`, that `n` seeds find with this power.

    Raises
    ------
    ValueError
        If the power is not between alpha, the power at a difference of 0, and 1.
    """
    if not alpha < power < 1:
        raise ValueError(f"power is {power}: it must lie between alpha, {alpha}, and 1")
    high = 1.0
    while _chance(high, n, alpha) < power:
        high *= 2
    return float(optimize.brentq(lambda d_z: _chance(d_z, n, alpha) - power, 0.0, high))


def t_quantile(share: float, df: float) -> float:
    """The number below which Student's t lies with this share."""
    return float(stats.t.ppf(share, df))


def sd_upper(sd: float, n: int, confidence: float = 0.8) -> float:
    """An upper confidence bound of a standard deviation, from the `sd` of `n` normal values.

    A pilot of few seeds underestimates it more often than not, and a plan made from it is too
    small.
    """
    _check_seeds(n)
    return float(sd * math.sqrt((n - 1) / stats.chi2.ppf(1 - confidence, n - 1)))


def _check_seeds(n: int) -> None:
    if n < 2:
        raise ValueError(f"{n} seeds have no spread: at least 2 are needed")


def _chance(d_z: float, n: int, alpha: float) -> float:
    """Both tails of the noncentral t beyond the critical values."""
    _check_seeds(n)
    df, shift = n - 1, abs(d_z) * math.sqrt(n)
    critical = float(stats.t.isf(alpha / 2, df))
    beyond = float(stats.nct.sf(critical, df, shift) + stats.nct.cdf(-critical, df, shift))
    if math.isfinite(beyond):
        return min(max(beyond, 0.0), 1.0)
    # For a large shift the series of the noncentral t is nan. Its normal limit (Abramowitz and
    # Stegun 26.7.10) is 0 or 1 there, to many digits.
    spread = math.sqrt(1 + critical**2 / (2 * df))
    return float(stats.norm.sf((critical * (1 - 1 / (4 * df)) - shift) / spread))


def _fewest(enough: Callable[[int], bool], first: int) -> int | None:
    """The smallest n from `first` to `MAX_SEEDS` that is enough, as every larger n has to be."""
    low, high = first - 1, max(first, 2)
    while not enough(high):
        if high >= MAX_SEEDS:
            return None
        low, high = high, min(2 * high, MAX_SEEDS)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
