"""Small runs of the fast engine on a GPU and on the CPU, and what to compare of them."""

import os

import numpy as np
import pytest

from runner.engine import device, optimizers
from runner.engine.dezero import named_parameters
from runner.engine.loop import Position
from runner.record import TIMES
from runner.train import epochs as training

IS_EMULATED = "emulated" in os.environ.get("PYTHONPATH", "")
#: Three batches of ten and a last one of five.
IMAGES, BATCH = 35, 10
TEST_IMAGES = 30


def to_gpu(array):
    import cupy

    return cupy.asarray(array)


def loop_of(run):
    return run.engine.loop(run.model, run.optimizer, run.data, BATCH)


def training_of(run, epochs, position=None, should_stop=lambda: False):
    """The generator of the run's records, and of None where the GPU computes."""
    parts = run.model, run.optimizer, run.engine, run.data, run.seed
    return training.train(*parts, epochs, BATCH, position or Position(), should_stop)


def records_of(*args, **options):
    return list(filter(None, training_of(*args, **options)))


def without_times(records):
    return [{m: v for m, v in record.metrics().items() if m not in TIMES} for record in records]


def weights_and_state(run):
    """The bytes of each weight and of the optimizer's state, by name."""
    arrays = {n: device.to_numpy(p.data) for n, p in named_parameters(run.model).items()}
    arrays |= optimizers.state(run.optimizer, run.model)
    return {name: np.asarray(array).tobytes() for name, array in arrays.items()}


def assert_close(gpu_records, cpu_records):
    for on_gpu, on_cpu in zip(without_times(gpu_records), without_times(cpu_records), strict=True):
        for metric in on_cpu:
            # An image whose two largest scores differ by rounding alone may be classified either way.
            tolerance = dict(abs=1.5 / TEST_IMAGES) if metric.endswith("accuracy") else dict(rel=1e-4)
            assert on_gpu[metric] == pytest.approx(on_cpu[metric], **tolerance), metric
