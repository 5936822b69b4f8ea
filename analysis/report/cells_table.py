"""The table of a sweep's cells: their runs, the frame of their numbers, its lines on a terminal."""

from collections.abc import Callable
from typing import TextIO

import numpy as np
import pandas as pd

from analysis.decide.study import Study
from analysis.design.cells import NO_EFFECT, level_as_text
from analysis.read.sweeps import ONE_AT_A_TIME
from analysis.statistics.intervals import Interval, constant, t_interval
from runner.record import (
    DIVERGED,
    DONE,
    FAILED,
    TIMES,
    as_text,
    cells_table,
    is_metric,
    seconds_spent,
)
from runner.record.cell_runs import CellRuns, EndedRun, less_base, short_names

#: The metric whose difference to the base is shown.
TEST = "test/accuracy"


def cell_runs(study: Study) -> list[CellRuns]:
    """The cells of a sweep in the plan's order, with their runs."""
    runs, epochs = study.sweep.runs, study.sweep.epochs
    seconds = epochs.assign(s=seconds_spent(epochs)).groupby("run_key")["s"].sum()
    last = epochs.drop_duplicates("run_key", keep="last").set_index("run_key")
    metrics = last.drop(columns="epoch").to_dict("index")
    of_cell: dict[str, list[EndedRun]] = {cell: [] for cell in study.cells.names}
    for key, run in runs[["cell_key", "seed", "state"]].to_dict("index").items():
        recorded = {n: float(x) for n, x in metrics.get(key, {}).items() if pd.notna(x)}
        ended = EndedRun(int(run["seed"]), run["state"], recorded, float(seconds.get(key, 0.0)))
        of_cell[str(run["cell_key"])].append(ended)
    return [CellRuns(_knobs(study, cell), ended) for cell, ended in of_cell.items()]


def base_of(study: Study) -> dict[str, str] | None:
    """The knobs of the base, of a sweep in which each was moved alone around it."""
    design = study.cells.design
    if design is None or design.kind != ONE_AT_A_TIME:
        return None
    names = short_names(study.cells.moving)
    return {names[k]: as_text(value) for k, value in design.around.items() if k in names}


def cells_frame(study: Study) -> pd.DataFrame:
    """One row a cell: its levels, how many runs are done, failed and diverged, and its numbers.

    Each metric but times has a column of its name, the mean over the seeds that are done of the
    last epoch, in its own units, and one with ` sd`; nan where no run of the cell recorded it.
    `seconds` is the mean of training and evaluation. Of a sweep around a base, `test/accuracy less
    base` and its 95 % t interval, ` low` and ` high`, are of the differences within seeds.
    """
    runs, epochs = study.sweep.runs, study.sweep.epochs
    done = runs[runs["state"] == DONE]
    last = epochs.sort_values("epoch").groupby("run_key").last().reindex(done.index)
    measured = [name for name in last if is_metric(str(name)) and name not in TIMES]
    curves = [name for name in measured if last[name].notna().any()]
    by_cell = last[curves].groupby(done["cell_key"]).agg(["mean", "std"])
    by_cell.columns = [f"{curve}{end}" for curve in curves for end in ("", " sd")]
    levels = study.cells.values[study.cells.moving].map(
        lambda level: None if level is NO_EFFECT else level
    )
    states = pd.crosstab(runs["cell_key"], runs["state"]).reindex(levels.index, fill_value=0)
    counts = {"n": DONE, "failed": FAILED, "diverged": DIVERGED}
    frame = levels.assign(**{name: states.get(state, 0) for name, state in counts.items()})
    frame = frame.join(by_cell)
    cells, base = cell_runs(study), base_of(study)
    if base is not None:
        intervals = [less_base_interval(cell, cells, base) for cell in cells]
        for name, end in (("", "estimate"), (" low", "low"), (" high", "high")):
            frame[f"{TEST} less base{name}"] = [getattr(one, end, None) for one in intervals]
    seconds = epochs.assign(s=seconds_spent(epochs)).groupby("run_key")["s"].sum()
    frame["seconds"] = seconds.reindex(done.index).groupby(done["cell_key"]).mean()
    return frame.set_axis(pd.Index(study.cells.names.values(), name="cell"))


def less_base_interval(
    cell: CellRuns, cells: list[CellRuns], base: dict[str, str]
) -> Interval | None:
    """The test accuracy less that of the base within seeds, with its 95 % t interval.

    None for the base, and where fewer than two seeds have both, or the differences do not vary.
    """
    of_base = [other for other in cells if not other.moved(base)]
    if not of_base or cell is of_base[0]:
        return None
    differences = np.array(less_base(cell, of_base[0], TEST))
    if len(differences) < 2 or constant(differences):
        return None
    return t_interval(differences)


def lines(study: Study, width: int, to: Callable[[str], str], stream: TextIO) -> list[str]:
    """The table as the runner prints it at the end of the sweep, in signs that a stream has."""
    cells, name = cell_runs(study), study.sweep.name
    is_ascii = cells_table.is_ascii(stream)
    return cells_table.lines(name, cells, width, base_of(study), to, is_ascii)


def _knobs(study: Study, cell: str) -> dict[str, str]:
    """The factors that move, in the order in which they were swept, where they have an effect."""
    given = list(study.sweep.swept)
    moving, names = study.cells.moving, short_names(study.cells.moving)
    ordered = sorted(moving, key=lambda knob: given.index(knob) if knob in given else len(given))
    row = study.cells.rows[cell]
    return {names[k]: level_as_text(row[k]) for k in ordered if row[k] is not NO_EFFECT}
