"""Every contrast that a sweep allows, declared or not: for questions, not for answers."""

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import pandas as pd

from analysis.decide import metrics
from analysis.design import confounds, contrasts, within_seed
from analysis.design.cells import NO_EFFECT, Cells
from analysis.design.contrasts import Contrast, NotTestable
from analysis.statistics import intervals, p_values
from runner.record import Claim, as_text, parse_reduction, short

#: What each contrast is measured by: how good the runs are in the end, and how fast they get there.
METRICS = ("final(test/accuracy)", "auc(train_eval/accuracy)")
COLUMNS = ["contrast", "kind", "metric", "estimate", "low", "high", "n_seeds", "p_t", "p_bh"]
MAIN, INTERACTION = "main effect", "interaction"
#: Up to this many levels every pair is compared; above, each level with the first.
_MAX_LEVELS_IN_PAIRS = 4


def exploratory_contrasts(runs: pd.DataFrame, epochs: pd.DataFrame, cells: Cells) -> pd.DataFrame:
    """A table of all main effects and two-way interactions of the factors that move.

    Parameters
    ----------
    runs, epochs
        The planned runs (index run_key), and the epochs of those that are done.

    Returns
    -------
    DataFrame with the columns `COLUMNS`
        The mean of the per-seed values with its own 95 % t interval, in the metric's units; `p_bh`
        is the p value of the t test adjusted by Benjamini and Hochberg over all rows. A contrast
        that the confound gate refuses, or whose values do not vary, has no row.
    """
    allowed = [
        (contrast, change, weights)
        for knob in cells.moving
        for contrast in _contrasts_of(knob, runs, cells)
        for change, weights in _effects(contrast, knob, cells)
    ]
    rows = []
    for metric in METRICS:
        values = metrics.reduce(epochs, parse_reduction(metric))["value"]
        for contrast, change, weights in allowed:
            members = runs[runs["cell_key"].isin(weights)]
            d = within_seed.per_seed(within_seed.table(members, values), weights)
            if np.isfinite(d).all() and not intervals.constant(d):
                interval = intervals.t_interval(d)
                label = f"{contrast.label} {change}".rstrip()
                kind = INTERACTION if change else MAIN
                numbers = [interval.estimate, interval.low, interval.high, interval.n]
                rows.append([label, kind, metric, *numbers, p_values.t_p(d), 1.0])
    frame = pd.DataFrame(rows, columns=COLUMNS)
    frame["p_bh"] = p_values.benjamini_hochberg(frame["p_t"])
    return frame


def _contrasts_of(knob: str, runs: pd.DataFrame, cells: Cells) -> Iterator[Contrast]:
    """The contrasts between levels of a knob that the gate lets pass."""
    levels = cells.levels(knob)
    pairs = list(combinations(levels, 2))
    if len(levels) > _MAX_LEVELS_IN_PAIRS:
        pairs = [(levels[0], level) for level in levels[1:]]
    # What passes for all cells passes for any of them; to ask once is much faster.
    moved = cells.moved_by(knob)
    all_pass = confounds.refusal(runs, [list(cells.names)], moved) is None
    for first, second in pairs:
        claim = Claim("", knob, METRICS[0], "either", 0.0, levels=[second, first])
        try:
            (contrast,) = contrasts.contrasts_of(claim, cells)
        except NotTestable:
            continue
        if all_pass or confounds.refusal(runs, contrast.compared, moved) is None:
            yield contrast


def _effects(contrast: Contrast, knob: str, cells: Cells) -> Iterator[tuple[str, dict[str, float]]]:
    """The main effect, named "", and its changes between two levels of each later knob."""
    yield "", contrast.weights
    for other in cells.moving[cells.moving.index(knob) + 1 :]:
        levels = [level for level in contrast.levels_of(other) if level is not NO_EFFECT]
        if max(len(levels), len(cells.levels(knob))) > _MAX_LEVELS_IN_PAIRS:
            continue
        for first, second in combinations(levels, 2):
            change = dict(contrast.at_level(other, second))
            for cell, weight in contrast.at_level(other, first).items():
                change[cell] = change.get(cell, 0.0) - weight
            name = short(other)
            yield f"at {name}={as_text(second)} less at {name}={as_text(first)}", change
