"""Where a sweep's workers come from: the seam between the orchestrator and any launcher."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from runner.config.schema import Config
from runner.errors import ConfigError
from runner.plan.plan import Plan
from runner.state.journals import Journals
from runner.system.language import Said
from runner.work.cluster.launch import ClusterLaunch, running
from runner.work.cluster.seam import Cluster
from runner.work.launch import Launch, StartWorkers, new_launch
from runner.work.processes import guarded
from runner.work.stop import Stop


class Launcher(Protocol):
    """Has workers train a plan: as processes that end with the sweep's, or on a cluster."""

    @property
    def is_here(self) -> bool:
        """Whether workers have the memory and the cards of this machine."""

    @property
    def n_tasks(self) -> int | None:
        """How many workers there are at most; None: as many as runner.workers says."""

    @property
    def outlives_parent(self) -> bool:
        """Whether workers go on when the sweep's process has ended."""

    def check(self, config: Config) -> None:
        """Refuse what cannot be launched, before anything is written (ConfigError)."""

    def name(self, plan: Plan, journals: Journals) -> str:
        """The name of the launch: that of an earlier command whose workers are still at it."""

    def train(
        self,
        plan: Plan,
        journals: Journals,
        stop: Stop,
        name: str,
        n_workers: int,
        tell: Callable[[Said], None],
    ) -> None:
        """Have workers train until each run is settled or a stop is asked for (RunnerError)."""


@dataclass(frozen=True)
class Local:
    """Workers that end with the sweep's process, started by a launcher of Hydra's or by none."""

    start_workers: StartWorkers
    is_here: bool = True
    n_tasks: None = None
    outlives_parent: bool = False

    def check(self, config: Config) -> None:
        pass

    def name(self, plan: Plan, journals: Journals) -> str:
        return new_launch()

    def train(
        self,
        plan: Plan,
        journals: Journals,
        stop: Stop,
        name: str,
        n_workers: int,
        tell: Callable[[Said], None],
    ) -> None:
        with guarded():
            Launch(plan, journals, stop, self.start_workers, name).until_settled(n_workers)


@dataclass(frozen=True)
class OnCluster:
    """Tasks that a cluster owns."""

    cluster: Cluster
    is_here: bool = False

    @property
    def n_tasks(self) -> int:
        return self.cluster.n_tasks

    @property
    def outlives_parent(self) -> bool:
        return self.cluster.outlives_parent

    def check(self, config: Config) -> None:
        if config.runner.workers != -1:
            raise ConfigError(
                f"runner.workers={config.runner.workers}: with hydra/launcher={self.cluster.name}"
                " it is hydra.launcher.tasks that says how many there are"
            )
        self.cluster.check(config.device)

    def name(self, plan: Plan, journals: Journals) -> str:
        given = running(plan, journals, self.cluster)
        return given.launch if given else new_launch()

    def train(
        self,
        plan: Plan,
        journals: Journals,
        stop: Stop,
        name: str,
        n_workers: int,
        tell: Callable[[Said], None],
    ) -> None:
        ClusterLaunch(plan, journals, stop, self.cluster, name, tell).until_settled(n_workers)
