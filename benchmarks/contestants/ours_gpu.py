"""This project on a card: the training pass of `runner.engine.captured`, for one run or several side by side."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import images
from benchmarks.contestants.ours import assembled
from benchmarks.nets import BATCH, FULL_SCALE, Net
from runner.engine.gpu.epoch import TEST, TRAIN
from runner.engine.protocol import Data, Engine, Position
from runner.seeding import batch_order


class OursOnCard:
    """Runs of the fast engine; a call trains whole epochs, at least as many steps as it is asked for."""

    def __init__(self, net: Net, folder: Path, n_runs: int) -> None:
        arrays = vars(images.read(folder))
        self.loops: list[Any] = []

        def load(engine: Engine) -> Data:
            return Data(**{name: engine.asarray(array) for name, array in arrays.items()}, scale=FULL_SCALE)

        for _ in range(n_runs):
            run = assembled(net, load, "gpu")
            self.loops.append(run.engine.loop(run.model, run.optimizer, run.data, BATCH))
        self.n_images, self.epoch = len(arrays["train_images"]), 0

    def train(self, n_steps: int) -> list[float]:
        n_steps_an_epoch = math.ceil(self.n_images / BATCH)
        losses = []
        for _ in range(math.ceil(n_steps / n_steps_an_epoch)):
            self.epoch += 1
            position = Position(epoch=self.epoch)
            order = batch_order(0, self.epoch, self.n_images)
            for loop in self.loops:
                with loop.kernels.on_card():
                    loop.capture(TRAIN)
                    loop.begin_training(order, position, 1, n_steps_an_epoch)
                    loop.launch(TRAIN)
            for loop in self.loops:
                state, _ = loop.read()[TRAIN]
                loop.optimizer.count(n_steps_an_epoch)
            losses.append(float(state["loss_sum"]) / self.n_images)
        return losses

    def evaluate(self, n_batches: int) -> float:
        for loop in self.loops:
            with loop.kernels.on_card():
                loop.capture(TEST)
                loop.passes[TEST].place()
                loop.launch(TEST)
        return float(np.mean([loop.read()[TEST][1].mean() for loop in self.loops]))
