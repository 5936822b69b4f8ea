"""Intervals over seeds: for the mean and the median, with a pooled error, for new test images."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special


@dataclass(frozen=True)
class Interval:
    """An interval for a mean or a median, in the units of the values."""

    estimate: float
    low: float
    high: float
    #: Share of such intervals that contain the true value, as 0.95.
    level: float
    #: Number of seeds.
    n: int
    df: float
    #: Standard error of the estimate; 0 says that the values do not vary, and then no interval
    #: follows from them.
    se: float

    @property
    def p(self) -> float:
        """Two-sided p of the t test that belongs to a t interval; nan without a standard error."""
        return t_tails(self.estimate / self.se, self.df) if self.se else math.nan

    @property
    def ends(self) -> tuple[float, float, float]:
        """The low end, the estimate and the high end."""
        return self.low, self.estimate, self.high


def t_interval(values: ArrayLike, level: float = 0.95) -> Interval:
    """Interval for the mean of one value per seed (Student 1908).

    Parameters
    ----------
    values
        Shape (n_seeds,), at least 2 seeds.
    level
        Between 0 and 1.

    Raises
    ------
    ValueError
        If a value is nan or infinite, or there are fewer than 2.
    """
    numbers = checked(values)
    n = len(numbers)
    return _interval(float(numbers.mean()), standard_error(numbers), n - 1, n, level)


def median_interval(values: ArrayLike, level: float = 0.95) -> Interval:
    """Interval for the median of one value per seed, whatever the distribution.

    It reaches from the k-th smallest value to the k-th largest, with the largest k of at least this
    level (order statistics; Conover, "Practical Nonparametric Statistics", 1999, section 3.2). It
    has no ends where the smallest and the largest value are not far enough out: below 6 seeds at a
    level of 0.95.

    Parameters
    ----------
    values
        Shape (n_seeds,), at least 2 seeds. They may be infinite: only their order counts.
    """
    numbers = np.sort(checked(values, may_be_infinite=True))
    n = len(numbers)
    # The interval from k to k misses the median with the chance of fewer than k on either side.
    misses = 2 * special.bdtr(np.arange(n // 2), n, 0.5)
    k = int((misses <= 1 - level + 1e-12).sum())
    low, high = (numbers[k - 1], numbers[n - k]) if k > 0 else (-math.inf, math.inf)
    middle = numbers[[(n - 1) // 2, n // 2]]
    # Between one that is infinitely small and one that is infinitely large lies anything.
    median = 0.0 if middle[0] == -middle[1] else float(middle.mean())
    se = standard_error(numbers) if np.isfinite(numbers).all() else math.nan
    return Interval(median, float(low), float(high), level, n, math.nan, se)


def share_interval(values: ArrayLike, level: float = 0.95) -> Interval:
    """Interval for the mean of values from -1 to 1, whatever their distribution.

    A difference of two shares is such a mean: 1 is a seed of which the first side alone has an
    outcome, and -1 one of which the second side alone has it. The mean of the positive parts and
    that of the negative parts lie between the limits that theorem 1 of Hoeffding 1963 gives for
    means of numbers from 0 to 1, each at half the error; for 0 of n and n of n these are the limits
    of Clopper and Pearson. Their difference is the interval, of at least its level.

    Parameters
    ----------
    values
        Shape (n_seeds,), at least 2 seeds.
    """
    numbers = checked(values)
    n = len(numbers)
    if np.abs(numbers).max() > 1:
        raise ValueError(f"values are {numbers.tolist()}: numbers from -1 to 1 are needed")
    log_error = math.log((1 - level) / 4)
    more, fewer = (
        _share_limits(float(part.clip(0, None).mean()), n, log_error)
        for part in (numbers, -numbers)
    )
    low, high = more[0] - fewer[1], more[1] - fewer[0]
    se = standard_error(numbers)
    return Interval(float(numbers.mean()), low, high, level, n, math.nan, se)


def _share_limits(share: float, n: int, log_error: float) -> tuple[float, float]:
    """The least and the largest mean m of numbers from 0 to 1 with n KL(share, m) = -log(error)."""

    def excess(m: float) -> float:
        return (
            -n * float(special.rel_entr(share, m) + special.rel_entr(1 - share, 1 - m)) - log_error
        )

    from scipy.optimize import brentq  # 0.2 s, and few sweeps have such a metric

    low = brentq(excess, 1e-300, share) if share > 0 else 0.0
    high = brentq(excess, share, 1 - 1e-16) if share < 1 else 1.0
    return float(low), float(high)


def pooled_interval(table: ArrayLike, weights: ArrayLike, level: float = 0.95) -> Interval:
    """Interval for a contrast of cells whose error is pooled over all cells, seeds being blocks.

    The model is seed + cell + error (Fisher's randomised blocks), with one variance of the error
    for all cells. Where the cells differ in their noise, the interval is still right for main
    effects, and wrong for an effect in the noisier cells.

    Parameters
    ----------
    table
        Shape (n_seeds, n_cells), at least 2 of each, no value missing.
    weights
        Shape (n_cells,), summing to 0.
    """
    values = checked(table, n_axes=2)
    contrast = np.asarray(weights, dtype=float)
    n_seeds, n_cells = values.shape
    if contrast.shape != (n_cells,) or abs(contrast.sum()) > 1e-9:
        raise ValueError(
            f"weights are {contrast.tolist()}: {n_cells} numbers that sum to 0 are needed"
        )
    df = (n_seeds - 1) * (n_cells - 1)
    variance = float((_interaction(values) ** 2).sum()) / df
    estimate = float(values.mean(axis=0) @ contrast)
    se = (
        0.0
        if _constant(values @ contrast)
        else math.sqrt(variance * float(contrast @ contrast) / n_seeds)
    )
    return _interval(estimate, se, df, n_seeds, level)


def new_images_interval(differences: ArrayLike, level: float = 0.95) -> Interval:
    """Interval for the mean difference on other images: both seeds and images are samples.

    The model is seed + image + rest. With the mean squares of the two-way table, the variance of
    the mean is (seeds + images - rest) / (n_seeds * n_images), and the degrees of freedom are those
    of Satterthwaite (1946).

    Parameters
    ----------
    differences
        The difference in the correctness of each image, shape (n_seeds, n_images), at least 2 of
        each: -1, 0 and 1 for two cells, any number for a weighted mean of cells.
    """
    values = checked(differences, n_axes=2)
    n_seeds, n_images = values.shape
    by_seed = n_images * float(values.mean(axis=1).var(ddof=1))
    by_image = n_seeds * float(values.mean(axis=0).var(ddof=1))
    df_rest = (n_seeds - 1) * (n_images - 1)
    rest = float((_interaction(values) ** 2).sum()) / df_rest

    square = by_seed + by_image - rest
    one_way, one_way_df = max((by_seed, n_seeds - 1), (by_image, n_images - 1))
    if square > one_way:
        parts = by_seed**2 / (n_seeds - 1) + by_image**2 / (n_images - 1) + rest**2 / df_rest
        df = square**2 / parts
    else:
        # The estimated variance of seeds or of images is below 0, by chance. The sum may then be 0
        # or less, and close to 0 its degrees of freedom vanish and the interval has no end. The
        # larger of the one-way variances takes the other component as 0; its expectation is at most
        # the true variance.
        square, df = one_way, one_way_df
    return _interval(float(values.mean()), math.sqrt(square / values.size), df, n_seeds, level)


def checked(
    values: ArrayLike, n_axes: int = 1, may_be_infinite: bool = False
) -> NDArray[np.float64]:
    """The values as floats; ValueError unless finite, with `n_axes` axes of at least 2 each."""
    numbers = np.asarray(values, dtype=float)
    if numbers.ndim != n_axes or min(numbers.shape, default=0) < 2:
        raise ValueError(
            f"values have shape {numbers.shape}: {n_axes} axes of at least 2 each are needed"
        )
    if np.isnan(numbers).any() or not (may_be_infinite or np.isfinite(numbers).all()):
        raise ValueError(
            "a value is nan or infinite: leave the run out, by name, before it is averaged"
        )
    return numbers


def t_tails(t: float, df: float) -> float:
    """The chance that Student's t lies as far from 0 as `t`, on either side."""
    return float(2 * special.stdtr(df, -abs(t)))


def spread(numbers: NDArray[np.float64]) -> float:
    """Standard deviation, exactly 0 where the numbers differ by rounding alone."""
    return 0.0 if _constant(numbers) else float(numbers.std(ddof=1))


def standard_error(numbers: NDArray[np.float64]) -> float:
    """Standard error of the mean, exactly 0 where the numbers differ by rounding alone."""
    return spread(numbers) / math.sqrt(len(numbers))


def constant(numbers: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether the numbers are the same along the first axis up to rounding.

    0.9 - 0.8 and 0.8 - 0.7 are not the same double; with their spread as an error every p value
    would vanish.
    """
    if not np.isfinite(numbers).all():
        return np.asarray((numbers == numbers[:1]).all(axis=0))
    # 1e-12 is the rounding of a difference of 0 between values of up to some thousands; no metric
    # has steps as fine as that.
    tolerance = np.maximum(1e-12, 1e-9 * np.abs(numbers).max(axis=0))
    return np.asarray(np.ptp(numbers, axis=0) <= tolerance)


def _constant(numbers: NDArray[np.float64]) -> bool:
    return bool(constant(numbers))


def _interaction(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The residuals of the additive model of rows and columns, of the shape of `values`."""
    rows = values.mean(axis=1, keepdims=True)
    columns = values.mean(axis=0, keepdims=True)
    return np.asarray(values - rows - columns + values.mean())


def _interval(estimate: float, se: float, df: float, n: int, level: float) -> Interval:
    if not 0 < level < 1:
        raise ValueError(f"level is {level}: it must lie between 0 and 1, as 0.95")
    half: Any = special.stdtrit(df, (1 + level) / 2) * se
    return Interval(
        estimate, float(estimate - half), float(estimate + half), level, n, float(df), se
    )
