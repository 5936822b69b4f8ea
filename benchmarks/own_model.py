"""`python -m benchmarks.own_model`: a net of DeZero's own layers, engine=fast against engine=stock.

As many runs as cores train at once, one thread each, in rounds: in every round each engine trains
the same batches in turn, so that a slow minute of the machine slows both.
"""

import argparse
import json
import os
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import images, machine
from benchmarks.nets import BATCH, FULL_SCALE, LEARNING_RATE, N_CLASSES, WEIGHT_DECAY
from benchmarks.processes import environment
from runner.train import provenance

_ENGINES = ("fast", "stock")
_SEED = 0
#: Set in each process before it measures: all of them wait for each other.
_barrier: Any = None


def seconds(folder: Path, channels: int, rounds: int, steps: int) -> dict[str, list[float]]:
    """Seconds that `steps` training steps of each engine took, in each round."""
    # Imported in the process that trains, after its number of threads is set.
    import time

    import numpy as np

    from runner import engine as engines
    from runner.engine.dezero import F, L, Model
    from runner.engine.loop import step
    from runner.engine.protocol import Data
    from runner.engine.recipe import Recipe
    from runner.seeding import Masks

    class Net(Model):  # type: ignore[misc]  # DeZero is untyped
        """Two 3x3 convolutions, a pool and two linear layers, with tanh between them."""

        def __init__(self) -> None:
            super().__init__()
            self.conv1 = L.Conv2d(channels, 3, stride=1, pad=1)
            self.conv2 = L.Conv2d(channels, 3, stride=1, pad=1)
            self.fc1, self.fc2 = L.Linear(100), L.Linear(N_CLASSES)

        def forward(self, x: Any) -> Any:
            x = F.tanh(self.conv2(F.tanh(self.conv1(x))))
            x = F.flatten(F.pooling(x, 2, 2))
            return self.fc2(F.tanh(self.fc1(x)))

    data, runs = images.read(folder, mmap_mode="r"), {}
    found: dict[str, list[float]] = {}
    for name in _ENGINES:
        np.random.seed(_SEED)
        model, engine = Net(), engines.create(name, Masks(_SEED), "cpu")
        model(data.test_images[:1].astype(np.float32))  # shows the layers their sizes
        settings = {"lr": LEARNING_RATE, "weight_decay": WEIGHT_DECAY}
        config = Recipe("dezero.optimizers.Adam", settings)
        runs[name] = engine, model, engine.optimizer(config, model)
        engine.warm_up(*runs[name][1:], data.test_images[:2].astype(np.float32), np.arange(2))
        engine.loop(*runs[name][1:], Data(**vars(data), scale=FULL_SCALE), BATCH)
        found[name] = []
    for i in range(rounds):
        for name, (engine, model, optimizer) in runs.items():
            _barrier.wait(600)
            started = time.perf_counter()
            for first in range(i * steps * BATCH, (i + 1) * steps * BATCH, BATCH):
                rows = np.arange(first, first + BATCH) % len(data.train_images)
                x = engine.pixels(data.train_images, rows, FULL_SCALE)
                loss, _ = step(model, optimizer, engine, x, data.train_labels[rows])
            found[name].append(time.perf_counter() - started)
            assert np.isfinite(loss.data)
    return found


def main() -> None:
    args = _arguments()
    # The pool's processes inherit it, and read it when they import NumPy.
    os.environ.update(environment(threads=1))
    context = get_context("spawn")
    with (
        tempfile.TemporaryDirectory() as folder,
        ProcessPoolExecutor(
            args.processes, context, _initialise, (context.Barrier(args.processes),)
        ) as pool,
    ):
        images.write(Path(folder))
        how = Path(folder), args.channels, args.rounds, args.steps
        waiting = [pool.submit(seconds, *how) for _ in range(args.processes)]
        of_processes = [run.result() for run in waiting]

    n_images = args.processes * args.steps * BATCH
    rates = {
        name: [n_images / max(s) for s in zip(*(p[name] for p in of_processes), strict=True)]
        for name in _ENGINES
    }
    ratios = [fast / stock for fast, stock in zip(*rates.values(), strict=True)]
    print(json.dumps({"machine": machine.machine(), "versions": machine.versions()}, indent=1))
    print(f"{args.processes} runs at once, {args.rounds} rounds of {args.steps} steps each")
    print("| engine | images/s, median | least | most |\n| --- | --- | --- | --- |")
    for name, found in rates.items():
        print(f"| {name} | {median(found):.0f} | {min(found):.0f} | {max(found):.0f} |")
    print(f"fast over stock: {median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


def _initialise(barrier: Any) -> None:
    global _barrier
    _barrier = barrier


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.own_model", description=__doc__)
    parser.add_argument("--channels", type=int, default=16, help="of both convolutions")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=20, help="of an engine in a round")
    parser.add_argument(
        "--processes", type=int, default=provenance.cores(), help="runs at once (default: cores)"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
