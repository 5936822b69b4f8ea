"""`hydra/launcher=slurm`: what may be said of the tasks, each with its default."""

from dataclasses import dataclass
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf


@dataclass
class SlurmConfig:
    """`hydra.launcher.*`; null leaves it to what sbatch does by itself."""

    # Tasks of the array, at most; each trains its share of the runs, one after the other.
    tasks: int = 4
    # Names, as sbatch takes them.
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    # Longest time of a task: 30m, 4h, 2d, or in any form of sbatch's. A task that is not done then
    # goes on in a new one.
    time: str | None = None
    # Of a task: memory as in 4G, cores (a run has one thread), cards (with device=gpu).
    memory: str | None = None
    cpus: int = 1
    gpus: int = 0
    # How many tasks may run at the same time; 0 is no limit.
    array_parallelism: int = 0
    # Seconds before the end of its time at which a task writes its checkpoint and is queued again.
    warning_s: int = 120


ConfigStore.instance().store(
    group="hydra/launcher", name="slurm", node=SlurmConfig, provider="runner"
)


def slurm(config: DictConfig) -> Any:
    """The launcher of a configuration: a `runner.work.launcher.OnCluster`."""
    # Imported here: Hydra loads every plugin at every start.
    from runner.work.cluster.slurm import Slurm
    from runner.work.launcher import OnCluster

    given: Any = OmegaConf.to_container(config, resolve=True)
    return OnCluster(Slurm(n_tasks=given.pop("tasks"), **given))
