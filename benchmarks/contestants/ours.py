"""This project: engine=fast, in the body of runner/train/epochs.py's loop."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import images
from benchmarks.nets import BATCH, DROPOUT_RATIO, FULL_SCALE, LEARNING_RATE, WEIGHT_DECAY, Net
from runner.app import compose
from runner.engine.dezero import no_grad, test_mode
from runner.engine.protocol import Data, Engine
from runner.seeding import batch_order
from runner.train.assemble import Assembly, assemble

_SEED = 0


class Ours:
    """One run of the fast engine."""

    def __init__(self, net: Net, folder: Path) -> None:
        # Memory-mapped, as the runner's workers have them.
        data = images.read(folder, mmap_mode="r")
        self.data = Data(**vars(data), scale=FULL_SCALE)
        assembly = assembled(net, lambda engine: self.data)
        self.engine, self.model, self.optimizer = (
            assembly.engine,
            assembly.model,
            assembly.optimizer,
        )
        self.n_steps = 0
        self.train_rows, self.test_rows = self._train_rows(), self._test_rows()

    def train(self, n_steps: int) -> list[float]:
        data, engine, losses, n_correct = self.data, self.engine, [], 0
        for _ in range(n_steps):
            rows = next(self.train_rows)
            x, t = engine.pixels(data.train_images, rows, data.scale), data.train_labels[rows]
            self.n_steps += 1
            engine.masks.training(self.n_steps)

            y = self.model(x)
            loss, correct = engine.loss(y, t)
            self.model.cleargrads()
            loss.backward()
            self.optimizer.update()

            losses.append(float(loss.data))
            n_correct += int(correct.sum())
        return losses

    def evaluate(self, n_batches: int) -> float:
        data, engine, sum_loss, n_correct = self.data, self.engine, 0.0, 0
        with no_grad():
            for _ in range(n_batches):
                rows = next(self.test_rows)
                x, t = engine.pixels(data.test_images, rows, data.scale), data.test_labels[rows]
                with test_mode():
                    y = self.model(x)
                loss, correct = engine.loss(y, t)
                sum_loss += float(loss.data) * len(t)
                n_correct += int(correct.sum())
        return n_correct / (n_batches * BATCH)

    def _train_rows(self) -> Iterator[Any]:
        n_images, epoch = len(self.data.train_images), 0
        while True:
            epoch += 1
            order = self.engine.asarray(batch_order(_SEED, epoch, n_images))
            for first in range(0, n_images, BATCH):
                yield order[first : first + BATCH]

    def _test_rows(self) -> Iterator[Any]:
        while True:
            for first in range(0, len(self.data.test_images), BATCH):
                yield self.engine.asarray(np.arange(first, first + BATCH))


def assembled(net: Net, load: Callable[[Engine], Data], device: str = "cpu") -> Assembly:
    """The parts of a run, put together as for any run."""
    model = ("model=cnn", f"model.channels={net.channels}") if net.channels else ("model=mlp",)
    config = compose(
        *model,
        f"model.hidden_size={net.hidden[0]}",
        f"model.fc_depth={len(net.hidden)}",
        f"model.dropout={str(net.dropout).lower()}",
        f"model.dropout_ratio={DROPOUT_RATIO}",
        f"optimizer.lr={LEARNING_RATE}",
        f"optimizer.weight_decay={WEIGHT_DECAY}",
        f"seed={_SEED}",
    )
    assembly = assemble(config, device, load)
    assembly.warm_up()
    if assembly.engine.fallbacks:
        raise RuntimeError(f"the fast engine left {', '.join(assembly.engine.fallbacks)} to DeZero")
    return assembly
