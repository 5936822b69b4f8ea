"""The tracker that ships: a sweep's parent run in MLflow, and a nested run for each of its runs."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from runner.errors import StateError
from runner.plan.plan import Plan, PlannedRun
from runner.record import (
    DONE,
    KILLED,
    TAG_CLAIMS_SHA256,
    TAG_COMPLETE,
    TAG_LAST_USED,
    TAG_PARENT,
    TAG_RUN_KEY,
    TAG_SWEEP_KEY,
    sweep_tag,
)
from runner.state.records import Epoch
from runner.state.root import Root
from runner.state.run_record import NOT_WRITTEN, RunRecord, changed_files, read_run
from runner.system.faults import crash_point
from runner.tracking.mlflow_values import first_time_ms, parameters_of, rows_of, tags_of
from runner.tracking.tracker import Replaced, TrackedRun

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

#: MLflow takes at most 1000 rows a call.
_ROWS_A_CALL = 900
#: So long another process may be in the middle of creating a run; one that was stopped there must
#: hold nobody up.
_ALONE_S = 30.0
#: What MLflow says of a call about a run that was deleted.
_GONE = ("INVALID_PARAMETER_VALUE", "INVALID_STATE", "RESOURCE_DOES_NOT_EXIST")
#: What the column of MLflow's databases takes.
_LONGEST_NAME = 250


@dataclass
class MlflowRun(TrackedRun):
    """A run in MLflow."""

    run: PlannedRun = field(kw_only=True)
    #: Parameters that MLflow has not been sent yet, as JSON text by Hydra name.
    parameters: dict[str, str] = field(kw_only=True)


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
        self._link = {sweep_tag(plan.sweep_key): "1", TAG_PARENT: self.parent_id}

    def begin_run(self, run: PlannedRun, record: RunRecord) -> MlflowRun:
        """As `Tracker.begin_run`: found by its key, or created with its tags."""
        with self._alone:
            found = self._find(run)
            if found is None:
                return self._create(run, record)
            if found.data.tags.get(TAG_COMPLETE) == "1" and self._is_of_another(found, record):
                return self._replace(str(found.info.run_id), run, record)
        tags, params, run_id = found.data.tags, found.data.params, str(found.info.run_id)
        # A run that another sweep trained becomes one of this sweep's too; its parent stays the
        # first.
        for name, value in self._link.items():
            if name not in tags:
                self.client.set_tag(run_id, name, value)
        # A process may have died between creating the run and sending its parameters.
        missing = {name: value for name, value in parameters_of(run).items() if name not in params}
        is_complete = tags.get(TAG_COMPLETE) == "1"  # the last write: all was sent
        if not is_complete and record.end is None:
            from mlflow.entities import RunTag

            now = [
                RunTag(name, v) for name, v in tags_of(run, record).items() if tags.get(name) != v
            ]
            self.client.log_batch(run_id, tags=now)
            self.client.update_run(run_id, status="RUNNING")
        return MlflowRun(run_id, is_complete, run=run, parameters=missing)

    def log_rows(self, tracked: TrackedRun, epochs: Sequence[Epoch]) -> None:
        """As `Tracker.log_rows`: with the journal's times, a row that is sent twice is one row."""
        with self._unless_replaced(tracked):
            self._log(tracked, epochs, {})

    def end_run(self, tracked: TrackedRun, epochs: Sequence[Epoch], record: RunRecord) -> None:
        """As `Tracker.end_run`: what it was trained with, the files, and last the tag `complete`.

        Raises
        ------
        StateError
            When a file of results is not what the run wrote.
        """
        assert record.end is not None and isinstance(tracked, MlflowRun)
        files = self._files(tracked.run, record) if record.trained else []
        with self._unless_replaced(tracked):
            # Rows of attempts that do not count, or of an epoch as another processor rounded it.
            is_doubtful = record.is_contested or record.is_mixed
            if record.trained and is_doubtful and self._has_other_rows(tracked.id, record):
                anew = self._replace(tracked.id, tracked.run, record)
                tracked.id, tracked.parameters = anew.id, anew.parameters
                epochs = [record.epochs[number] for number in sorted(record.epochs)]
            self._tell_end(tracked, epochs, record, files)
        # The other process may have ended, and told so, since the record was read.
        if record.trained and (now := read_run(self.root.run(tracked.run.run_key))).is_contested:
            self._settle(tracked.run, now)

    def _tell_end(
        self, tracked: MlflowRun, epochs: Sequence[Epoch], record: RunRecord, files: list[Path]
    ) -> None:
        end = record.end
        assert end is not None
        # What is recorded is what holds for the attempt that counts, whatever came before it.
        self._log(tracked, epochs, tags_of(tracked.run, record))
        for path in files:
            self.client.log_artifact(tracked.id, str(path))
        status = {DONE: "FINISHED", KILLED: "KILLED"}.get(end.status, "FAILED")
        crash_point("before_terminate")
        self.client.set_terminated(tracked.id, status, end_time=end.time_ms)
        crash_point("after_terminate")
        if record.trained:
            crash_point("before_complete_tag")
            self.client.set_tag(tracked.id, TAG_COMPLETE, "1")
            crash_point("after_complete_tag")

    def _settle(self, run: PlannedRun, record: RunRecord) -> None:
        """Leave one run in the store, that of the record, whatever other processes do meanwhile.

        Each process looks again after whatever it did itself. The one that looks last finds what
        all of them did, and all choose the same run of several.
        """
        stored = self.search(run)
        right = [
            one
            for one in stored
            if one.data.tags.get(TAG_COMPLETE) == "1" and not self._is_of_another(one, record)
        ]
        if len(right) == len(stored) == 1:
            return
        for other in stored:
            if other not in right[:1]:
                self.client.delete_run(other.info.run_id)
        raise Replaced(f"{run.name}: another process told the store of it too")

    def close_sweep(self, status: str) -> None:
        """As `Tracker.close_sweep`: MLflow's own status of the parent run."""
        if self.parent_id is not None:
            self.client.set_terminated(self.parent_id, status)

    def _files(self, run: PlannedRun, record: RunRecord) -> list[Path]:
        """The files of results, each proved to be what the run wrote."""
        assert record.end is not None and record.attempt is not None
        folder = self.root.run(run.run_key).attempt(record.attempt)
        wrong = changed_files(folder, record.end.sha256)
        if wrong:
            raise StateError(f"{run.name}: {', '.join(map(str, wrong))}: {NOT_WRITTEN}")
        return [folder.path / name for name in record.end.sha256]

    def _has_other_rows(self, run_id: str, record: RunRecord) -> bool:
        """Whether the store has rows of an attempt that does not count."""
        rows = set(rows_of(record.epochs.values()))
        metrics = self.client.get_run(run_id).data.metrics
        histories = (self.client.get_metric_history(run_id, metric) for metric in metrics)
        return any(
            (row.key, row.value, row.timestamp, row.step) not in rows
            for history in histories
            for row in history
        )

    def _is_of_another(self, stored: "Run", record: RunRecord) -> bool:
        """Whether a complete run is not, or not only, what the attempt that counts wrote."""
        if not record.trained or record.end is None:
            return False
        is_other = stored.info.end_time != record.end.time_ms
        run_id = str(stored.info.run_id)
        return is_other or (record.is_contested and self._has_other_rows(run_id, record))

    @contextmanager
    def _unless_replaced(self, tracked: TrackedRun) -> Iterator[None]:
        """Turn a call that failed since another process deleted the run into `Replaced`."""
        try:
            yield
        except Exception as error:
            if getattr(error, "error_code", None) in _GONE and self._is_deleted(tracked.id):
                raise Replaced(f"{tracked.id} was replaced") from error
            raise

    def _is_deleted(self, run_id: str) -> bool:
        return bool(self.client.get_run(run_id).info.lifecycle_stage == "deleted")

    def _replace(self, run_id: str, run: PlannedRun, record: RunRecord) -> MlflowRun:
        """Put a new run in the place of one that holds what does not count."""
        created = self._create(run, record)
        self.client.delete_run(run_id)
        return created

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
            self.client.create_run(
                self.experiment_id, tags=tags, run_name=plan.name[:_LONGEST_NAME]
            ).info.run_id
        )

    def _find(self, run: PlannedRun) -> "Run | None":
        found = self.search(run)
        for spare in found[1:]:
            self.client.delete_run(spare.info.run_id)
        return found[0] if found else None

    def search(self, run: PlannedRun) -> "list[Run]":
        """The runs of a key: the complete one first, else the first; the others are spare.

        A reply that was lost leaves a second run.
        """
        found = self.client.search_runs(
            [self.experiment_id], f"tags.{TAG_RUN_KEY} = '{run.run_key}'"
        )
        return sorted(
            found,
            key=lambda stored: (
                stored.data.tags.get(TAG_COMPLETE) != "1",
                stored.info.start_time,
                stored.info.run_id,
            ),
        )

    def _create(self, run: PlannedRun, record: RunRecord) -> MlflowRun:
        crash_point("before_create_run")
        created = self.client.create_run(
            self.experiment_id,
            start_time=first_time_ms(record),
            tags=tags_of(run, record) | self._link,
            run_name=run.name[:_LONGEST_NAME],
        )
        crash_point("after_create_run")
        return MlflowRun(str(created.info.run_id), run=run, parameters=parameters_of(run))

    def _log(self, tracked: TrackedRun, epochs: Sequence[Epoch], tags: dict[str, str]) -> None:
        """Send rows, tags and missing parameters in as few calls as possible: each takes 5 ms."""
        from mlflow.entities import Metric, Param, RunTag

        assert isinstance(tracked, MlflowRun)
        rows = [Metric(*row) for row in rows_of(epochs)]
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
