"""How long an epoch takes: measured on a few images, on this machine while nothing else runs."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from runner.engine.loop import EVAL_BATCH, N_TRAIN_EVAL, Diverged
from runner.engine.protocol import Data, Engine, Position
from runner.plan.plan import PlannedRun
from runner.train import epochs
from runner.train.assemble import assemble
from runner.train.sample import Sample

#: Steps of an epoch that are timed.
_N_STEPS = 3


def epoch_s(run: PlannedRun, sample: Sample) -> float:
    """Seconds of an epoch of a run on the CPU, its evaluations included.

    The images are repeated until they are enough for a few steps. A loss that is not finite ends
    the run at once, and gives 0.
    """
    config = run.config
    n = min(_N_STEPS * config.train.batch_size, sample.n_train)
    size = min(config.train.batch_size, n)

    def load(engine: Engine) -> Data:
        def repeated(array: NDArray[Any], times: int) -> Any:
            return engine.asarray(array[np.arange(times) % len(array)])

        return Data(
            train_images=repeated(sample.images, n),
            train_labels=repeated(sample.labels, n),
            test_images=repeated(sample.images, EVAL_BATCH),
            test_labels=repeated(sample.labels, EVAL_BATCH),
            scale=sample.scale,
            n_classes=sample.n_classes,
        )

    # The second epoch counts: the first one warms up. Metrics of one's own are for whole sets.
    train = replace(config.train, epochs=2, batch_size=size)
    config = replace(config, train=train, metrics={})
    with threadpool_limits(limits=1), np.errstate(all="ignore"):
        assembly = assemble(config, "cpu", load)
        assembly.warm_up()
        try:
            *_, last = filter(None, epochs.train(assembly, Position()))
        except Diverged:
            return 0.0
    n_steps = math.ceil(sample.n_train / run.config.train.batch_size)
    n_evaluated = min(sample.n_train, N_TRAIN_EVAL) + 2 * sample.n_test
    n_evaluated_here = min(n, N_TRAIN_EVAL) + 2 * EVAL_BATCH
    return last.train_s / (n / size) * n_steps + last.eval_s / n_evaluated_here * n_evaluated
