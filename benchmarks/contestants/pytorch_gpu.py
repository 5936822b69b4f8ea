"""PyTorch on a GPU: the same networks and steps, eager, or captured as a CUDA graph and replayed.

Written for speed: images on the GPU as uint8, one indexing operation per batch, the fused Adam, and
losses and correct predictions summed on the GPU and read once at the end. Precision is PyTorch's
default: float32 for matrix products, TF32 allowed for convolutions.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks import images
from benchmarks.contestants.pytorch import network
from benchmarks.nets import BATCH, FULL_SCALE, LEARNING_RATE, WEIGHT_DECAY, Net

#: Steps before a capture, on a side stream, as PyTorch's manual requires.
_WARM_UP = 5


class PyTorchOnCard:
    """A network, its images and its optimizer on the GPU."""

    def __init__(self, net: Net, folder: Path, graph: bool) -> None:
        torch.manual_seed(0)
        data = images.read(folder)
        gpu = torch.device("cuda")
        self.train_images = torch.from_numpy(data.train_images).to(gpu)
        self.train_labels = torch.from_numpy(data.train_labels).long().to(gpu)
        self.test_images = torch.from_numpy(data.test_images).to(gpu)
        self.test_labels = torch.from_numpy(data.test_labels).long().to(gpu)
        self.model = network(net).to(gpu)
        self.optimizer = torch.optim.Adam(
            self.model.parameters(),
            lr=LEARNING_RATE,
            weight_decay=WEIGHT_DECAY,
            fused=True,
            capturable=graph,
        )
        self.rows = torch.zeros(BATCH, dtype=torch.long, device=gpu)
        self.loss_sum, self.n_correct = (
            torch.zeros((), device=gpu),
            torch.zeros((), dtype=torch.long, device=gpu),
        )
        self.train_rows = self._shuffled_rows()
        self.graph = self._capture() if graph else None

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

    def _capture(self) -> Any:
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(_WARM_UP):
                self._step()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._step()
        return graph

    def _shuffled_rows(self) -> Iterator[Any]:
        while True:
            yield from torch.randperm(
                len(self.train_images), device=self.train_images.device
            ).split(BATCH)

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
        n_correct = torch.zeros((), dtype=torch.long, device=self.rows.device)
        with torch.no_grad():
            for i in range(n_batches):
                rows = slice(
                    i * BATCH % len(self.test_images), i * BATCH % len(self.test_images) + BATCH
                )
                y = self.model(self.test_images[rows].to(torch.float32).div_(FULL_SCALE))
                n_correct += (y.argmax(dim=1) == self.test_labels[rows]).sum()
        return float(n_correct.item()) / (n_batches * BATCH)
