"""A Hydra and MLflow script as their tutorials have it: one MLflow run a job, logged by the fluent calls.

`python -m benchmarks.plain -m channels=1,2,3 seed=0,1 root=DIR`
"""

from collections.abc import Iterator
from pathlib import Path

import hydra
import mlflow
from omegaconf import DictConfig

from runner import engine as engines
from runner import models, seeding
from runner.config.schema import ModelConfig, OptimizerConfig
from runner.data import loading as datasets
from runner.engine import loop
from runner.record import TIMES, EpochRecord
from runner.train import epochs as training


@hydra.main(version_base=None, config_path=".", config_name="plain")
def main(config: DictConfig) -> None:
    """One job: train, and log every epoch."""
    mlflow.set_tracking_uri(f"sqlite:///{config.root}/mlflow.db")
    mlflow.set_experiment("plain")
    with mlflow.start_run(run_name=f"channels={config.channels} seed={config.seed}"):
        mlflow.log_params({"channels": config.channels, "seed": config.seed})
        for record in _train(config):
            values = {name: value for name, value in record.metrics().items() if name not in TIMES}
            mlflow.log_metrics(values, step=record.epoch)


def _train(config: DictConfig) -> Iterator[EpochRecord]:
    dataset, _ = datasets.prepare("mnist5k", Path(config.root) / "data")
    engine = engines.create("fast", seeding.Masks(config.seed), "cpu")
    network = ModelConfig("cnn", config.channels, None, 16, 1, True, 0.5, {})
    model = models.build(network, engine, dataset.train_images.shape[1:], config.seed)
    optimizer = engine.optimizer(OptimizerConfig("adam", 0.001, 0.0001, 0.9), model)
    images = loop.Data(
        engine.resident(dataset.train_images),
        engine.resident(dataset.train_labels),
        engine.resident(dataset.test_images),
        engine.resident(dataset.test_labels),
        dataset.full_scale,
    )
    training.warm_up(model, optimizer, engine, images)
    records = training.train(model, optimizer, engine, images, config.seed, config.epochs, 100, loop.Position())
    yield from filter(None, records)


if __name__ == "__main__":
    main()
