"""PyTorch on the CPU, several seeds in one process: `torch.func.vmap` over stacked models.

Each seed has its own weights, order of the images and dropout masks. Otherwise as pytorch.py:
images in memory as uint8, a batch of all seeds by one indexing, one fused Adam for all of them.
"""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import func, nn

from benchmarks.contestants.pytorch import InMemory, network
from benchmarks.nets import BATCH, FULL_SCALE, LEARNING_RATE, WEIGHT_DECAY, Net


class PyTorchVmap(InMemory):
    """`n_runs` networks in one set of arrays, each with a leading axis of seeds."""

    def __init__(self, net: Net, folder: Path, threads: int, n_runs: int, compiled: bool) -> None:
        super().__init__(folder, threads)
        self.n_runs = n_runs
        models = [network(net) for _ in range(n_runs)]
        # Its parameters hold no numbers: `functional_call` is given those of a seed.
        self.model = copy.deepcopy(models[0]).to("meta")
        stacked, self.buffers = func.stack_module_state(models)
        self.parameters = {name: nn.Parameter(p.detach()) for name, p in stacked.items()}
        self.optimizer = torch.optim.Adam(
            self.parameters.values(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY, fused=True
        )
        gradients = func.vmap(func.grad(self._loss, has_aux=True), randomness="different")
        sums = func.vmap(self._sums, in_dims=(0, 0, None, None))
        self.gradients = torch.compile(gradients, dynamic=False) if compiled else gradients
        self.sums = torch.compile(sums, dynamic=False) if compiled else sums
        self.train_rows, self.test_rows = self._shuffled_rows(), self._rows_in_order()

    def _loss(self, parameters: Any, buffers: Any, x: Any, t: Any) -> tuple[Any, Any]:
        """Mean cross-entropy of a seed; it again, and how many are right."""
        # BatchNorm's averages move in place: they are a seed's own, as the weights are.
        y = func.functional_call(self.model, (parameters, buffers), (x,))
        loss = nn.functional.cross_entropy(y, t)
        return loss, (loss.detach(), (y.argmax(dim=1) == t).sum())

    def _sums(self, parameters: Any, buffers: Any, x: Any, t: Any) -> Any:
        return self._loss(parameters, buffers, x, t)[1]

    def train(self, n_steps: int) -> list[float]:
        losses, n_correct = [], 0
        self.model.train()
        for _ in range(n_steps):
            rows = next(self.train_rows)
            x, t = self._pixels(self.train_images[rows]), self.train_labels[rows]
            parameters = {name: p.detach() for name, p in self.parameters.items()}
            gradients, (loss, correct) = self.gradients(parameters, self.buffers, x, t)
            for name, p in self.parameters.items():
                p.grad = gradients[name]
            self.optimizer.step()
            losses.append(loss.mean().item())
            n_correct += correct.sum().item()
        return losses

    def evaluate(self, n_batches: int) -> float:
        sum_loss, n_correct = 0.0, 0
        self.model.eval()
        parameters = {name: p.detach() for name, p in self.parameters.items()}
        with torch.no_grad():
            for _ in range(n_batches):
                rows = next(self.test_rows)
                x, t = self._pixels(self.test_images[rows]), self.test_labels[rows]
                loss, correct = self.sums(parameters, self.buffers, x, t)
                sum_loss += loss.sum().item() * len(t)
                n_correct += correct.sum().item()
        return n_correct / (n_batches * BATCH * self.n_runs)

    def _shuffled_rows(self) -> Iterator[Any]:
        """Rows (runs, batch), epoch after epoch, in a new order each."""
        while True:
            orders = [torch.randperm(len(self.train_images)) for _ in range(self.n_runs)]
            yield from torch.stack(orders).split(BATCH, dim=1)

    def _rows_in_order(self) -> Iterator[Any]:
        while True:
            yield from torch.arange(len(self.test_images)).split(BATCH)

    def _pixels(self, taken: Any) -> Any:
        """uint8 (..., 1, 28, 28) as float32 from 0 to 1."""
        return taken.to(torch.float32).div_(FULL_SCALE)
