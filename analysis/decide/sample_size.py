"""How many more seeds an inconclusive claim needs, and what they would cost."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.decide.claims import Decision
from analysis.decide.verdicts import INCONCLUSIVE
from analysis.design.cells import level_as_text
from analysis.statistics import power
from analysis.statistics.intervals import Interval
from runner.record import DONE, seconds_spent, short

#: One level of another knob is named where it needs this many times fewer seeds than all together.
_TIMES_FEWER = 3


@dataclass(frozen=True)
class SampleSize:
    """What would make an interval as narrow as the margin."""

    #: Seeds in all; None where that takes more than 10,000.
    n_seeds: int | None
    #: Of these, how many are new.
    n_new: int
    #: Wall-clock minutes of the new seeds for all cells of the contrast, with the speed and the
    #: workers of the runs that there are.
    minutes: float
    #: The level of another knob at which far fewer seeds suffice, as `normalize=true`, or empty.
    level: str
    #: How many new seeds suffice there.
    n_new_at_level: int
    #: The smallest difference that the seeds there are find in four sweeps of five, in the metric's
    #: units.
    smallest_difference: float


def sample_size(decision: Decision, runs: pd.DataFrame, epochs: pd.DataFrame) -> SampleSize | None:
    """The sample size for an interval as narrow as the margin; None for a claim that is decided.

    It does not follow from the power at the observed difference, which is a function of the p
    value.
    """
    if decision.verdict != INCONCLUSIVE or decision.bounds is None or decision.contrast is None:
        return None
    interval, margin = decision.bounds.interval, decision.claim.margin
    n_seeds = _n_seeds(interval, margin)
    n_new = max(0, (n_seeds or interval.n) - interval.n)
    members = runs[runs["cell_key"].isin(decision.contrast.cells)]
    seconds = epochs.assign(s=seconds_spent(epochs)).groupby("run_key")["s"].sum()
    by_cell = seconds.reindex(members.index).groupby(members["cell_key"])
    seconds_a_seed = float(by_cell.median().sum())
    minutes = n_new * seconds_a_seed / n_workers(runs, seconds) / 60
    detectable = power.smallest_detectable(interval.n, 1 - interval.level, 0.8)
    smallest = float(_standard_deviation(interval) * detectable)
    level, n_new_at_level = _quietest_level(decision)
    if n_seeds is None or not n_new > _TIMES_FEWER * n_new_at_level > 0:
        level, n_new_at_level = "", 0
    return SampleSize(n_seeds, n_new, minutes, level, n_new_at_level, smallest)


def n_workers(runs: pd.DataFrame, seconds: pd.Series) -> int:
    """How many runs were trained at a time, from when they began and ended; at least 1.

    Parameters
    ----------
    seconds
        What each run spent on training and evaluation, by run_key.
    """
    ended = runs[(runs["state"] == DONE) & runs["end_ms"].notna()]
    wall_s = float(ended["end_ms"].max() - ended["start_ms"].min()) / 1000 if len(ended) else 0.0
    return max(1, round(float(seconds.reindex(ended.index).sum()) / wall_s)) if wall_s > 0 else 1


def _quietest_level(decision: Decision) -> tuple[str, int]:
    """The level of another knob that needs the fewest new seeds, and how many; 0 for none."""
    needed: list[tuple[int, str]] = []
    for interaction in decision.interactions:
        for level, effect in interaction.effects:
            n_seeds = _n_seeds(effect, decision.claim.margin)
            if n_seeds is not None and n_seeds > effect.n:
                needed.append(
                    (n_seeds - effect.n, f"{short(interaction.knob)}={level_as_text(level)}")
                )
    n_new, name = min(needed, default=(0, ""))
    return name, n_new


def _n_seeds(interval: Interval, margin: float) -> int | None:
    """The seeds with which an interval is as narrow as the margin; None above 10,000."""
    if margin <= 0:
        return None
    sd = _standard_deviation(interval)
    return power.seeds_for_half_width(sd, margin, interval.level, interval.n)


def _standard_deviation(interval: Interval) -> float:
    """The standard deviation over the seeds that an interval was made from."""
    return float(interval.se * np.sqrt(interval.n))
