"""PyTorch on a GPU, several seeds at once: `torch.vmap` over stacked models, as a CUDA graph.

Each seed has its own weights, order of the images and dropout masks. Otherwise as
pytorch_gpu.py: images on the GPU, one fused Adam for all seeds, sums read once at the end.
"""

import copy
from pathlib import Path
from typing import Any

import torch
from torch import func, nn

from benchmarks.contestants.pytorch import network
from benchmarks.contestants.pytorch_gpu import GPU, OnCard, captured
from benchmarks.nets import BATCH, FULL_SCALE, LEARNING_RATE, WEIGHT_DECAY, Net


class PyTorchVmapOnCard(OnCard):
    """`n_runs` networks in one set of arrays, each with a leading axis of seeds."""

    def __init__(self, net: Net, folder: Path, n_runs: int, graph: bool = True) -> None:
        super().__init__(folder)
        models = [network(net).to(GPU) for _ in range(n_runs)]
        # Its parameters hold no numbers: `functional_call` is given those of a seed.
        self.model = copy.deepcopy(models[0]).to("meta")
        stacked, _ = func.stack_module_state(models)
        self.parameters = {name: p.detach().clone() for name, p in stacked.items()}
        self.optimizer = torch.optim.Adam(
            [p.requires_grad_() for p in self.parameters.values()],
            lr=LEARNING_RATE,
            weight_decay=WEIGHT_DECAY,
            fused=True,
            capturable=graph,
        )
        self.gradients = func.vmap(func.grad(self._loss, has_aux=True), randomness="different")
        self.rows = torch.zeros(n_runs, BATCH, dtype=torch.long, device=GPU)
        self.n_runs, self.order, self.step = n_runs, self.rows, 0
        self.graph = captured(self._step) if graph else None

    def _loss(self, parameters: Any, x: Any, t: Any) -> Any:
        y = func.functional_call(self.model, parameters, (x,))
        loss = nn.functional.cross_entropy(y, t)
        return loss, (loss.detach(), (y.argmax(dim=1) == t).sum())

    def _step(self) -> None:
        x = self.train_images[self.rows].to(torch.float32).div_(FULL_SCALE)
        t = self.train_labels[self.rows]
        with torch.no_grad():
            parameters = {name: p.detach() for name, p in self.parameters.items()}
            gradients, (losses, n_correct) = self.gradients(parameters, x, t)
            for name, p in self.parameters.items():
                p.grad = gradients[name]
            self.optimizer.step()
            self.loss_sum += losses.mean()
            self.n_correct += n_correct.sum()

    def train(self, n_steps: int) -> list[float]:
        self.model.train()
        self.loss_sum.zero_()
        self.n_correct.zero_()
        n_batches = len(self.train_images) // BATCH
        for _ in range(n_steps):
            if self.step % n_batches == 0:
                keys = torch.rand(self.n_runs, len(self.train_images), device=GPU)
                self.order = keys.argsort(dim=1)
            start = self.step % n_batches * BATCH
            self.rows.copy_(self.order[:, start : start + BATCH])
            if self.graph is None:
                self._step()
            else:
                self.graph.replay()
            self.step += 1
        return [self.loss_sum.item() / n_steps]

    def evaluate(self, n_batches: int) -> float:
        self.model.eval()
        n_correct = torch.zeros((), dtype=torch.long, device=GPU)
        parameters = {name: p.detach() for name, p in self.parameters.items()}
        scores = func.vmap(
            lambda p, x: func.functional_call(self.model, p, (x,)), in_dims=(0, None)
        )
        with torch.no_grad():
            for x, t in self.test_batches(n_batches):
                n_correct += (scores(parameters, x).argmax(dim=2) == t).sum()
        return float(n_correct.item()) / (n_batches * BATCH * self.n_runs)
