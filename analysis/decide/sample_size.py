"""How many seeds more an inconclusive claim asks for, and what they would cost."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.decide.claims import Decision
from analysis.decide.verdicts import INCONCLUSIVE
from analysis.statistics import power
from runner.record import as_text, seconds_spent, short

#: One setting is worth naming where it needs this many times fewer seeds than the mean over all settings.
_QUIETER = 3


@dataclass(frozen=True)
class More:
    """What would make an interval as narrow as the margin."""

    #: Seeds in all; None when more than anybody would run.
    n_seeds: int | None
    #: Of these, how many are new.
    n_new: int
    #: Wall-clock minutes for all cells of the contrast, at the speed and with the workers of the runs there are.
    minutes: float
    #: The level of another knob at which far fewer seeds would do, as `normalize=true`; empty where there is none.
    alone: str
    #: How many new seeds would do there.
    n_alone: int
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
    spent = epochs.assign(s=seconds_spent(epochs)).groupby("run_key")["s"].sum()
    a_seed = float(spent.reindex(ours.index).groupby(ours["cell_key"]).median().sum())
    minutes = n_new * a_seed / n_workers(runs, spent) / 60
    detectable = float(sd * power.smallest_detectable(interval.n, 1 - interval.level, 0.8))
    alone, n_alone = _alone(decision, n_seeds)
    return More(n_seeds, n_new, minutes, alone, n_alone, detectable)


def _alone(decision: Decision, n_seeds: int | None) -> tuple[str, int]:
    """Where one setting of another knob is much quieter than the mean over all of them."""
    assert decision.bounds
    have, margin = decision.bounds.interval.n, decision.claim.margin
    found: list[tuple[int, str]] = []
    for one in decision.interactions:
        for level, effect in one.effects:
            sd = effect.se * np.sqrt(have)
            needed = power.seeds_for_half_width(sd, margin, effect.level, have) if margin > 0 else None
            if needed is not None and needed - have > 0:
                found.append((needed - have, f"{short(one.knob)}={as_text(level)} alone"))
    n_new, name = min(found, default=(0, ""))
    return (name, n_new) if n_seeds is not None and n_seeds - have > _QUIETER * n_new > 0 else ("", 0)


def n_workers(runs: pd.DataFrame, spent_s: pd.Series) -> int:
    """How many runs were trained at a time, from when they began and ended; at least 1."""
    ended = runs[(runs["state"] == "done") & runs["end_ms"].notna()]
    wall_s = float(ended["end_ms"].max() - ended["start_ms"].min()) / 1000 if len(ended) else 0.0
    return max(1, round(float(spent_s.reindex(ended.index).sum()) / wall_s)) if wall_s > 0 else 1
