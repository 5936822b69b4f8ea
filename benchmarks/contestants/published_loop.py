"""The published training, with DeZero's own layers, data loader and optimizer.

Imported after whatever makes `import dezero` work (dezero_as_shipped.py, dezero_float32.py).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dezero
import dezero.functions as F
import dezero.layers as L
import numpy as np
from dezero import DataLoader, optimizers
from dezero.transforms import Compose, Flatten, Normalize, ToFloat

from benchmarks import images
from benchmarks.nets import (
    BATCH,
    DROPOUT_RATIO,
    FULL_SCALE,
    LEARNING_RATE,
    N_CLASSES,
    SIDE,
    WEIGHT_DECAY,
    Net,
)
from benchmarks.users_net import UsersNet


class Digits(dezero.datasets.Dataset):  # type: ignore[misc]  # DeZero is untyped
    """Like `dezero.datasets.MNIST`: an image and its label at a time, through a transform."""

    def __init__(self, data: Any, label: Any, transform: Any) -> None:
        super().__init__(transform=transform)
        self.data, self.label = data, label


class Network(dezero.Model):  # type: ignore[misc]
    """[3x3 convolution, ReLU, 2x2 max-pool], then [linear, ReLU, dropout] a hidden layer, then
    linear."""

    def __init__(self, net: Net) -> None:
        super().__init__()
        self.dropout = net.dropout
        self.conv = L.Conv2d(net.channels, kernel_size=3, stride=1, pad=1) if net.channels else None
        self.hidden = [L.Linear(size) for size in net.hidden]
        for i, layer in enumerate(self.hidden):
            setattr(self, f"l{i}", layer)
        self.out = L.Linear(N_CLASSES)

    def forward(self, x: Any) -> Any:
        if self.conv is not None:
            x = F.pooling(F.relu(self.conv(x)), 2, 2)
            x = F.reshape(x, (len(x), -1))
        for layer in self.hidden:
            x = F.relu(layer(x))
            if self.dropout:
                x = F.dropout(x, DROPOUT_RATIO)
        return self.out(x)


class PublishedLoop:
    """`examples/mnist.py` of the book, batch by batch."""

    def __init__(self, net: Net, folder: Path, gpu: bool = False) -> None:
        data = images.read(folder)
        to_pixels = [ToFloat(), Normalize(0.0, FULL_SCALE)]
        transform = Compose(to_pixels if net.channels else [Flatten(), *to_pixels])
        train, test = (
            Digits(data.train_images, data.train_labels, transform),
            Digits(data.test_images, data.test_labels, transform),
        )
        self.train_batches = _endless(DataLoader(train, BATCH, gpu=gpu))
        self.test_batches = _endless(DataLoader(test, BATCH, shuffle=False, gpu=gpu))
        self.model = (
            UsersNet(net.channels, net.hidden[0], N_CLASSES, norm=True)
            if net.users
            else Network(net)
        )
        if gpu:
            # A layer that learns its size on a card fails in DeZero 0.0.13: its bias is left on the
            # CPU.
            shape = (1, 1, SIDE, SIDE) if net.channels else (1, SIDE * SIDE)
            self.model(np.zeros(shape, dtype=np.float32))
            self.model.to_gpu()
        self.optimizer = optimizers.Adam(LEARNING_RATE).setup(self.model)
        self.optimizer.add_hook(optimizers.WeightDecay(WEIGHT_DECAY))

    def train(self, n_steps: int) -> list[float]:
        losses, sum_acc = [], 0.0
        for _ in range(n_steps):
            x, t = next(self.train_batches)
            y = self.model(x)
            loss = F.softmax_cross_entropy(y, t)
            acc = F.accuracy(y, t)
            self.model.cleargrads()
            loss.backward()
            self.optimizer.update()
            losses.append(float(loss.data))
            sum_acc += float(acc.data) * len(t)
        return losses

    def evaluate(self, n_batches: int) -> float:
        # As published: no_grad alone leaves dropout on, and the accuracy is that of a network with
        # masks.
        sum_loss, sum_acc = 0.0, 0.0
        with dezero.no_grad():
            for _ in range(n_batches):
                x, t = next(self.test_batches)
                y = self.model(x)
                loss = F.softmax_cross_entropy(y, t)
                acc = F.accuracy(y, t)
                sum_loss += float(loss.data) * len(t)
                sum_acc += float(acc.data) * len(t)
        return sum_acc / (n_batches * BATCH)


def _endless(loader: Any) -> Iterator[tuple[Any, Any]]:
    """The loader's batches (x, t), epoch after epoch; it shuffles anew by itself."""
    while True:
        yield from loader
