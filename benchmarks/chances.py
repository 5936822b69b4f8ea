"""Whether the stated chances that more seeds decide a claim are what happens."""

from typing import Any

import numpy as np
import pandas as pd

from analysis.decide import verdicts
from analysis.decide.beside.more_seeds import MOST, Ahead
from analysis.decide.claims import ALPHA
from analysis.decide.evidence import By, evidence_on
from analysis.decide.judging import Judged, Levels, judged
from analysis.design.contrasts import Contrast, Simple
from analysis.design.within_seed import per_seed
from benchmarks.comparisons import Numbers
from runner.record import Claim

#: Of the sweeps that are undecided.
N_SEEDS = 5
CLAIM = Claim("", "knob", "final(test/accuracy)", "either", 1.0, levels=[1, 0])
LEVELS = Levels(ALPHA, ALPHA, ALPHA)
NAMED = ("as seen", "margin", "none")


def stated(sd: float, effect: float, n_settings: int, n_sweeps: int) -> dict[str, Any]:
    """What is said of sweeps that five seeds leave undecided, and what then happens.

    Each is told the number of new seeds that decides it with a chance of 80 %, and the chances of
    that number where the true difference is what was seen, the margin, or none. For each of these
    truths the new seeds are made up with it.

    Parameters
    ----------
    sd, effect
        The standard deviation over the seeds, and the true difference, at each setting, both in
        units of the margin.
    n_settings
        Of another knob; too small to matter has to hold at each of them.

    Returns
    -------
    dict
        `said: NAMED` and `was: NAMED`, means over the undecided sweeps; and their number.
    """
    random = np.random.default_rng([int(10 * sd), int(10 * effect), n_settings])
    cells = [(f"1 {place}", f"0 {place}") for place in range(n_settings)]
    contrast = Contrast("", [Simple({"other": one}, {one: 1.0, zero: -1.0}) for one, zero in cells])
    said: dict[str, list[float]] = {name: [] for name in NAMED}
    was: dict[str, list[float]] = {name: [] for name in NAMED}
    offered = []
    for _ in range(n_sweeps):
        seeds = _made_up(random, N_SEEDS, contrast, sd, effect)
        now = _judged(contrast, seeds)
        if now.verdict != verdicts.INCONCLUSIVE:
            continue
        at_settings = [setting.interval for setting in now.settings]
        d = per_seed(seeds, contrast.weights)
        ahead = Ahead(d, ALPHA, ALPHA, CLAIM.margin, at_settings=at_settings)
        n_new = ahead.fewest() or MOST
        offered.append(n_new)
        for name, truth in zip(NAMED, ahead.truths, strict=True):
            more = _made_up(random, n_new, contrast, sd, truth)
            after = _judged(contrast, pd.concat([seeds, more], ignore_index=True))
            said[name].append(ahead.chance(truth, n_new))
            was[name].append(after.verdict != verdicts.INCONCLUSIVE)
    row = {"sd": sd, "effect": effect, "n_settings": n_settings, "n_undecided": len(offered)}
    row |= {f"said: {name}": float(np.mean(said[name])) for name in NAMED}
    return row | {f"was: {name}": float(np.mean(was[name])) for name in NAMED}


def _made_up(
    random: np.random.Generator, n: int, contrast: Contrast, sd: float, effect: float
) -> pd.DataFrame:
    noise: Numbers = random.normal(scale=sd * np.sqrt(0.5), size=(n, len(contrast.cells)))
    is_one = np.array([cell.startswith("1") for cell in contrast.cells])
    return pd.DataFrame(noise + effect * is_one, columns=contrast.cells)


def _judged(contrast: Contrast, numbers: pd.DataFrame) -> Judged:
    """By the mean: the luck of both sides is the same."""
    seen = evidence_on(numbers, contrast.weights, ALPHA, By.MEAN)
    return judged(CLAIM, contrast, numbers, seen, LEVELS)
