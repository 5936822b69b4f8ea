"""How long a plan will take: from runs of the same cell, else from a few measured steps."""

import math
import statistics
import time
from dataclasses import replace

from runner.data.asked import Asked
from runner.data.loading import ARRAYS, Dataset
from runner.data.subset import n_left
from runner.plan.plan import PlannedRun
from runner.prepare import Prepared
from runner.record import seconds_spent
from runner.state.journals import Journals

#: Longest time spent on measuring, in seconds; cells that do not fit in are left out and said so.
BUDGET_S = 8.0
COMPILING = "compiling the kernels of engine=fast, once on this machine"


def seconds(prepared: Prepared) -> tuple[float, int]:
    """Wall-clock seconds for the runs to train, and how many cells it leaves out."""
    deadline = time.monotonic() + BUDGET_S
    to_train, cells = prepared.to_train, prepared.plan.cells
    paces: dict[str, float] = {}
    for run in to_train:
        if run.cell_key not in paces:
            pace = _recorded(cells[run.cell_key], prepared.journals)
            if pace is None and time.monotonic() < deadline:
                pace = _measured(run, prepared.sources.read_by(run))
            if pace is not None:
                paces[run.cell_key] = pace
    taken = prepared.taken_epochs
    total = sum(
        paces.get(run.cell_key, 0.0) * (run.config.train.epochs - taken.get(run.run_key, 0))
        for run in to_train
    )
    n_unknown = len({run.cell_key for run in to_train} - set(paces))
    return total / max(1, min(prepared.n_workers, len(to_train))), n_unknown


def _recorded(cell: list[PlannedRun], journals: Journals) -> float | None:
    """Seconds an epoch in the journals of the cell's runs, median; None when there are none."""
    epochs = [epoch for run in cell for epoch in journals[run.run_key].epochs.values()]
    return statistics.median(seconds_spent(epoch.metrics) for epoch in epochs) if epochs else None


def _measured(run: PlannedRun, dataset: Dataset) -> float | None:
    """Seconds an epoch, from a few steps on this machine while nothing else runs; None on a GPU.

    There this process would keep memory that the workers could use, and a few steps say nothing
    about many graphs.
    """
    if run.device == "gpu":
        return None
    # Imported here: when every cell has been trained before, nobody waits for DeZero.
    import numpy as np
    from threadpoolctl import threadpool_limits

    from runner import engine as engines
    from runner.engine.loop import EVAL_BATCH, N_TRAIN_EVAL, Diverged
    from runner.engine.protocol import Data, Engine, Position
    from runner.train import epochs
    from runner.train.assemble import assemble

    config = run.config
    if engines.compiles(config.engine.name, run.device):
        print(COMPILING, flush=True)

    n_images = n_left(Asked.of(config.data), len(dataset.train_images))
    n_sampled = min(3 * config.train.batch_size, n_images)

    def sample(engine: Engine) -> Data:
        first = {"train": slice(n_sampled), "test": slice(EVAL_BATCH)}
        arrays = {name: getattr(dataset, name)[first[name.partition("_")[0]]] for name in ARRAYS}
        return Data(
            **{name: engine.asarray(array) for name, array in arrays.items()},
            scale=dataset.full_scale,
            n_classes=dataset.n_classes,
        )

    # The second epoch counts: the first one warms up. Metrics of one's own are for whole sets.
    size = min(config.train.batch_size, n_sampled)
    train = replace(config.train, epochs=2, batch_size=size)
    config = replace(config, train=train, metrics={})
    with threadpool_limits(limits=1), np.errstate(all="ignore"):
        assembly = assemble(config, run.device, sample)
        assembly.warm_up()
        try:
            *_, last = filter(None, epochs.train(assembly, Position()))
        except Diverged:
            return 0.0
    n_steps = math.ceil(n_images / run.config.train.batch_size)
    n_evaluated = min(n_images, N_TRAIN_EVAL) + 2 * len(dataset.test_images)
    n_evaluated_here = min(n_sampled, N_TRAIN_EVAL) + 2 * len(assembly.data.test_images)
    return (
        last.train_s / (n_sampled / size) * n_steps + last.eval_s / n_evaluated_here * n_evaluated
    )
