"""This project: engine=fast, in the body of runner/training.py's loop."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import images
from benchmarks.nets import BATCH, DROPOUT_RATIO, FULL_SCALE, LEARNING_RATE, SIDE, WEIGHT_DECAY, Net
from runner import engine as engines
from runner import models
from runner.config.schema import ModelConfig, OptimizerConfig
from runner.engine.dezero import no_grad, test_mode
from runner.engine.loop import Data
from runner.seeding import Masks, batch_order
from runner.train import epochs as training

_SEED = 0


class Ours:
    """One run of the fast engine."""

    def __init__(self, net: Net, folder: Path) -> None:
        # Memory-mapped, as the runner's workers have them.
        data = images.read(folder, mmap_mode="r")
        self.data = Data(**vars(data), scale=FULL_SCALE)
        self.engine, self.model, self.optimizer = run_parts(net)
        training.warm_up(self.model, self.optimizer, self.engine, self.data)
        if self.engine.fallbacks:
            raise RuntimeError(f"the fast engine left {', '.join(self.engine.fallbacks)} to DeZero")
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
            order = self.engine.resident(batch_order(_SEED, epoch, n_images))
            for first in range(0, n_images, BATCH):
                yield order[first : first + BATCH]

    def _test_rows(self) -> Iterator[Any]:
        while True:
            for first in range(0, len(self.data.test_images), BATCH):
                yield self.engine.resident(np.arange(first, first + BATCH))


def run_parts(net: Net, device: str = "cpu") -> tuple[engines.Engine, Any, Any]:
    """The engine, model and optimizer of a run, as runner/experiment.py makes them."""
    config = ModelConfig(
        kind="cnn" if net.channels else "mlp",
        channels=net.channels or 1,
        blocks=None,
        hidden_size=net.hidden[0],
        fc_depth=len(net.hidden),
        dropout=net.dropout,
        dropout_ratio=DROPOUT_RATIO,
        options={},
    )
    engine = engines.create("fast", Masks(_SEED), device)
    model = models.build(config, engine, (1, SIDE, SIDE), _SEED)
    adam = OptimizerConfig(name="adam", lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY, momentum=0.9)
    return engine, model, engine.optimizer(adam, model)
