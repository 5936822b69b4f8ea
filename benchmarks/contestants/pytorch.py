"""PyTorch on the CPU: the same networks and steps, written as its users would who care about speed.

The images stay in memory as uint8 and a batch is one indexing, Adam is the fused one, and both were
faster here than the data loader and the default Adam.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks import images
from benchmarks.nets import (
    BATCH,
    DROPOUT_RATIO,
    FULL_SCALE,
    LEARNING_RATE,
    N_CLASSES,
    NORM_DECAY,
    NORM_EPS,
    WEIGHT_DECAY,
    Net,
)


def network(net: Net) -> nn.Sequential:
    """The layers in the order in which they are applied to (n, 1, 28, 28)."""
    layers: list[nn.Module] = []
    activation = nn.Tanh if net.users else nn.ReLU
    for n_in, n_out in net.convolutions:
        layers.append(nn.Conv2d(n_in, n_out, kernel_size=3, padding=1))
        if net.users:
            layers.append(nn.BatchNorm2d(n_out, eps=NORM_EPS, momentum=1 - NORM_DECAY))
        layers.append(activation())
    if net.channels:
        layers.append(nn.MaxPool2d(2))
    layers.append(nn.Flatten())
    sizes = net.layer_sizes
    for n_in, n_out in zip(sizes[:-2], sizes[1:-1], strict=True):
        layers += [nn.Linear(n_in, n_out), activation()]
        if net.dropout:
            layers.append(nn.Dropout(DROPOUT_RATIO))
    return nn.Sequential(*layers, nn.Linear(sizes[-2], N_CLASSES))


class InMemory:
    """Images as uint8 and labels in memory, so many threads, and random numbers of a fixed seed."""

    def __init__(self, folder: Path, threads: int) -> None:
        torch.set_num_threads(threads)
        torch.manual_seed(0)
        data = images.read(folder)
        self.train_images, self.test_images = (
            torch.from_numpy(data.train_images),
            torch.from_numpy(data.test_images),
        )
        self.train_labels = torch.from_numpy(data.train_labels).long()
        self.test_labels = torch.from_numpy(data.test_labels).long()


class PyTorch(InMemory):
    """Eager or compiled, images (and so activations) in PyTorch's usual layout or channels last."""

    def __init__(
        self, net: Net, folder: Path, threads: int, compiled: bool, channels_last: bool
    ) -> None:
        super().__init__(folder, threads)
        self.layout = torch.channels_last if channels_last else torch.contiguous_format
        self.model = network(net).to(memory_format=self.layout)
        # Its weight decay adds to the gradient, as DeZero's does (AdamW would not).
        self.optimizer = torch.optim.Adam(
            self.model.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY, fused=True
        )
        self.forward = torch.compile(self._forward) if compiled else self._forward
        self.train_rows = _endless(lambda: torch.randperm(len(self.train_images)))
        self.test_rows = _endless(lambda: torch.arange(len(self.test_images)))

    def _forward(self, x: Any, t: Any) -> tuple[Any, Any]:
        """Mean cross-entropy, and how many are right."""
        y = self.model(x)
        return nn.functional.cross_entropy(y, t), (y.argmax(dim=1) == t).sum()

    def _pixels(self, taken: Any) -> Any:
        """uint8 (n, 1, 28, 28) as float32 from 0 to 1."""
        return taken.to(torch.float32, memory_format=self.layout).div_(FULL_SCALE)

    def train(self, n_steps: int) -> list[float]:
        losses, n_correct = [], 0
        self.model.train()
        for _ in range(n_steps):
            rows = next(self.train_rows)
            x, t = self._pixels(self.train_images[rows]), self.train_labels[rows]
            loss, correct = self.forward(x, t)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            losses.append(loss.item())
            n_correct += correct.item()
        return losses

    def evaluate(self, n_batches: int) -> float:
        sum_loss, n_correct = 0.0, 0
        self.model.eval()
        with torch.no_grad():
            for _ in range(n_batches):
                rows = next(self.test_rows)
                x, t = self._pixels(self.test_images[rows]), self.test_labels[rows]
                loss, correct = self.forward(x, t)
                sum_loss += loss.item() * len(t)
                n_correct += correct.item()
        return n_correct / (n_batches * BATCH)


def _endless(order: Any) -> Iterator[Any]:
    """Rows of a batch, epoch after epoch, in a new order each."""
    while True:
        yield from order().split(BATCH)
