"""P values of a mean over seeds, and their adjustment for multiple tests."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from analysis.statistics.intervals import checked, standard_error, t_tails

#: Up to this many seeds, every pattern of signs is tried.
MAX_EXACT_SEEDS = 16
N_DRAWN_PATTERNS = 2**16


def t_p(values: ArrayLike) -> float:
    """Two-sided p of the t test that the mean is 0.

    Parameters
    ----------
    values
        One number per seed, shape (n_seeds,).

    Returns
    -------
    float, nan when the values do not vary and so give no standard error
    """
    numbers = checked(values)
    se = standard_error(numbers)
    return t_tails(float(numbers.mean()) / se, len(numbers) - 1) if se > 0 else math.nan


def tost_p(values: ArrayLike, margin: float) -> float:
    """P of the two one-sided t tests (Schuirmann 1987) of a mean outside of -margin to +margin.

    A small p is evidence for equivalence. It is below alpha exactly where the t interval at level
    1 - 2 alpha lies within the margin.

    Parameters
    ----------
    values
        One number per seed, shape (n_seeds,).
    margin
        In the units of the values, above 0.

    Returns
    -------
    float, nan when the values do not vary
    """
    numbers = checked(values)
    if not margin > 0:
        raise ValueError(f"margin is {margin}: it must be above 0")
    se = standard_error(numbers)
    return (
        float(special.stdtr(len(numbers) - 1, (abs(numbers.mean()) - margin) / se))
        if se > 0
        else math.nan
    )


def sign_patterns(n_seeds: int) -> NDArray[np.float64]:
    """Patterns of signs for `n_seeds` values: ndarray of shape (n_patterns, n_seeds), of -1 and +1.

    A pattern and its opposite move a mean equally far from 0, so the last sign is always +1. Up to
    `MAX_EXACT_SEEDS` seeds these are all 2**(n_seeds - 1) patterns, the unflipped one first; above,
    `N_DRAWN_PATTERNS` patterns drawn with a fixed seed.
    """
    if n_seeds <= MAX_EXACT_SEEDS:
        bits = (np.arange(2 ** (n_seeds - 1))[:, None] >> np.arange(n_seeds)) & 1
    else:
        bits = np.random.default_rng(0).integers(0, 2, size=(N_DRAWN_PATTERNS, n_seeds))
        bits[:, -1] = 0
    return np.where(bits == 1, -1.0, 1.0)


def sign_flip_p(values: ArrayLike) -> float:
    """Two-sided p of the sign-flip test (Fisher 1935, "The Design of Experiments", section 21).

    It is the share of the sign patterns whose mean is at least as far from 0. Up to 16 seeds it is
    exact if the values are distributed symmetrically about 0 where there is no effect, and its
    smallest value is 2**(1 - n_seeds). Above 16 seeds it is a share of 2**16 drawn patterns and the
    observed one.

    Parameters
    ----------
    values
        One number per seed, shape (n_seeds,).
    """
    numbers = checked(values)
    # Sums that are equal in exact arithmetic differ by the rounding of their terms.
    tie = 1e-9 * np.abs(numbers).sum()
    far = np.abs(sign_patterns(len(numbers)) @ numbers) >= abs(numbers.sum()) - tie
    if len(numbers) <= MAX_EXACT_SEEDS:
        return float(far.mean())
    return float((far.sum() + 1) / (len(far) + 1))


def sign_p(values: ArrayLike) -> float:
    """Two-sided p of the sign test that the median is 0, exact whatever the distribution.

    A value of 0 counts against either sign.

    Parameters
    ----------
    values
        One number per seed, shape (n_seeds,). They may be infinite.
    """
    numbers = checked(values, may_be_infinite=True)
    n_same = max(int((numbers > 0).sum()), int((numbers < 0).sum()))
    return min(1.0, 2 * float(special.bdtrc(n_same - 1, len(numbers), 0.5)))


def mcnemar_p(values: ArrayLike) -> float:
    """Two-sided p of McNemar's exact test that an outcome is as frequent on both sides.

    It is the sign test on the seeds whose sides differ; 1 where there is none.

    Parameters
    ----------
    values
        The difference within each seed, shape (n_seeds,): -1, 0 and 1 for two cells, a mean of such
        differences for more.
    """
    numbers = checked(values)
    n_differing = int((numbers != 0).sum())
    n_same = max(int((numbers > 0).sum()), int((numbers < 0).sum()))
    return min(1.0, 2 * float(special.bdtrc(n_same - 1, n_differing, 0.5)))


def signed_ranks(values: ArrayLike) -> NDArray[np.float64]:
    """The ranks of the values' distances from 0, with their signs; equal ones share a rank.

    Parameters
    ----------
    values
        One number per seed, shape (n_seeds,). They may be infinite.
    """
    numbers = checked(values, may_be_infinite=True)
    _, places, counts = np.unique(np.abs(numbers), return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    return np.asarray(np.sign(numbers) * ranks[places])


def holm(p: ArrayLike) -> NDArray[np.float64]:
    """P values adjusted by Holm 1979, in the order given.

    To reject those of at most alpha keeps the family-wise error rate at alpha: the smallest p is
    compared with alpha / n, the next one with alpha / (n - 1), and so on (`holm_levels`).

    Parameters
    ----------
    p
        Shape (n_claims,), each in [0, 1].
    """
    raw = _p_values(p)
    order = np.argsort(raw, kind="stable")
    steps = np.maximum.accumulate(raw[order] * np.arange(len(raw), 0, -1))
    adjusted = np.empty_like(raw)
    adjusted[order] = np.minimum(steps, 1.0)
    return adjusted


def holm_levels(p: ArrayLike, alpha: float) -> NDArray[np.float64]:
    """What Holm's procedure compares each p value with, in the order given.

    It stops at the first p above its level; all that are larger are then above that level, too.
    """
    raw = _p_values(p)
    ranks = np.argsort(np.argsort(raw, kind="stable"), kind="stable")
    n_rejected = int((holm(raw) <= alpha).sum())
    return np.asarray(alpha / (len(raw) - np.minimum(ranks, min(n_rejected, len(raw) - 1))))


def benjamini_hochberg(p: ArrayLike) -> NDArray[np.float64]:
    """P values adjusted by Benjamini and Hochberg 1995, in the order given.

    To reject those of at most q keeps the false discovery rate at q. That suits exploration; for
    claims `holm` guards against a single false rejection.

    Parameters
    ----------
    p
        Shape (n_contrasts,), each in [0, 1].
    """
    raw = _p_values(p)
    order = np.argsort(raw, kind="stable")
    steps = raw[order] * (len(raw) / np.arange(1, len(raw) + 1))
    adjusted = np.empty_like(raw)
    adjusted[order] = np.minimum(np.minimum.accumulate(steps[::-1])[::-1], 1.0)
    return adjusted


def _p_values(p: ArrayLike) -> NDArray[np.float64]:
    raw = np.asarray(p, dtype=float)
    if raw.ndim != 1 or not np.all((raw >= 0) & (raw <= 1)):
        raise ValueError(f"these are not p values in one row: {raw.tolist()}")
    return raw
