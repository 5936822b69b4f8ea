"""This project on a GPU, with one run or several concurrent ones."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import images
from benchmarks.contestants.ours import assembled
from benchmarks.nets import BATCH, FULL_SCALE, Net
from runner.engine.gpu.batches import Phase
from runner.engine.protocol import Data, Engine, Position
from runner.seeding import batch_order


class OursOnCard:
    """Runs of the fast engine; `train` takes whole epochs, of at least `n_steps` steps."""

    def __init__(self, net: Net, folder: Path, n_runs: int) -> None:
        arrays = vars(images.read(folder))
        self.loops: list[Any] = []

        def load(engine: Engine) -> Data:
            return Data(
                **{name: engine.asarray(array) for name, array in arrays.items()}, scale=FULL_SCALE
            )

        for _ in range(n_runs):
            run = assembled(net, load, "gpu")
            self.loops.append(run.engine.loop(run.model, run.optimizer, run.data, BATCH))
        self.n_images, self.epoch = len(arrays["train_images"]), 0

    def train(self, n_steps: int) -> list[float]:
        n_steps_per_epoch = math.ceil(self.n_images / BATCH)
        losses = []
        for _ in range(math.ceil(n_steps / n_steps_per_epoch)):
            self.epoch += 1
            position = Position(epoch=self.epoch)
            order = batch_order(0, self.epoch, self.n_images)
            for loop in self.loops:
                batches = loop.batches[Phase.TRAIN]
                with loop.kernels.on_stream():
                    loop.launcher.prepare(batches)
                    loop.begin_training(order, position)
                    loop.launcher.launch(batches)
            states = [loop.read()[Phase.TRAIN][0] for loop in self.loops]
            losses.append(float(states[-1]["loss_sum"]) / self.n_images)
        return losses

    def evaluate(self, n_batches: int) -> float:
        for loop in self.loops:
            batches = loop.batches[Phase.TEST]
            with loop.kernels.on_stream():
                loop.launcher.prepare(batches)
                batches.set_state()
                loop.launcher.launch(batches)
        states = [loop.read()[Phase.TEST][0] for loop in self.loops]
        n_images = len(self.loops[0].batches[Phase.TEST])
        return float(np.mean([state["n_correct"] / n_images for state in states]))
