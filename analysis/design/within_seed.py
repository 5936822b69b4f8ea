"""The value of a contrast within each seed, from one number a run."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

Array = np.ndarray[Any, np.dtype[Any]]

#: A sum of weights below this is 0.
ROUNDING = 1e-9


def table(runs: pd.DataFrame, values: pd.Series) -> pd.DataFrame:
    """One number a run as a table of seeds x cells.

    Parameters
    ----------
    runs
        One row a planned run, index run_key, with `seed` and `cell_key`.
    values
        By run_key; a run without one leaves NaN.

    Returns
    -------
    DataFrame of shape (n_seeds, n_cells)
        Seeds from the lowest to the highest, because a sum depends on its order in the last bit;
        cells in the plan's order.
    """
    seeds, cells = sorted(set(runs["seed"])), list(dict.fromkeys(runs["cell_key"]))
    index = [runs["seed"], runs["cell_key"]]
    numbers = pd.Series(values.reindex(runs.index).to_numpy(float), index=index)
    return numbers.unstack("cell_key").reindex(index=seeds, columns=cells)


def per_seed(numbers: pd.DataFrame, weights: dict[str, float]) -> Array:
    """The contrast within each seed, shape (n_seeds,), from a `table` of seeds x cells."""
    return weighted(*cells_and_weights(numbers, weights))


def cells_and_weights(numbers: pd.DataFrame, weights: Mapping[Any, float]) -> tuple[Array, Array]:
    """The cells of a contrast, shape (n_seeds, n_cells), and their weights, (n_cells,)."""
    return numbers[list(weights)].to_numpy(float), np.array(list(weights.values()))


def weighted(values: Array, weights: Array) -> Array:
    """The sums of values by their weights, shape (n_seeds,).

    It is infinite where a value is, and 0 where infinite ones cancel: what is worst on both sides
    of a seed is a tie.

    Parameters
    ----------
    values
        Shape (n_seeds, n_cells).
    weights
        Shape (n_cells,).
    """
    is_worst = np.isinf(values)
    if not is_worst.any():
        return np.asarray(values @ weights)
    worst = np.where(is_worst, np.sign(values), 0.0) @ weights
    finite = np.where(is_worst.any(axis=1), 0.0, np.where(is_worst, 0.0, values) @ weights)
    return np.asarray(np.where(np.abs(worst) > ROUNDING, np.copysign(np.inf, worst), finite))
