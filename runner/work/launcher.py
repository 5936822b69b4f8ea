"""Where a sweep's workers come from: the seam between the orchestrator and any launcher."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Protocol

from runner.config.schema import Config
from runner.errors import ConfigError
from runner.plan.plan import Plan, PlannedRun
from runner.state.journals import Journals
from runner.system.language import Said
from runner.train.sample import Sample
from runner.work.cluster.launch import ClusterLaunch
from runner.work.cluster.seam import Cluster
from runner.work.cluster.submitted import submitted
from runner.work.launch import Launch, StartWorkers, new_launch, unsettled
from runner.work.processes import guarded
from runner.work.remote.launch import RemoteLaunch
from runner.work.remote.ray import Ray
from runner.work.stop import Stop


class Launcher(Protocol):
    """Has workers train a plan: as processes that end with the sweep's, or on a cluster."""

    @property
    def is_here(self) -> bool:
        """Whether workers have the memory and the cards of this machine."""

    @property
    def n_tasks(self) -> int | None:
        """How many workers there are at most; None: as many as runner.workers says."""

    def check(self, config: Config) -> None:
        """Refuse what cannot be launched, before anything is written (ConfigError)."""

    def name(self, plan: Plan, journals: Journals) -> str:
        """The name of the launch: that of an earlier command whose workers are still at it."""

    def starting(
        self, runs: Sequence[PlannedRun], n_workers: int, sample: Callable[[], Sample]
    ) -> AbstractContextManager[None]:
        """In the block these runs are to be trained: workers may start before `train` is called.

        `sample` gives two images of the first run's data.
        """

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
    #: Has workers import what a run needs, as far as that can be done before their work: the run,
    #: how many of them, what gives two images.
    start_early: Callable[[PlannedRun, int, Callable[[], Sample]], None] = lambda *_: None

    def check(self, config: Config) -> None:
        if config.runner.detach:
            raise ConfigError(
                "runner.detach=true: these workers end with the sweep's process; it needs a"
                " cluster, such as -m hydra/launcher=slurm"
            )

    def name(self, plan: Plan, journals: Journals) -> str:
        return new_launch()

    @contextmanager
    def starting(
        self, runs: Sequence[PlannedRun], n_workers: int, sample: Callable[[], Sample]
    ) -> Iterator[None]:
        if not runs:
            yield
            return
        with guarded():
            self.start_early(runs[0], min(n_workers, len(runs)), sample)
            yield

    def train(
        self,
        plan: Plan,
        journals: Journals,
        stop: Stop,
        name: str,
        n_workers: int,
        tell: Callable[[Said], None],
    ) -> None:
        Launch(plan, journals, stop, self.start_workers, name).until_settled(n_workers)


@dataclass(frozen=True)
class OnCluster:
    """Tasks that a cluster owns."""

    cluster: Cluster
    is_here: bool = False

    @property
    def n_tasks(self) -> int:
        return self.cluster.n_tasks

    def check(self, config: Config) -> None:
        _check_workers(config, self.cluster.name)
        if config.runner.detach and config.sweep.seeds != "fixed":
            raise ConfigError(
                f"runner.detach=true: sweep.seeds={config.sweep.seeds} has to decide each look;"
                " leave one of them out"
            )
        self.cluster.check(config.device)

    def name(self, plan: Plan, journals: Journals) -> str:
        before = submitted(plan, journals.root)
        return new_launch() if before is None or before.is_over else before.given.launch

    def starting(
        self, runs: Sequence[PlannedRun], n_workers: int, sample: Callable[[], Sample]
    ) -> AbstractContextManager[None]:
        return nullcontext()

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

    def leave(
        self, plan: Plan, journals: Journals, n_workers: int, tell: Callable[[Said], None]
    ) -> None:
        """Submit what is left, unless that was done, and wait for nothing (RunnerError)."""
        name = self.name(plan, journals)
        launch = ClusterLaunch(plan, journals, Stop(), self.cluster, name, tell)
        if not launch.begun() and unsettled(plan, journals, name):
            launch.submit(n_workers)


@dataclass(frozen=True)
class OnRay:
    """Tasks of Ray, on hosts that see nothing of the root; they end with the sweep's process."""

    ray: Ray
    is_here: bool = False

    @property
    def n_tasks(self) -> int:
        return self.ray.n_tasks

    def check(self, config: Config) -> None:
        _check_workers(config, self.ray.name)
        if config.runner.detach:
            raise ConfigError(
                f"runner.detach=true: tasks of hydra/launcher={self.ray.name} end with the sweep's"
                " process"
            )
        self.ray.check(config.device)

    def name(self, plan: Plan, journals: Journals) -> str:
        return new_launch()

    def starting(
        self, runs: Sequence[PlannedRun], n_workers: int, sample: Callable[[], Sample]
    ) -> AbstractContextManager[None]:
        return nullcontext()

    def train(
        self,
        plan: Plan,
        journals: Journals,
        stop: Stop,
        name: str,
        n_workers: int,
        tell: Callable[[Said], None],
    ) -> None:
        with self.ray.ready(journals.root):
            RemoteLaunch(plan, journals, stop, self.ray, name, tell).until_settled(n_workers)


def _check_workers(config: Config, name: str) -> None:
    if config.runner.workers != -1:
        raise ConfigError(
            f"runner.workers={config.runner.workers}: with hydra/launcher={name} it is"
            " hydra.launcher.tasks that says how many there are"
        )
