"""`python -m benchmarks.own_model`: engine=fast with captured steps, without, and engine=stock.

The net is one of DeZero's own layers, or one of those that ship (`--net`). As many runs as cores
train at once, one thread each, in rounds: in every round each engine trains an epoch of the same
batches in turn, so that a slow minute of the machine slows all. A run alone (`--processes 1`) is
also computed by all cores. Evaluations are not timed. Losses and weights of engine=fast must have
the same bits, captured or not and with any number of threads.
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
from benchmarks.nets import (
    BATCH,
    DROPOUT_RATIO,
    FULL_SCALE,
    LEARNING_RATE,
    N_CLASSES,
    NETS,
    SIDE,
    WEIGHT_DECAY,
)
from benchmarks.processes import environment
from runner.train import provenance

#: By what is printed, the name of an engine and whether its steps are captured.
_ENGINES = {
    "fast": ("fast", True),
    "fast, engine.graph=false": ("fast", False),
    "stock": ("stock", False),
}
_ALL_CORES = "fast, all cores"
_SEED = 0
#: Set in each process before it measures: all of them wait for each other.
_barrier: Any = None


def seconds(
    folder: Path, net: str, channels: int, rounds: int, steps: int, alone: bool
) -> dict[str, list[tuple[float, float]]]:
    """Seconds that an epoch of `steps` training steps of each engine took, in each round; and the
    median of a step's, of processor time."""
    # Imported in the process that trains, after its number of threads is set.
    import time
    from dataclasses import replace

    import numpy as np

    from runner import engine as engines
    from runner.engine.cpu.threads import team
    from runner.engine.dezero import F, L, Model, named_parameters
    from runner.engine.protocol import Data, Position
    from runner.engine.recipe import Recipe
    from runner.models.cnn import CNN
    from runner.models.mlp import MLP
    from runner.seeding import Masks, batch_order

    # After the door to DeZero, which repairs the package that the net imports.
    from benchmarks.users_net import UsersNet  # isort: skip

    class Small(Model):  # type: ignore[misc]  # DeZero is untyped
        """Three linear layers with ReLU between them."""

        def __init__(self) -> None:
            super().__init__()
            self.fc1, self.fc2, self.fc3 = L.Linear(30), L.Linear(30), L.Linear(N_CLASSES)

        def forward(self, x: Any) -> Any:
            return self.fc3(F.relu(self.fc2(F.relu(self.fc1(F.flatten(x))))))

    def made(engine: Any) -> Any:
        if net == "small":
            return Small()
        if net == "own":
            return UsersNet(channels, 100, N_CLASSES, norm=False)
        of = NETS[net]
        if of.users:
            return UsersNet(of.channels, of.hidden[0], N_CLASSES, norm=True)
        rest = len(of.hidden), of.dropout, DROPOUT_RATIO, N_CLASSES, engine
        if of.channels:
            return CNN(of.channels, None, of.hidden[0], *rest)
        return MLP(of.hidden[0], *rest)

    whole = Data(**vars(images.read(folder, mmap_mode="r")), scale=FULL_SCALE)
    n_images = steps * BATCH
    data = replace(
        whole,
        train_images=whole.train_images[:n_images],
        train_labels=whole.train_labels[:n_images],
        test_images=whole.test_images[:BATCH],
        test_labels=whole.test_labels[:BATCH],
    )
    runs, found, n_cores = {}, {}, provenance.cores()
    engines_of = _ENGINES | ({_ALL_CORES: ("fast", True)} if alone else {})
    for name, (engine_name, graph) in engines_of.items():
        np.random.seed(_SEED)
        engine = engines.create(engine_name, Masks(_SEED), "cpu", graph)
        model = made(engine)
        model(np.zeros((1, 1, SIDE, SIDE), np.float32))  # shows the layers their sizes
        for parameter in named_parameters(model).values():
            parameter.data = parameter.data.astype(np.float32)
        settings = {"lr": LEARNING_RATE, "weight_decay": WEIGHT_DECAY}
        optimizer = engine.optimizer(Recipe("dezero.optimizers.Adam", settings), model)
        x = engine.pixels(data.train_images, np.arange(2), FULL_SCALE)
        engine.warm_up(model, optimizer, x, data.train_labels[:2])
        runs[name] = model, engine.loop(model, optimizer, data, BATCH)
        found[name] = list[tuple[float, float]]()
    losses: dict[str, list[float]] = {name: [] for name in runs}
    for epoch in range(1, rounds + 1):
        for name, (_, loop) in runs.items():
            _barrier.wait(600)
            position, began = Position(epoch), list[float]()

            def before_a_step(began: list[float] = began) -> bool:
                began.append(time.thread_time())
                return False

            with team.of(n_cores if name == _ALL_CORES else 1):
                order = batch_order(_SEED, epoch, n_images)
                for _ in loop.epoch(order, position, before_a_step):
                    pass
            found[name].append((position.train_s, float(np.median(np.diff(began[:steps])))))
            losses[name].append(position.loss_sum)
    first, *others = (
        (losses[name], [p.data.tobytes() for p in named_parameters(model).values()])
        for name, (model, _) in runs.items()
        if name != "stock"
    )
    assert all(other == first for other in others) and np.isfinite(first[0]).all()
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
        how = Path(folder), args.net, args.channels, args.rounds, args.steps, args.processes == 1
        waiting = [pool.submit(seconds, *how) for _ in range(args.processes)]
        of_processes = [run.result() for run in waiting]

    n_images = args.processes * args.steps * BATCH
    rates, step_ms = {}, {}
    for name in of_processes[0]:
        rounds = list(zip(*(found[name] for found in of_processes), strict=True))
        rates[name] = [n_images / max(wall_s for wall_s, _ in of_round) for of_round in rounds]
        step_ms[name] = [1e3 * max(step_s for _, step_s in of_round) for of_round in rounds]
    print(json.dumps({"machine": machine.machine(), "versions": machine.versions()}, indent=1))
    shape = f"{args.rounds} rounds of {args.steps} steps each"
    print(f"{args.net}: {args.processes} runs at once, {shape}")
    print("| engine | images/s, median | least | most | ms of a core a step, median | least |")
    print("|" + " --- |" * 6)
    for name in rates:
        rate, ms = rates[name], step_ms[name]
        speed = f"{median(rate):.0f} | {min(rate):.0f} | {max(rate):.0f}"
        print(f"| {name} | {speed} | {median(ms):.3f} | {min(ms):.3f} |")
    for of, compared in (("images/s", rates), ("a step", step_ms)):
        for other in list(compared)[1:]:
            pairs = zip(compared["fast"], compared[other], strict=True)
            ratios = [fast / of_other for fast, of_other in pairs]
            spread = f"{min(ratios):.3f} to {max(ratios):.3f}"
            print(f"{of}, fast over {other}: {median(ratios):.3f} ({spread})")


def _initialise(barrier: Any) -> None:
    global _barrier
    _barrier = barrier


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.own_model", description=__doc__)
    parser.add_argument("--net", choices=["own", "small", *NETS], default="own")
    parser.add_argument("--channels", type=int, default=16, help="of both convolutions of own")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=20, help="of an engine in a round")
    parser.add_argument(
        "--processes", type=int, default=provenance.cores(), help="runs at once (default: cores)"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
