"""How many seeds more an inconclusive claim asks for, and what they would cost."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.claims import Decision
from analysis.statistics import power
from analysis.verdicts import INCONCLUSIVE


@dataclass(frozen=True)
class More:
    """What would make an interval as narrow as the margin."""

    #: Seeds in all; None when more than anybody would run.
    n_seeds: int | None
    #: Of these, how many are new.
    n_new: int
    #: Wall-clock minutes for all cells of the contrast, at the speed and with the workers of the runs there are.
    minutes: float
    #: The smallest difference that the seeds there are would find in four of five sweeps, in the metric's units.
    smallest: float


def more_seeds(decision: Decision, runs: pd.DataFrame, epochs: pd.DataFrame) -> More | None:
    """From the half-width that is wanted, the margin; None for a claim that is not inconclusive.

    Not from the power at the difference that was seen, which says nothing that the p value has not said.
    """
    if decision.verdict != INCONCLUSIVE or decision.bounds is None or decision.contrast is None:
        return None
    interval, margin = decision.bounds.interval, decision.claim.margin
    sd = interval.se * np.sqrt(interval.n)
    n_seeds = power.seeds_for_half_width(sd, margin, interval.level, interval.n) if margin > 0 else None
    n_new = max(0, (n_seeds or interval.n) - interval.n)
    ours = runs[runs["cell_key"].isin(decision.contrast.cells)]
    spent = epochs.assign(s=epochs["time/train_s"] + epochs["time/eval_s"]).groupby("run_key")["s"].sum()
    a_seed = float(spent.reindex(ours.index).groupby(ours["cell_key"]).median().sum())
    minutes = n_new * a_seed / n_workers(runs, spent) / 60
    detectable = float(sd * power.smallest_detectable(interval.n, 1 - interval.level, 0.8))
    return More(n_seeds, n_new, minutes, detectable)


def n_workers(runs: pd.DataFrame, spent_s: pd.Series) -> int:
    """How many runs were trained at a time, from when they began and ended; at least 1."""
    ended = runs[(runs["state"] == "done") & runs["end_ms"].notna()]
    wall_s = float(ended["end_ms"].max() - ended["start_ms"].min()) / 1000 if len(ended) else 0.0
    return max(1, round(float(spent_s.reindex(ended.index).sum()) / wall_s)) if wall_s > 0 else 1
