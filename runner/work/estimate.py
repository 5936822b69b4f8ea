"""How long a plan will take: from runs of the same cell, else from a few measured steps."""

import statistics
import time
from dataclasses import dataclass

from runner.plan.plan import PlannedRun
from runner.prepare import Prepared
from runner.record import seconds_spent
from runner.state.journals import Journals
from runner.train.sample import Sample

#: Longest time spent on measuring, in seconds; cells that do not fit in are left out and said so.
BUDGET_S = 8.0


@dataclass(frozen=True)
class Estimate:
    """How long the runs to train will take on all workers."""

    #: Wall-clock seconds of each cell's runs, by cell key, of the cells that could be measured.
    by_cell: dict[str, float]
    #: Of the seeds that each cell of the last look may get later.
    later_s: float
    #: How many cells could not be measured.
    n_unknown: int

    @property
    def seconds(self) -> float:
        return sum(self.by_cell.values())


def estimate(prepared: Prepared, n_later: int = 0) -> Estimate:
    """The time of the runs to train.

    Parameters
    ----------
    n_later
        How many seeds more each cell of the last look may get later.
    """
    deadline = time.monotonic() + BUDGET_S
    to_train, cells = prepared.to_train, prepared.plan.cells
    paces: dict[str, float] = {}
    later = _of_last_look(prepared) if n_later else []
    for run in [*to_train, *later]:
        if run.cell_key not in paces:
            pace = _recorded(cells[run.cell_key], prepared.journals)
            if pace is None and run.cell_key in prepared.checked:
                pace = prepared.checked[run.cell_key].epoch_s
            elif pace is None and time.monotonic() < deadline:
                pace = _measured(run, Sample.of(run, prepared.sources.read_by(run)))
            if pace is not None:
                paces[run.cell_key] = pace
    taken = prepared.taken_epochs
    by_cell = dict.fromkeys((run.cell_key for run in to_train if run.cell_key in paces), 0.0)
    n_at_once = max(1, min(prepared.n_workers, len(to_train)))
    for run in to_train:
        if run.cell_key in paces:
            n_epochs = run.config.train.epochs - taken.get(run.run_key, 0)
            by_cell[run.cell_key] += paces[run.cell_key] * n_epochs / n_at_once
    n_unknown = len({run.cell_key for run in [*to_train, *later]} - set(paces))
    a_seed = sum(paces.get(run.cell_key, 0.0) * run.config.train.epochs for run in later)
    return Estimate(by_cell, n_later * a_seed / max(1, prepared.n_workers), n_unknown)


def _of_last_look(prepared: Prepared) -> list[PlannedRun]:
    """A run of each cell of the last look."""
    plan = prepared.plan
    last = [run for run in plan.runs if run.config.seed in plan.looks[-1].seeds]
    return list({run.cell_key: run for run in last}.values())


def _recorded(cell: list[PlannedRun], journals: Journals) -> float | None:
    """Seconds an epoch in the journals of the cell's runs, median; None when there are none."""
    epochs = [epoch for run in cell for epoch in journals[run.run_key].epochs.values()]
    return statistics.median(seconds_spent(epoch.metrics) for epoch in epochs) if epochs else None


def _measured(run: PlannedRun, sample: Sample) -> float | None:
    """Seconds an epoch, from a few steps on this machine while nothing else runs; None on a GPU.

    There this process would keep memory that the workers could use, and a few steps say nothing
    about many graphs.
    """
    if run.device == "gpu":
        return None
    # Imported here: when every cell has been trained before, nobody waits for DeZero.
    from runner import engine as engines
    from runner.train import pace

    if engines.compiles(run.config.engine.name, run.device):
        print(engines.COMPILING, flush=True)
    return pace.epoch_s(run, sample)
