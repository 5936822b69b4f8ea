"""`hydra/launcher=ray`: what may be said of the tasks, each with its default."""

from dataclasses import dataclass
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf


@dataclass
class RayConfig:
    """`hydra.launcher.*`."""

    # The cluster: auto (of this node), or HOST:PORT of its head, typed on a node of it; null or
    # local: a Ray of its own on this machine, which ends with the sweep.
    address: str | None = None
    # Tasks at a time, at most; 0: as many as there is room for when the sweep begins. Each trains a
    # run; with device=gpu a share of all runs, several at a time.
    tasks: int = 0
    # Of a task: cores (a run has one thread), cards (with device=gpu), memory as in 4G.
    cpus: int = 1
    gpus: int = 0
    memory: str | None = None


ConfigStore.instance().store(group="hydra/launcher", name="ray", node=RayConfig, provider="runner")


def ray(config: DictConfig) -> Any:
    """The launcher of a configuration: a `runner.work.launcher.OnRay`."""
    # Imported here: Hydra loads every plugin at every start.
    from runner.work.launcher import OnRay
    from runner.work.remote.asked import Asked
    from runner.work.remote.ray import Ray

    given: Any = OmegaConf.to_container(config, resolve=True)
    return OnRay(Ray(Asked(**given)))
