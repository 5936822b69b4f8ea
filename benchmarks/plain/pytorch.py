"""The main job as a Hydra and MLflow script in PyTorch: one MLflow run a job, logged by the fluent
calls.

`python -m benchmarks.plain.pytorch -m channels=1,30 dropout=true,false seed=0,1,2,3,4 root=DIR`,
where DIR has MNIST as benchmarks/images.py writes it. Network, optimizer and steps are those of
benchmarks/contestants/pytorch.py, eager and in PyTorch's usual layout: of all its variants the
fastest in training 30 channels by one thread a job. Each epoch has the runner's evaluations.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hydra
import mlflow
import torch
from omegaconf import DictConfig
from torch import nn

from benchmarks import images
from benchmarks.contestants.pytorch import network
from benchmarks.nets import BATCH, FULL_SCALE, LEARNING_RATE, WEIGHT_DECAY, Net

#: Of the training images, those that are evaluated without dropout.
_N_TRAIN_EVAL = 10_000


@hydra.main(version_base=None, config_path=".", config_name="pytorch")
def main(config: DictConfig) -> None:
    """One job: train, and log every epoch."""
    mlflow.set_tracking_uri(f"sqlite:///{config.root}/mlflow.db")
    mlflow.set_experiment("plain")
    knobs = {"channels": config.channels, "dropout": config.dropout, "seed": config.seed}
    with mlflow.start_run(run_name=" ".join(f"{name}={value}" for name, value in knobs.items())):
        mlflow.log_params(knobs)
        for epoch, metrics in enumerate(_train(config), 1):
            mlflow.log_metrics(metrics, step=epoch)


def _train(config: DictConfig) -> Iterator[dict[str, float]]:
    torch.set_num_threads(1)
    torch.manual_seed(config.seed)
    model = network(Net(channels=config.channels, hidden=(100,), dropout=config.dropout))
    optimizer = torch.optim.Adam(
        model.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY, fused=True
    )
    data = images.read(Path(config.root))
    train, test = (
        (torch.from_numpy(pixels), torch.from_numpy(labels).long())
        for pixels, labels in (
            (data.train_images, data.train_labels),
            (data.test_images, data.test_labels),
        )
    )
    for _ in range(config.epochs):
        model.train()
        total = _Total()
        for rows in torch.randperm(len(train[0])).split(BATCH):
            loss = total.of(model, train, rows)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        found = {"train": total, "train_eval": _evaluate(model, train, _N_TRAIN_EVAL)}
        found["test"] = found["test_masked"] = _evaluate(model, test)
        if config.dropout:
            found["test_masked"] = _evaluate(model, test, masked=True)
        yield {f"{name}/loss": of.loss / of.n for name, of in found.items()} | {
            f"{name}/accuracy": of.n_correct / of.n for name, of in found.items()
        }


class _Total:
    """Loss and right answers over the batches of an epoch."""

    def __init__(self) -> None:
        self.loss, self.n_correct, self.n = 0.0, 0, 0

    def of(self, model: Any, data: tuple[Any, Any], rows: Any) -> Any:
        """The mean cross-entropy of a batch, which is added."""
        x, t = data[0][rows].to(torch.float32).div_(FULL_SCALE), data[1][rows]
        y = model(x)
        loss = nn.functional.cross_entropy(y, t)
        self.loss += loss.item() * len(t)
        self.n_correct += int((y.argmax(dim=1) == t).sum())
        self.n += len(t)
        return loss


def _evaluate(
    model: Any, data: tuple[Any, Any], n: int | None = None, masked: bool = False
) -> _Total:
    """Of the first n images, in test mode or with dropout on."""
    model.train(masked)
    total = _Total()
    with torch.no_grad():
        for rows in torch.arange(n or len(data[0])).split(BATCH):
            total.of(model, data, rows)
    return total


if __name__ == "__main__":
    main()
