"""Every contrast that a sweep allows, declared or not: for finding the next question, never for answering one."""

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import pandas as pd

from analysis.decide import metrics
from analysis.design import confounds, contrasts
from analysis.design.cells import Cells
from analysis.design.contrasts import Contrast, NotTestable
from analysis.statistics import intervals, p_values
from runner.record import Claim, as_text, parse_reduction, short

#: What each contrast is looked at by: how good the runs are in the end, and how fast they get there.
METRICS = ("final(test/accuracy)", "auc(train_eval/accuracy)")
COLUMNS = ["contrast", "kind", "metric", "estimate", "low", "high", "n_seeds", "p_t", "p_bh"]
MAIN, INTERACTION = "main effect", "interaction"
#: Up to so many levels every pair is looked at; above, each level against the first.
_EVERY_PAIR = 4


def explore(runs: pd.DataFrame, epochs: pd.DataFrame, cells: Cells) -> pd.DataFrame:
    """A table of all main effects and two-way interactions of the knobs that move, each seed by seed.

    Parameters
    ----------
    runs, epochs
        The planned runs (index run_key), and the epochs of those that are done.

    Returns
    -------
    DataFrame with the columns `COLUMNS`
        The mean of the per-seed values with its own 95 % t interval, in the metric's units; `p_bh` is the p value of
        the t test adjusted by Benjamini and Hochberg over all rows. A contrast that the confound gate refuses, or whose
        values do not vary, has no row.
    """
    allowed = [
        (contrast, kind, weights)
        for knob in cells.moving
        for contrast in _contrasts(knob, runs, cells)
        for kind, weights in _kinds(contrast, knob, cells)
    ]
    rows = []
    for metric in METRICS:
        values = metrics.reduce(epochs, parse_reduction(metric))["value"]
        for contrast, kind, weights in allowed:
            d = contrasts.per_seed(contrasts.table(runs[runs["cell_key"].isin(weights)], values), weights)
            if not np.isfinite(d).all() or intervals.constant(d):
                continue
            of = intervals.t_interval(d)
            label = f"{contrast.label} {kind}".rstrip()
            name = INTERACTION if kind else MAIN
            rows.append([label, name, metric, of.estimate, of.low, of.high, of.n, p_values.t_p(d), 1.0])
    found = pd.DataFrame(rows, columns=COLUMNS)
    found["p_bh"] = p_values.benjamini_hochberg(found["p_t"])
    return found


def _contrasts(knob: str, runs: pd.DataFrame, cells: Cells) -> Iterator[Contrast]:
    levels = cells.levels(knob)
    pairs = combinations(levels, 2) if len(levels) <= _EVERY_PAIR else ((levels[0], level) for level in levels[1:])
    # What holds of all cells holds of any; to look once is much faster.
    fine = confounds.refusal(runs, list(cells.names), knob) is None
    for first, second in pairs:
        claim = Claim("", knob, METRICS[0], "either", 0.0, levels=[second, first])
        try:
            (contrast,) = contrasts.contrasts_of(claim, cells)
        except NotTestable:
            continue
        if fine or confounds.refusal(runs, contrast.cells, knob) is None:
            yield contrast


def _kinds(contrast: Contrast, knob: str, cells: Cells) -> Iterator[tuple[str, dict[str, float]]]:
    """The main effect, named by nothing, and its changes between two levels of each knob that comes after."""
    yield "", contrast.weights
    for other in cells.moving[cells.moving.index(knob) + 1 :]:
        levels = [level for level in contrast.levels_of(other) if level is not None]
        if len(levels) > _EVERY_PAIR or len(cells.levels(knob)) > _EVERY_PAIR:
            continue
        for first, second in combinations(levels, 2):
            change = dict(contrast.at_level(other, second))
            for cell, weight in contrast.at_level(other, first).items():
                change[cell] = change.get(cell, 0.0) - weight
            yield f"at {short(other)}={as_text(second)} less at {short(other)}={as_text(first)}", change
