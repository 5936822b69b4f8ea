"""Small runs of the fast engine on a GPU and on the CPU, and what to compare of them."""

import os

import numpy as np
import pytest
from short_training import without_times

from runner.engine import device
from runner.engine.dezero import named_parameters
from runner.engine.protocol import Position
from runner.train import epochs

IS_EMULATED = "emulated" in os.environ.get("PYTHONPATH", "")
#: Three batches of ten and a last one of five.
IMAGES, BATCH = 35, 10
TEST_IMAGES, EPOCHS = 30, 2


def to_gpu(array):
    import cupy

    return cupy.asarray(array)


def loop_of(run):
    return run.engine.loop(run.model, run.optimizer, run.data, BATCH)


def training_of(run, position=None, should_stop=lambda: False):
    """The generator of the run's records, and of None where the GPU computes."""
    return epochs.train(run, position or Position(), should_stop)


def records_of(run, **options):
    return list(filter(None, training_of(run, **options)))


def results_of(run):
    """Train the run; returns its records without times, and the bytes of its state."""
    return without_times(records_of(run)), state_bytes(run)


def state_bytes(run):
    """The bytes of each weight and of the optimizer's state, by name."""
    arrays = {n: device.to_numpy(p.data) for n, p in named_parameters(run.model).items()}
    arrays |= run.optimizer.state()
    return {name: np.asarray(array).tobytes() for name, array in arrays.items()}


def assert_close(gpu_records, cpu_records):
    for on_gpu, on_cpu in zip(without_times(gpu_records), without_times(cpu_records), strict=True):
        for metric in on_cpu:
            # One image may be classified otherwise, if its two largest scores are nearly equal.
            image = 1.5 / TEST_IMAGES
            tolerance = dict(abs=image) if metric.endswith("accuracy") else dict(rel=1e-4)
            assert on_gpu[metric] == pytest.approx(on_cpu[metric], **tolerance), metric
