"""What it was worth to compare within seeds: how alike the two sides of a contrast are, seed by seed."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.decide import metrics
from analysis.decide.claims import Decision
from analysis.design.contrasts import Array, per_seed, table


@dataclass(frozen=True)
class Pairing:
    """How much the pairing by seed narrowed a contrast."""

    #: Correlation of the two sides over the seeds; nan where a side does not vary.
    rho: float
    #: By how many times as many seeds an unpaired comparison would need for the same variance of the difference.
    worth: float


def pairing(decision: Decision, runs: pd.DataFrame, epochs: pd.DataFrame) -> Pairing | None:
    """Of a claim that was tested; None for one that was not, or whose differences do not vary.

    It describes the runs. That they are compared within seeds was fixed when they were planned, and is not chosen
    after seeing this.
    """
    if decision.bounds is None or decision.contrast is None:
        return None
    return worth(arms(decision, runs, epochs))


def worth(sides: Array) -> Pairing | None:
    """The pairing of two sides of shape (n_seeds, 2); None where their differences do not vary or are fewer than 3."""
    theirs, ours = sides[:, 0], sides[:, 1]
    variances, paired = (theirs.var(ddof=1), ours.var(ddof=1)), float((ours - theirs).var(ddof=1))
    # Of two pairs the correlation is 1 or -1, whatever they are.
    if len(sides) < 3 or paired <= 1e-24:
        return None
    varies = min(variances) > 1e-24
    rho = float(np.corrcoef(theirs, ours)[0, 1]) if varies else float("nan")
    return Pairing(rho, float(sum(variances)) / paired)


def arms(decision: Decision, runs: pd.DataFrame, epochs: pd.DataFrame) -> Array:
    """What is subtracted, and what it is subtracted from, within each seed; shape (n_seeds, 2), in metric units."""
    assert decision.contrast
    reduced = metrics.of_claim(decision.claim, epochs)["value"]
    ours = runs[runs["cell_key"].isin(decision.contrast.cells)]
    return sides(table(ours, reduced), decision.contrast.weights)


def sides(numbers: pd.DataFrame, weights: dict[str, float]) -> Array:
    """The two sides of a contrast within each seed, shape (n_seeds, 2): the cells of negative weight, then the others.

    Parameters
    ----------
    numbers
        `contrasts.table`, seeds x cells.
    weights
        Of a contrast, by cell key.
    """
    two = [{cell: abs(w) for cell, w in weights.items() if w * sign > 0} for sign in (-1, 1)]
    return np.stack([per_seed(numbers, side) / sum(side.values()) for side in two], axis=1)
