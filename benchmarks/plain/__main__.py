"""A Hydra and MLflow script as their tutorials have it: one MLflow run a job, logged by the fluent
calls.

`python -m benchmarks.plain -m channels=1,2,3 seed=0,1 root=DIR`
"""

from collections.abc import Iterator
from pathlib import Path

import hydra
import mlflow
from omegaconf import DictConfig

from runner.app import compose
from runner.data import loading
from runner.engine.protocol import Data, Engine, Position
from runner.record import TIMES, EpochRecord
from runner.train import epochs
from runner.train.assemble import assemble


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
    dataset, _ = loading.prepare("mnist5k", Path(config.root) / "data")
    knobs = [
        "model.hidden_size=16",
        f"model.channels={config.channels}",
        f"train.epochs={config.epochs}",
    ]

    def load(engine: Engine) -> Data:
        arrays = {name: engine.asarray(getattr(dataset, name)) for name in loading.ARRAYS}
        return Data(**arrays, scale=dataset.full_scale)

    assembly = assemble(compose("data=mnist5k", *knobs, f"seed={config.seed}"), "cpu", load)
    assembly.warm_up()
    records = epochs.train(assembly, Position())
    yield from filter(None, records)


if __name__ == "__main__":
    main()
