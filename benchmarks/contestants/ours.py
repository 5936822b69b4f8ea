"""This project: engine=fast, by the runner's own loop."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks import images
from benchmarks.nets import BATCH, DROPOUT_RATIO, FULL_SCALE, LEARNING_RATE, WEIGHT_DECAY, Net
from runner.app import compose
from runner.engine.captured.loop import Captured
from runner.engine.cpu.threads import team
from runner.engine.protocol import Data, Engine, Position
from runner.seeding import batch_order
from runner.train.assemble import Assembly, assemble

_SEED = 0


class Ours:
    """One run of the fast engine; with several threads, a run that has the machine to itself."""

    def __init__(self, net: Net, folder: Path, threads: int) -> None:
        # Memory-mapped, as the runner's workers have them.
        self.data = Data(**vars(images.read(folder, mmap_mode="r")), scale=FULL_SCALE)
        assembly = assembled(net, lambda engine: self.data)
        loop = assembly.loop()
        assert isinstance(loop, Captured)
        self.model, self.loop, self.n_threads = assembly.model, loop, threads
        threadpool_limits(limits=1)  # as in a worker: the BLAS has one, the kernels share
        self.epoch = 0

    def train(self, n_steps: int) -> list[float]:
        """Its first step is recorded, the others are replayed, as those of any epoch."""
        order = self._order(n_steps + 1)
        position, sums = Position(), list[float]()

        def should_stop() -> bool:
            sums.append(position.loss_sum)
            return len(sums) > n_steps

        with team.of(self.n_threads):
            for _ in self.loop.epoch(order, position, should_stop):
                pass
        return [float(loss) for loss in np.diff(sums) / BATCH]

    def evaluate(self, n_batches: int) -> float:
        data, n_correct, n_left = self.data, 0, n_batches * BATCH
        with team.of(self.n_threads):
            while n_left:
                part = slice(min(n_left, len(data.test_images)))
                found = self.loop.evaluate(data.test_images[part], data.test_labels[part])
                n_correct += int(found.correct.sum())
                n_left -= len(found.correct)
        return n_correct / (n_batches * BATCH)

    def _order(self, n_batches: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """So many batches of the epochs that follow."""
        orders, n_images = list[np.ndarray[tuple[int], np.dtype[np.int64]]](), 0
        while n_images < n_batches * BATCH:
            self.epoch += 1
            orders.append(batch_order(_SEED, self.epoch, len(self.data.train_images)))
            n_images += len(orders[-1])
        return np.concatenate(orders)[: n_batches * BATCH]


def assembled(net: Net, load: Callable[[Engine], Data], device: str = "cpu") -> Assembly:
    """The parts of a run, put together as for any run."""
    cnn = net.channels and not net.users
    model = ("model=cnn", f"model.channels={net.channels}") if cnn else ("model=mlp",)
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
    if net.users:
        # As a file of conf/model says it.
        config.model = {
            "_target_": "benchmarks.users_net.UsersNet",
            "channels": net.channels,
            "hidden_size": net.hidden[0],
            "norm": True,
        }
    assembly = assemble(config, device, load)
    assembly.warm_up()
    if assembly.engine.fallbacks:
        raise RuntimeError(f"the fast engine left {', '.join(assembly.engine.fallbacks)} to DeZero")
    return assembly
