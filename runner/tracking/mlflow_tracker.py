"""The tracker that ships: a sweep's parent run in MLflow, and a nested run for each of its runs."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from filelock import FileLock

from runner.config.schema import recorded
from runner.faults import crash_point
from runner.plan.plan import Plan, PlannedRun
from runner.record import (
    DONE,
    KILLED,
    TAG_CAUSE,
    TAG_CELL_KEY,
    TAG_CLAIMS_SHA256,
    TAG_CODE,
    TAG_COMPLETE,
    TAG_LAST_USED,
    TAG_RUN_KEY,
    TAG_STATUS,
    TAG_SWEEP_KEY,
    sha256_tag,
    sweep_tag,
)
from runner.state.journal import Journal
from runner.state.records import Epoch
from runner.state.root import Root
from runner.tracking.tracker import TrackedRun

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

#: MLflow takes at most 1000 rows a call.
_ROWS_A_CALL = 900
#: So long another process may be in the middle of creating a run; one that was stopped there must
#: hold nobody up.
_ALONE_S = 30.0
_RUNNING = "running"


@dataclass
class MlflowRun(TrackedRun):
    """A run in MLflow."""

    run_key: str = ""
    #: Parameters that MLflow has not been sent yet, as JSON text by Hydra name.
    parameters: dict[str, str] = field(default_factory=dict)


class MlflowTracker:
    """An experiment of an MLflow store.

    Parameters
    ----------
    probe
        Raises when the store does not answer, much sooner than MLflow's own client would.
    """

    def __init__(
        self,
        client: "MlflowClient",
        experiment_id: str,
        root: Root,
        probe: Callable[[], None] = lambda: None,
    ) -> None:
        self.client, self.experiment_id, self.root, self.probe = client, experiment_id, root, probe
        self.parent_id: str | None = None
        #: Tags that tie a run to the sweep.
        self._link: dict[str, str] = {}
        #: Held from looking for a run in MLflow to creating it: two sweeps at once would each
        #: create it.
        self._alone = FileLock(str(root.tracking_lock), timeout=_ALONE_S)

    def open_sweep(self, plan: Plan, used: bool = True) -> None:
        """As `Tracker.open_sweep`: a parent run, with sweep.json as its artifact."""
        with self._alone:
            self.parent_id = self._find_or_create_parent(plan)
        self.client.log_artifact(self.parent_id, str(self.root.sweep(plan.sweep_key).plan))
        if used or TAG_LAST_USED not in self.client.get_run(self.parent_id).data.tags:
            self.client.set_tag(self.parent_id, TAG_LAST_USED, str(time.time_ns() // 1_000_000))
        self._link = {sweep_tag(plan.sweep_key): "1", "mlflow.parentRunId": self.parent_id}

    def begin_run(self, run: PlannedRun, journal: Journal) -> MlflowRun:
        """As `Tracker.begin_run`: found by its key, or created with its tags."""
        with self._alone:
            found = self._find(run)
            if found is None:
                return self._create(run, journal)
        tags, params, run_id = found.data.tags, found.data.params, str(found.info.run_id)
        # A run that another sweep trained becomes one of this sweep's too; its parent stays the
        # first.
        for name, value in self._link.items():
            if name not in tags:
                self.client.set_tag(run_id, name, value)
        # A process may have died between creating the run and sending its parameters.
        missing = {name: value for name, value in _parameters(run).items() if name not in params}
        is_complete = tags.get(TAG_COMPLETE) == "1" and not missing
        if not is_complete:
            from mlflow.entities import RunTag

            # A process that was killed early may not have said what the model and the engine turned
            # out to be.
            known = {TAG_STATUS, TAG_CAUSE} if journal.end else set()
            told = [
                (name, v)
                for name, v in _tags(run, journal).items()
                if name not in known and tags.get(name) != v
            ]
            if told:
                self.client.log_batch(run_id, tags=[RunTag(name, value) for name, value in told])
        if not is_complete and journal.end is None:
            self.client.update_run(run_id, status="RUNNING")
        return MlflowRun(run_id, is_complete, run.run_key, missing)

    def log_rows(self, tracked: TrackedRun, epochs: Sequence[Epoch]) -> None:
        """As `Tracker.log_rows`: with the journal's times, a row that is sent twice is one row."""
        self._log(tracked, epochs, {})

    def end_run(self, tracked: TrackedRun, epochs: Sequence[Epoch], journal: Journal) -> None:
        """As `Tracker.end_run`: MLflow's own status, the files, and last the tag `complete`."""
        end = journal.end
        assert end is not None and isinstance(tracked, MlflowRun)
        hashes = {sha256_tag(name): value for name, value in end.sha256.items()}
        self._log(tracked, epochs, {TAG_STATUS: end.status, TAG_CAUSE: end.cause or ""} | hashes)
        folder = self.root.run(tracked.run_key)
        for path in (folder.config, folder.weights, folder.test_correct):
            if journal.trained and path.exists():
                self.client.log_artifact(tracked.id, str(path))
        status = {DONE: "FINISHED", KILLED: "KILLED"}.get(end.status, "FAILED")
        crash_point("before_terminate")
        self.client.set_terminated(tracked.id, status, end_time=end.time_ms)
        crash_point("after_terminate")
        if journal.trained:
            crash_point("before_complete_tag")
            self.client.set_tag(tracked.id, TAG_COMPLETE, "1")
            crash_point("after_complete_tag")

    def close_sweep(self, status: str) -> None:
        """As `Tracker.close_sweep`: MLflow's own status of the parent run."""
        if self.parent_id is not None:
            self.client.set_terminated(self.parent_id, status)

    def _find_or_create_parent(self, plan: Plan) -> str:
        found = self.client.search_runs(
            [self.experiment_id], f"tags.{TAG_SWEEP_KEY} = '{plan.sweep_key}'"
        )
        if found:
            return str(found[-1].info.run_id)
        tags = {
            TAG_SWEEP_KEY: plan.sweep_key,
            TAG_CLAIMS_SHA256: plan.claims_sha256,
            "kind": "sweep",
            "command": " ".join(plan.command)[:5000],
        }
        return str(
            self.client.create_run(self.experiment_id, tags=tags, run_name=plan.name).info.run_id
        )

    def _find(self, run: PlannedRun) -> "Run | None":
        found = self.client.search_runs(
            [self.experiment_id],
            f"tags.{TAG_RUN_KEY} = '{run.run_key}'",
            order_by=["attributes.start_time"],
        )
        # A reply that was lost leaves a second run: the complete one stays, else the first.
        found.sort(key=lambda stored: stored.data.tags.get(TAG_COMPLETE) != "1")
        for spare in found[1:]:
            self.client.delete_run(spare.info.run_id)
        return found[0] if found else None

    def _create(self, run: PlannedRun, journal: Journal) -> MlflowRun:
        crash_point("before_create_run")
        created = self.client.create_run(
            self.experiment_id,
            start_time=_first_time_ms(journal),
            tags=_tags(run, journal) | self._link,
            run_name=run.name,
        )
        crash_point("after_create_run")
        return MlflowRun(str(created.info.run_id), False, run.run_key, _parameters(run))

    def _log(self, tracked: TrackedRun, epochs: Sequence[Epoch], tags: dict[str, str]) -> None:
        """Send rows, tags and missing parameters in as few calls as possible: each takes 5 ms."""
        from mlflow.entities import Metric, Param, RunTag

        assert isinstance(tracked, MlflowRun)
        rows = [
            Metric(name, value, epoch.time_ms, epoch.epoch)
            for epoch in epochs
            for name, value in epoch.metrics.items()
        ]
        crash_point("before_log_batch")
        self.client.log_batch(
            tracked.id,
            metrics=rows[:_ROWS_A_CALL],
            params=[Param(name, value) for name, value in tracked.parameters.items()],
            tags=[RunTag(name, value) for name, value in tags.items()],
        )
        for first in range(_ROWS_A_CALL, len(rows), _ROWS_A_CALL):
            self.client.log_batch(tracked.id, metrics=rows[first : first + _ROWS_A_CALL])
        crash_point("after_log_batch")
        tracked.parameters = {}


def _parameters(run: PlannedRun) -> dict[str, str]:
    """The configuration under its Hydra names, as JSON text, so that types survive."""
    return {name: json.dumps(value) for name, value in recorded(run.config).items()}


def _first_time_ms(journal: Journal) -> int:
    assert journal.start is not None
    return min([journal.start.time_ms, *(epoch.time_ms for epoch in list(journal.epochs.values()))])


def _tags(run: PlannedRun, journal: Journal) -> dict[str, str]:
    start, setup = journal.start, journal.setup
    assert start is not None
    tags = {
        TAG_RUN_KEY: run.run_key,
        TAG_CELL_KEY: run.cell_key,
        TAG_STATUS: _RUNNING,
        TAG_CAUSE: "",
        "kind": "run",
        "cell": run.cell,
        "seed": str(run.config.seed),
        "data.name": run.data_name,
        "data.sha256": run.data_sha256,
        "first_batch_order.sha256": setup.first_batch_order_sha256 if setup else "",
        "engine": start.engine,
        "engine.fallbacks": json.dumps(setup.fallbacks if setup else []),
        "n_parameters": str(setup.n_parameters) if setup and setup.n_parameters is not None else "",
        "device": run.device,
        "card": start.card or "",
        "processor": start.processor,
        TAG_CODE: start.code,
        "git.commit": start.git.get("commit") or "",
        "git.dirty": json.dumps(start.git.get("dirty")),
    }
    return tags | {f"version.{package}": version for package, version in start.versions.items()}
