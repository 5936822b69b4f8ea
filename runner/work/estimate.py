"""How long a plan will take: from the paces of its cells."""

from dataclasses import dataclass

from runner.plan.plan import PlannedRun
from runner.prepare import Prepared
from runner.work.paces import paces


@dataclass(frozen=True)
class Estimate:
    """How long the runs to train will take on all workers."""

    #: Wall-clock seconds of each cell's runs, by cell key; empty where nothing is known.
    by_cell: dict[str, float]
    #: The range of their sum.
    low_s: float
    high_s: float
    #: Of the seeds that each cell of the last look may get later.
    later_s: float
    #: Seconds of an epoch of one run, by cell key.
    epoch_s: dict[str, float]

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
    to_train, taken = prepared.to_train, prepared.taken_epochs
    later = _of_last_look(prepared) if n_later else []
    of_cells = paces(prepared, [*to_train, *later])
    n_at_once = max(1, min(prepared.n_workers, len(to_train)))
    by_cell: dict[str, float] = {}
    low_s = high_s = 0.0
    for run in to_train:
        if run.cell_key in of_cells:
            pace = of_cells[run.cell_key]
            n_epochs = (run.config.train.epochs - taken.get(run.run_key, 0)) / n_at_once
            by_cell[run.cell_key] = by_cell.get(run.cell_key, 0.0) + pace.s * n_epochs
            low_s, high_s = low_s + pace.low_s * n_epochs, high_s + pace.high_s * n_epochs
    a_seed = sum(
        of_cells[run.cell_key].s * run.config.train.epochs
        for run in later
        if run.cell_key in of_cells
    )
    later_s = n_later * a_seed / max(1, prepared.n_workers)
    epoch_s = {cell: pace.s for cell, pace in of_cells.items()}
    return Estimate(by_cell, low_s, high_s, later_s, epoch_s)


def _of_last_look(prepared: Prepared) -> list[PlannedRun]:
    """A run of each cell of the last look."""
    plan = prepared.plan
    last = [run for run in plan.runs if run.config.seed in plan.looks[-1].seeds]
    return list({run.cell_key: run for run in last}.values())
