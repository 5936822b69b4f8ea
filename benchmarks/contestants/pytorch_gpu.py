"""PyTorch on a GPU: the same networks and steps, eager, or captured as a CUDA graph and replayed.

Written for speed: images on the GPU as uint8, one indexing operation per batch, the fused Adam,
cuDNN's fastest algorithms for the shapes at hand, and losses and correct predictions summed on the
GPU and read once at the end. Precision is PyTorch's default: float32 for matrix products, TF32
allowed for convolutions.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks import images
from benchmarks.contestants.pytorch import network
from benchmarks.nets import BATCH, FULL_SCALE, LEARNING_RATE, WEIGHT_DECAY, Net

torch.backends.cudnn.benchmark = True

GPU = "cuda"
#: Steps before a capture, on a side stream, as PyTorch's manual requires.
_WARM_UP = 5


class OnCard:
    """The images on the GPU, and the sums that training leaves there."""

    def __init__(self, folder: Path) -> None:
        torch.manual_seed(0)
        data = images.read(folder)
        self.train_images = torch.from_numpy(data.train_images).to(GPU)
        self.train_labels = torch.from_numpy(data.train_labels).long().to(GPU)
        self.test_images = torch.from_numpy(data.test_images).to(GPU)
        self.test_labels = torch.from_numpy(data.test_labels).long().to(GPU)
        self.loss_sum = torch.zeros((), device=GPU)
        self.n_correct = torch.zeros((), dtype=torch.long, device=GPU)

    def test_batches(self, n_batches: int) -> Iterator[tuple[Any, Any]]:
        """So many batches (x, t) of test images, from the first one on."""
        for i in range(n_batches):
            start = i * BATCH % len(self.test_images)
            x = self.test_images[start : start + BATCH].to(torch.float32).div_(FULL_SCALE)
            yield x, self.test_labels[start : start + BATCH]


def captured(step: Callable[[], None]) -> Any:
    """The CUDA graph of a step, after a few of them as a warm-up."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(_WARM_UP):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph


class PyTorchOnCard(OnCard):
    """A network, its images and its optimizer on the GPU."""

    def __init__(self, net: Net, folder: Path, graph: bool) -> None:
        super().__init__(folder)
        self.model = network(net).to(GPU)
        self.optimizer = torch.optim.Adam(
            self.model.parameters(),
            lr=LEARNING_RATE,
            weight_decay=WEIGHT_DECAY,
            fused=True,
            capturable=graph,
        )
        self.rows = torch.zeros(BATCH, dtype=torch.long, device=GPU)
        self.train_rows = self._shuffled_rows()
        self.graph = captured(self._step) if graph else None

    def _step(self) -> None:
        x = self.train_images[self.rows].to(torch.float32).div_(FULL_SCALE)
        t = self.train_labels[self.rows]
        y = self.model(x)
        loss = nn.functional.cross_entropy(y, t)
        self.optimizer.zero_grad(set_to_none=False)
        loss.backward()
        self.optimizer.step()
        self.loss_sum += loss.detach()
        self.n_correct += (y.argmax(dim=1) == t).sum()

    def _shuffled_rows(self) -> Iterator[Any]:
        while True:
            yield from torch.randperm(len(self.train_images), device=GPU).split(BATCH)

    def train(self, n_steps: int) -> list[float]:
        self.model.train()
        self.loss_sum.zero_()
        self.n_correct.zero_()
        for _ in range(n_steps):
            self.rows.copy_(next(self.train_rows))
            if self.graph is None:
                self._step()
            else:
                self.graph.replay()
        return [self.loss_sum.item() / n_steps]

    def evaluate(self, n_batches: int) -> float:
        self.model.eval()
        n_correct = torch.zeros((), dtype=torch.long, device=GPU)
        with torch.no_grad():
            for x, t in self.test_batches(n_batches):
                n_correct += (self.model(x).argmax(dim=1) == t).sum()
        return float(n_correct.item()) / (n_batches * BATCH)
