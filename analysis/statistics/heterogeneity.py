"""Whether several columns of one value per seed have one mean."""

from numpy.typing import ArrayLike

from analysis.statistics import anytime, p_values
from analysis.statistics.intervals import checked, constant


def heterogeneity_p(values: ArrayLike, for_any_looks: bool = False) -> float:
    """P of the test that all columns have the same mean.

    The distance of each column from the mean of all is tried within seeds, by the t test, or the
    sign-flip test where it does not vary. The smallest p is multiplied by the number of tests
    (Bonferroni), which holds however the columns are correlated and however their noise differs.

    Parameters
    ----------
    values
        Shape (n_seeds, n_columns), at least 2 of each.
    for_any_looks
        Whether it is to hold for any number of looks; then by the tests of anytime.py.
    """
    numbers = checked(values, n_axes=2)
    t, sign = (
        (anytime.t_p, anytime.sign_p) if for_any_looks else (p_values.t_p, p_values.sign_flip_p)
    )
    away = (numbers - numbers.mean(axis=1, keepdims=True)).T
    smallest = min(sign(d) if constant(d) else t(d) for d in away)
    # Of two columns, one distance is the other with its sign changed.
    n_tests = 1 if len(away) == 2 else len(away)
    return min(1.0, n_tests * smallest)
