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
    half, whole = (_peak_of_steps(assembly, n) for n in (N_IMAGES // 2, N_IMAGES))
    # What is as large as the weights is the same in both.
    yield "image_bytes", max(0.0, (whole - half) / (N_IMAGES - N_IMAGES // 2))
    if planned.device == "cpu":
        yield "epoch_s", pace.epoch_s(planned, sample)


def _batch(assembly: Assembly, n: int) -> tuple[Any, Any]:
    data = assembly.data
    rows = np.arange(n) % len(data.train_images)
    return assembly.engine.pixels(data.train_images, rows, data.scale), data.train_labels[rows]


def _peak_of_steps(assembly: Assembly, n: int) -> int:
    """Bytes of the arrays that two steps on n images make, at their most."""
    tracemalloc.start()
    try:
        _two_steps(assembly, n)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _two_steps(assembly: Assembly, n: int) -> list[Any]:
    """The losses; as in the loop, the graph of a step is kept until the next one is through."""
    model, optimizer, engine = assembly.model, assembly.optimizer, assembly.engine
    return [step(model, optimizer, engine, *_batch(assembly, n))[0] for _ in range(2)]
