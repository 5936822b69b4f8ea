"""What a step of the user's own code takes: what DeZero's functions cost, memory, and time."""

import tracemalloc
from collections.abc import Iterator
from typing import Any

import numpy as np

from runner.engine.cost import N_IMAGES, fallback_cost
from runner.engine.loop import step
from runner.plan.plan import PlannedRun
from runner.train import pace
from runner.train.assemble import Assembly
from runner.train.check.step import assembled
from runner.train.sample import Sample


def measured(planned: PlannedRun, sample: Sample) -> Iterator[tuple[str, Any]]:
    """Fields of `Checked` with their values, the cheapest to measure first."""
    assembly = assembled(planned, sample)
    assembly.warm_up()
    x, t = _batch(assembly, N_IMAGES)
    yield "fallback_shares", fallback_cost(assembly.engine, assembly.model, x, t)
    half, whole = (_peak_of_a_step(assembly, n) for n in (N_IMAGES // 2, N_IMAGES))
    # What is as large as the weights is the same in both.
    yield "image_bytes", max(0.0, (whole - half) / (N_IMAGES - N_IMAGES // 2))
    if planned.device == "cpu":
        yield "epoch_s", pace.epoch_s(planned, sample)


def _batch(assembly: Assembly, n: int) -> tuple[Any, Any]:
    data = assembly.data
    rows = np.arange(n) % len(data.train_images)
    return assembly.engine.pixels(data.train_images, rows, data.scale), data.train_labels[rows]


def _peak_of_a_step(assembly: Assembly, n: int) -> int:
    """Bytes of the arrays that a step on n images makes, at their most."""
    parts = assembly.model, assembly.optimizer, assembly.engine
    step(*parts, *_batch(assembly, n))  # makes what lasts, such as an optimizer's state
    tracemalloc.start()
    try:
        step(*parts, *_batch(assembly, n))
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
