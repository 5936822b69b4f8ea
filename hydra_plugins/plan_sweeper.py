"""Hydra's door to runner.orchestrator: plan once, then have any launcher start the workers."""

import copy
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.core.utils import JobStatus
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, read_write

from hydra_plugins.ray_launcher import ray
from hydra_plugins.slurm_launcher import slurm


@dataclass
class PlanSweeperConfig:
    _target_: str = "hydra_plugins.plan_sweeper.PlanSweeper"
    # Swept values of each knob as a sweep file of sweeps/ writes them, such as "1,30".
    params: dict[str, str] = field(default_factory=dict)


ConfigStore.instance().store(
    group="hydra/sweeper", name="plan", node=PlanSweeperConfig, provider="runner"
)

#: The launchers whose workers have the memory of this machine.
_ON_THIS_MACHINE = ("cores", "joblib", "basic", "submitit_local")


#: The launchers that hand the work to a cluster: a `runner.work.launcher.Launcher` of each.
CLUSTERS: dict[str, Callable[[DictConfig], Any]] = {"slurm": slurm, "ray": ray}


class PlanSweeper(Sweeper):
    """Composes every cell, and launches workers instead of one job a run."""

    def __init__(self, params: dict[str, str]) -> None:
        self.params = params
        self._early: Any = None
        self._local: Any = None

    hydra_context: HydraContext
    task_function: TaskFunction
    config: DictConfig

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        self.hydra_context, self.task_function, self.config = hydra_context, task_function, config

    def sweep(self, arguments: list[str]) -> None:
        # Imported here: Hydra loads every plugin at every start, `--cfg job` included.
        from runner import words
        from runner.display import planning
        from runner.plan import grid
        from runner.system.command import as_typed

        words.speak(self.config.runner.language)
        cells = grid.compose(
            self.hydra_context.config_loader,
            self.config,
            dict(self.params),
            arguments,
            planning.composing,
        )
        # It imports MLflow, for which the first line need not wait.
        from runner.orchestrator import sweep
        from runner.work import joblibs
        from runner.work.launch import LocalWorkers
        from runner.work.launcher import Local

        command = as_typed("runner")
        name = self.config.hydra.runtime.choices["hydra/launcher"]
        if name in CLUSTERS:
            sys.exit(sweep(cells, command, CLUSTERS[name](self.config.hydra.launcher)))
        is_here = name in _ON_THIS_MACHINE
        self._local = LocalWorkers(self.config.runner.workers)
        local = Local(self._start_workers, is_here, start_early=self._start_early)
        try:
            code = sweep(cells, command, local)
        finally:
            self._local.end()
            joblibs.end_workers()
        sys.exit(code)

    @property
    def _is_joblib(self) -> bool:
        return self.config.hydra.runtime.choices["hydra/launcher"] in ("cores", "joblib")

    def _is_without_joblib(self, n_workers: int) -> bool:
        """Whether workers are processes that joblib does not start.

        Joblib runs a lone worker in this very process, where nobody could end it when it hangs.
        """
        from runner.work import joblibs

        is_lone = self.config.hydra.runtime.choices["hydra/launcher"] == "cores" and n_workers == 1
        return self._is_joblib and (is_lone or not joblibs.can_start())

    def _start_early(self, run: Any, n_workers: int, sample: Any) -> None:
        """Have workers start while the store is opened."""
        from hydra_plugins.hydra_joblib_launcher._core import process_joblib_cfg
        from joblib import effective_n_jobs

        from runner.work import joblibs

        if self._is_without_joblib(n_workers):
            self._local.start_early(run, n_workers, sample)
            return
        if not self._is_joblib or n_workers == 1:
            return
        launcher: Any = Plugins.instance().instantiate_launcher(
            hydra_context=self.hydra_context, task_function=self.task_function, config=self.config
        )
        # As Hydra's launcher will give them work.
        options = dict(launcher.joblib) | {"backend": "loky"}
        process_joblib_cfg(options)
        if effective_n_jobs(options["n_jobs"]) == 1:
            return
        self._early = joblibs.EarlyWorkers.start(run, n_workers, options)

    def _start_workers(self, plan: Path, launch: str, n_workers: int) -> list[str]:
        from runner import words
        from runner.config.quoting import quoted
        from runner.state.root import SweepFolder
        from runner.work import joblibs
        from runner.work.launch import threads_of

        launcher_name = self.config.hydra.runtime.choices["hydra/launcher"]
        if self._is_without_joblib(n_workers):
            if not joblibs.can_start():
                words.complain(joblibs.NO_SHARED_MEMORY)
            started: list[str] = self._local.start(plan, launch, n_workers)
            return started
        if launcher_name == "cores":
            joblibs.start_trackers()
        folder = SweepFolder(plan.parent).jobs(launch)
        launcher = Plugins.instance().instantiate_launcher(
            hydra_context=self.hydra_context,
            task_function=self.task_function,
            config=self._for_workers(folder),
        )
        if self._early:
            self._early.wait()
        job = [f"worker.plan={quoted(str(plan))}", f"worker.launch={launch}"]
        if launcher_name in _ON_THIS_MACHINE:
            job.append(f"worker.threads={threads_of(self.config.runner.workers, n_workers)}")
        returns: Sequence[Any] = launcher.launch([job] * n_workers, initial_job_idx=0)
        errors = [
            " ".join(str(r._return_value).split()) for r in returns if r.status == JobStatus.FAILED
        ]
        if not errors:
            shutil.rmtree(folder, ignore_errors=True)
        return errors

    def _for_workers(self, folder: Path) -> DictConfig:
        """The configuration as a launcher may write it to a file: without the store's address."""
        from runner.config.quoting import literal

        config = copy.deepcopy(self.config)
        with read_write(config), read_write(config.hydra):
            config.tracking.uri = None
            config.hydra.overrides.task = []
            config.hydra.job.override_dirname = ""
            launcher: Any = OmegaConf.to_container(config.hydra.launcher, resolve=False)
            # The default lies below Hydra's own folder, which is switched off.
            if str(launcher.get("submitit_folder")).startswith("${hydra.sweep.dir}"):
                # Jobs run the pickles that lie there, so that nobody else may write to it.
                folder.mkdir(mode=0o700, exist_ok=True)
                # Hydra resolves it twice.
                config.hydra.launcher.submitit_folder = literal(literal(f"{folder}/%j"))
        return config
