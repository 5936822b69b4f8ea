"""Power and sample size: how many seeds find a difference, or make an interval narrow enough."""

import math
from collections.abc import Callable

import numpy as np
from scipy import special

Array = np.ndarray[tuple[int], np.dtype[np.float64]]

#: Larger sample sizes are not searched for.
MAX_SEEDS = 10_000
#: A posterior of a spread is as many values of it, each as likely as any other.
_N_SPREADS = 200


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
    return _root(lambda d_z: _chance(d_z, n, alpha) - power, high)


def t_quantile(share: float, df: float) -> float:
    """The number below which Student's t lies with this share."""
    return float(special.stdtrit(df, share))


# =============================================================================
# Where the spread is known from a few seeds
# =============================================================================
def likely_spreads(sd: float, n: int) -> Array:
    """Equally likely values of a true standard deviation of which `n` seeds have shown `sd`.

    Its square is (n - 1) sd^2 / chi^2, the posterior under the usual flat prior of log(sd). A
    chance that is averaged over them is the share of pilots, and of sweeps after them, in which it
    comes true.

    Returns
    -------
    ndarray of shape (200,)
        In the units of `sd`.
    """
    _check_seeds(n)
    shares = (np.arange(_N_SPREADS) + 0.5) / _N_SPREADS
    return np.asarray(sd * np.sqrt((n - 1) / special.chdtri(n - 1, 1 - shares)))


def moderated(squares: Array, df: int) -> tuple[Array, float]:
    """Standard deviations of some columns, each drawn towards what all of them have shown.

    By as much as chance alone makes a few numbers' standard deviations differ (Smyth 2004, limma's
    moderated variance): all the way where they differ by no more than that.

    Parameters
    ----------
    squares
        Sums of squared distances from the mean, one a column.
    df
        The degrees of freedom of each.

    Returns
    -------
    sd
        One a column. A column that does not vary at all stays as it is.
    df
        From how many degrees of freedom each is known.
    """
    varies = squares > 0
    variances = squares / df
    n = int(varies.sum())
    if n < 2:
        return np.sqrt(variances), float(df)
    logs = np.log(variances[varies]) - special.digamma(df / 2) + math.log(df / 2)
    beyond_chance = float(logs.var(ddof=1) - special.polygamma(1, df / 2))
    if beyond_chance <= 0:
        return np.where(varies, math.sqrt(variances[varies].mean()), 0.0), float(n * df)
    prior_df = 2 * _trigamma_inverse(beyond_chance)
    prior = math.exp(logs.mean() + special.digamma(prior_df / 2) - math.log(prior_df / 2))
    of_both = np.sqrt((prior_df * prior + df * variances) / (prior_df + df))
    return np.where(varies, of_both, 0.0), min(prior_df + df, float(n * df))


def _trigamma_inverse(value: float) -> float:
    """Where the trigamma function has a positive value, by Newton's steps from below."""
    at = 0.5 + 1 / value
    for _ in range(20):
        trigamma = float(special.polygamma(1, at))
        at += trigamma * (1 - trigamma / value) / float(special.polygamma(2, at))
    return at


def detectable(spreads: Array, n: int, alpha: float = 0.05, power: float = 0.8) -> float:
    """The difference that `n` seeds find with this power, on average over the spreads.

    Parameters
    ----------
    spreads
        As `likely_spreads` gives them, none of them 0.

    Returns
    -------
    float
        In the units of the spreads.
    """
    scale = float(np.median(spreads))
    high = scale
    while _mean_chance(high, spreads, n, alpha) < power:
        high *= 2
    return _root(lambda d: _mean_chance(d, spreads, n, alpha) - power, high, xtol=1e-6 * scale)


def seeds_to_find(
    difference: float, spreads: Array, alpha: float = 0.05, power: float = 0.8
) -> int | None:
    """The fewest seeds that find a difference with this power, on average over the spreads.

    None above 10,000.
    """
    return _fewest(lambda n: _mean_chance(difference, spreads, n, alpha) >= power, first=2)


def _root(function: Callable[[float], float], high: float, xtol: float = 2e-12) -> float:
    """Where the function is 0, between 0 and `high`."""
    from scipy.optimize import brentq  # 0.2 s, and a decided sweep has no need of it

    return float(brentq(function, 0.0, high, xtol=xtol))


def _mean_chance(difference: float, spreads: Array, n: int, alpha: float) -> float:
    return float(_chances(difference / spreads, n, alpha).mean())


def _check_seeds(n: int) -> None:
    if n < 2:
        raise ValueError(f"{n} seeds have no spread: at least 2 are needed")


def _chance(d_z: float, n: int, alpha: float) -> float:
    return float(_chances(np.array([d_z]), n, alpha)[0])


def _chances(d_z: Array, n: int, alpha: float) -> Array:
    """Both tails of the noncentral t beyond the critical values, of the shape of `d_z`."""
    _check_seeds(n)
    df, shift = n - 1, np.abs(d_z) * math.sqrt(n)
    critical = -float(special.stdtrit(df, alpha / 2))
    within = special.nctdtr(df, shift, critical) - special.nctdtr(df, shift, -critical)
    beyond = 1 - within
    # For a large shift the series of the noncentral t is nan. Its normal limit (Abramowitz and
    # Stegun 26.7.10) is 0 or 1 there, to many digits.
    spread = math.sqrt(1 + critical**2 / (2 * df))
    limit = special.ndtr((shift - critical * (1 - 1 / (4 * df))) / spread)
    return np.asarray(np.clip(np.where(np.isfinite(beyond), beyond, limit), 0.0, 1.0))


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
