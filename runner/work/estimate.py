"""How long a plan will take, before it starts: from runs of the same cell, else from a few measured steps."""

import math
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from runner.data.loading import Dataset
from runner.plan.plan import Plan, PlannedRun
from runner.record import seconds_spent
from runner.state.journal import RunFolder, read_journal

#: Longest time spent on measuring, in seconds; cells that do not fit in are left out and said so.
BUDGET_S = 8.0

COMPILING = "compiling the kernels of engine=fast, once on this machine"


def seconds(
    plan: Plan, todo: list[PlannedRun], root: Path, dataset_of: Callable[[str], Dataset], n_workers: int
) -> tuple[float, int]:
    """Wall-clock seconds for the runs to do, and how many cells were not measured (they are not counted).

    Parameters
    ----------
    dataset_of
        The data set of a name.
    """
    deadline = time.monotonic() + BUDGET_S
    paces: dict[str, float] = {}
    for run in todo:
        if run.cell_key not in paces:
            recorded = _recorded(plan.cells[run.cell_key], root)
            if recorded is None and time.monotonic() < deadline:
                recorded = _measured(run, dataset_of(run.data_name))
            if recorded is not None:
                paces[run.cell_key] = recorded
    total = sum(paces.get(run.cell_key, 0.0) * run.config.train.epochs for run in todo)
    n_unknown = len({run.cell_key for run in todo} - set(paces))
    return total / max(1, min(n_workers, len(todo))), n_unknown


def seconds_an_epoch(cell: list[PlannedRun], root: Path, dataset: Dataset) -> float | None:
    """Seconds an epoch of a cell takes, recorded or measured; None where neither could be."""
    recorded = _recorded(cell, root)
    return _measured(cell[0], dataset) if recorded is None else recorded


def _recorded(cell: list[PlannedRun], root: Path) -> float | None:
    """Seconds an epoch in the journals of the cell's runs, median; None when there are none."""
    epochs = []
    for run in cell:
        for line in read_journal(RunFolder(root / "state", run.run_key).journal).epochs.values():
            epochs.append(seconds_spent(line["metrics"]))
    return statistics.median(epochs) if epochs else None


def _measured(run: PlannedRun, dataset: Dataset) -> float | None:
    """Seconds an epoch, from a few steps on this machine while nothing else runs; None on a GPU.

    There this process would keep memory that the workers could use, and a few steps say nothing about many graphs.
    """
    if run.device == "gpu":
        return None
    # Imported here: when every cell has been trained before, nobody waits for DeZero.
    import numpy as np
    from threadpoolctl import threadpool_limits

    from runner import engine as engines
    from runner import models, seeding
    from runner.engine import loop
    from runner.train import epochs as training

    config = run.config
    if engines.compiles(config.engine.name, run.device):
        print(COMPILING, flush=True)
    engine = engines.create(config.engine.name, seeding.Masks(config.seed), run.device)
    n_steps = math.ceil(len(dataset.train_images) / config.train.batch_size)
    n_evaluated = min(len(dataset.train_images), loop.N_TRAIN_EVAL) + 2 * len(dataset.test_images)
    with threadpool_limits(limits=1), np.errstate(all="ignore"):
        model = models.build(config.model, engine, dataset.train_images.shape[1:], config.seed)
        optimizer = engine.optimizer(config.optimizer, model)
        few = 3 * config.train.batch_size, loop.EVAL_BATCH
        sample = loop.Data(
            engine.resident(dataset.train_images[: few[0]]),
            engine.resident(dataset.train_labels[: few[0]]),
            engine.resident(dataset.test_images[: few[1]]),
            engine.resident(dataset.test_labels[: few[1]]),
            dataset.full_scale if config.data.normalize else 1.0,
        )
        training.warm_up(model, optimizer, engine, sample)
        size = min(config.train.batch_size, len(sample.train_images))
        records = []
        try:
            for record in filter(None, training.train(model, optimizer, engine, sample, 0, 2, size, loop.Position())):
                records.append(record)
        except loop.Diverged:
            return 0.0
    last = records[-1]  # the second epoch: the first one warms up
    n_sampled = len(sample.train_images) / size
    n_evaluated_here = min(len(sample.train_images), loop.N_TRAIN_EVAL) + 2 * len(sample.test_images)
    return last.train_s / n_sampled * n_steps + last.eval_s / n_evaluated_here * n_evaluated
