"""The tracker that ships: a sweep's parent run in MLflow, and a nested run for each of its runs."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from runner.errors import StateError
from runner.plan.plan import Plan, PlannedRun
from runner.record import DONE, KILLED, TAG_COMPLETE, TAG_PARENT, sweep_tag
from runner.state.records import Epoch
from runner.state.root import Root
from runner.state.run_record import NOT_WRITTEN, RunRecord, changed_files, read_run
from runner.system.faults import crash_point
from runner.tracking.mlflow_runs import MlflowRun, StoredRuns
from runner.tracking.mlflow_sweep import LONGEST_NAME, MlflowSweep
from runner.tracking.mlflow_values import (
    data_of,
    first_tags_of,
    first_time_ms,
    origin,
    parameters_of,
    rows_of,
    tags_of,
)
from runner.tracking.mlflow_view import cell_of
from runner.tracking.tracker import Replaced, TrackedRun

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

#: MLflow takes at most 1000 rows, parameters and tags a call, of the latter two 100 each.
_ROWS_A_CALL, _PARAMETERS_A_CALL = 800, 100
#: So long another process may be in the middle of creating a run; one that was stopped there must
#: hold nobody up.
_ALONE_S = 30.0


class MlflowTracker:
    """An experiment of an MLflow store.

    Parameters
    ----------
    probe
        Raises when the store does not answer, much sooner than MLflow's own client would.
    since_ms
        When the sweep's process began to have runs trained, in ms since 1970; None: now. Runs that
        began before may have been told by others.
    """

    def __init__(
        self,
        client: "MlflowClient",
        experiment_id: str,
        root: Root,
        probe: Callable[[], None] = lambda: None,
        since_ms: int | None = None,
    ) -> None:
        self.client, self.experiment_id, self.root, self.probe = client, experiment_id, root, probe
        self.runs = StoredRuns(client, experiment_id)
        self._sweep: MlflowSweep | None = None
        self.parent_id: str | None = None
        #: Held from looking for a sweep's parent to creating it.
        self._alone = FileLock(str(root.tracking_lock), timeout=_ALONE_S)
        #: Runs that were asked for, and whether the store had one that none here had asked for.
        self._begun: set[str] = set()
        self._beside_others = False
        self._since_ms = time.time_ns() // 1_000_000 if since_ms is None else since_ms

    def open_sweep(self, plan: Plan, used: bool = True) -> None:
        """As `Tracker.open_sweep`: a parent run, with sweep.json as its artifact."""
        self._sweep = MlflowSweep(self.client, self.experiment_id, self.root, plan)
        with self._alone:
            parent = self._sweep.find_or_create()
        self.parent_id = str(parent.info.run_id)
        self._sweep.open(parent, used)

    def begin_run(self, run: PlannedRun, record: RunRecord) -> MlflowRun:
        """As `Tracker.begin_run`: found by its key, or created with its tags.

        Whoever created a run looks for its key afterwards. Of two processes that create it at once,
        at least one then sees both runs, and deletes the one that both would delete.
        """
        if record.trained and (whole := self._whole(run, record)):
            return whole
        may_be_stored = self._may_be_stored(run, record)
        self._begun.add(run.run_key)  # before a call whose answer may be lost
        created = None if may_be_stored else self._create(run, record)
        found = self.runs.find(run)
        if found is None:
            created = self._create(run, record)
            found = self.runs.find(run)
        if found is None:
            raise Replaced(f"{run.name}: another process deleted it")
        if created is not None:
            if created.id == found.info.run_id:
                return created
            self._beside_others = True
        with self.runs.unless_replaced(str(found.info.run_id)):
            return self._go_on(found, run, record)

    def _may_be_stored(self, run: PlannedRun, record: RunRecord) -> bool:
        """Whether to look for a run before it is created: a search that new runs do without."""
        is_older = first_time_ms(record) < self._since_ms
        return is_older or run.run_key in self._begun or self._beside_others

    def _go_on(self, found: "Run", run: PlannedRun, record: RunRecord) -> MlflowRun:
        """A run that the store has; one that holds what does not count is replaced."""
        tags, params, info = found.data.tags, found.data.params, found.info
        run_id, is_complete = str(info.run_id), tags.get(TAG_COMPLETE) == "1"
        if is_complete and self._is_of_another(found, record):
            return self._replace(run_id, run, record)
        # A run that another sweep trained becomes one of this sweep's too; its parent stays the
        # first.
        for name, value in self._link(run).items():
            if name not in tags or (name != TAG_PARENT and tags[name] != value):
                self.client.set_tag(run_id, name, value)
        # A process may have died between creating the run and sending its parameters.
        missing = {name: value for name, value in parameters_of(run).items() if name not in params}
        if not is_complete and record.end is None:
            from mlflow.entities import RunTag

            now = [
                RunTag(name, v) for name, v in tags_of(run, record).items() if tags.get(name) != v
            ]
            self.client.log_batch(run_id, tags=now)
            self.client.update_run(run_id, status="RUNNING")
        has_data = bool(found.inputs and found.inputs.dataset_inputs)
        data = None if has_data else data_of(run, record)
        return MlflowRun(
            run_id, is_complete, run=run, artifact_uri=info.artifact_uri, parameters=missing,
            data=data,
        )  # fmt: skip

    def _whole(self, run: PlannedRun, record: RunRecord) -> MlflowRun | None:
        """A run about which there is nothing to tell, where that is seen without a look at it."""
        if self._sweep is None or record.end is None or record.is_contested:
            return None
        found = self.runs.whole(run, self._sweep.plan.sweep_key)
        if found is None or found.end_time != record.end.time_ms:
            return None
        linked = {TAG_PARENT: found.tags.get(TAG_PARENT, "")}
        if not found.tags.items() >= (self._link(run) | linked).items():
            return None
        return MlflowRun(
            found.id, True, run=run, artifact_uri=found.artifact_uri, parameters={}, data=None
        )

    def log_rows(self, tracked: TrackedRun, epochs: Sequence[Epoch]) -> None:
        """As `Tracker.log_rows`: with the journal's times, a row that is sent twice is one row."""
        with self.runs.unless_replaced(tracked.id):
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
        with self.runs.unless_replaced(tracked.id):
            # Rows of attempts that do not count, or of an epoch as another processor rounded it.
            is_doubtful = record.is_contested or record.is_mixed
            if record.trained and is_doubtful and self._has_other_rows(tracked.id, record):
                anew = self._replace(tracked.id, tracked.run, record)
                tracked.id, tracked.artifact_uri = anew.id, anew.artifact_uri
                tracked.parameters, tracked.data = anew.parameters, anew.data
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
        tracked.log_files(self.client, files)
        status = {DONE: "FINISHED", KILLED: "KILLED"}.get(end.status, "FAILED")
        crash_point("before_terminate")
        self.client.set_terminated(tracked.id, status, end_time=end.time_ms)
        crash_point("after_terminate")
        # What is recorded is what holds for the attempt that counts, whatever came before it.
        is_whole = {TAG_COMPLETE: "1"} if record.trained else {}
        self._log(tracked, epochs, tags_of(tracked.run, record) | is_whole)

    def _settle(self, run: PlannedRun, record: RunRecord) -> None:
        """Leave one run in the store, that of the record, whatever other processes do meanwhile.

        Each process looks again after whatever it did itself. The one that looks last finds what
        all of them did, and all choose the same run of several.
        """
        stored = self.runs.of(run)
        right = [
            one
            for one in stored
            if one.data.tags.get(TAG_COMPLETE) == "1" and not self._is_of_another(one, record)
        ]
        if len(right) == len(stored) == 1:
            return
        ranked = sorted(stored, key=lambda one: one not in right)
        for other in ranked[1:]:
            self.runs.replace(other, str(ranked[0].info.run_id))
        raise Replaced(f"{run.name}: another process told the store of it too")

    def close_sweep(self, status: str, records: Mapping[str, RunRecord]) -> None:
        """As `Tracker.close_sweep`: the parent's description, its metrics, MLflow's own status."""
        if self._sweep is not None and self.parent_id is not None:
            self._sweep.close(self.parent_id, status, records)

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

    def _replace(self, run_id: str, run: PlannedRun, record: RunRecord) -> MlflowRun:
        """Put a new run in the place of one that holds what does not count."""
        created = self._create(run, record)
        self.runs.replace(self.client.get_run(run_id), created.id)
        return created

    def _create(self, run: PlannedRun, record: RunRecord) -> MlflowRun:
        crash_point("before_create_run")
        created = self.client.create_run(
            self.experiment_id,
            start_time=first_time_ms(record),
            tags=first_tags_of(run, record) | self._link(run) | origin(),
            run_name=run.name[:LONGEST_NAME],
        )
        crash_point("after_create_run")
        return MlflowRun(
            str(created.info.run_id), run=run, artifact_uri=created.info.artifact_uri,
            parameters=parameters_of(run), data=data_of(run, record),
        )  # fmt: skip

    def _link(self, run: PlannedRun) -> dict[str, str]:
        """Tags that tie a run to the sweep."""
        if self._sweep is None or self.parent_id is None:
            return {}
        cell = cell_of(run.cell)
        return {sweep_tag(self._sweep.plan.sweep_key): cell, TAG_PARENT: self.parent_id}

    def _log(self, tracked: TrackedRun, epochs: Sequence[Epoch], tags: dict[str, str]) -> None:
        """Send rows, missing parameters and tags in as few calls as possible: each takes 5 ms.

        The tags are recorded last: MLflow's databases and its server take the parameters of a call,
        then its rows, then its tags, each in a transaction of its own; so a run with the tag
        `complete` has them all. What does not fit into a call MLflow's client would send after the
        tags; it is sent before.
        """
        from mlflow.entities import Metric, Param, RunTag

        assert isinstance(tracked, MlflowRun)
        if tracked.data is not None:
            self.client.log_inputs(tracked.id, [tracked.data])
            tracked.data = None
        rows = [Metric(*row) for row in rows_of(epochs)]
        params = [Param(name, value) for name, value in tracked.parameters.items()]
        crash_point("before_log_batch")
        while len(rows) > _ROWS_A_CALL or len(params) > _PARAMETERS_A_CALL:
            first, params_of = rows[:_ROWS_A_CALL], params[:_PARAMETERS_A_CALL]
            self.client.log_batch(tracked.id, metrics=first, params=params_of)
            rows, params = rows[_ROWS_A_CALL:], params[_PARAMETERS_A_CALL:]
        last_tags = [RunTag(name, value) for name, value in tags.items()]
        self.client.log_batch(tracked.id, metrics=rows, params=params, tags=last_tags)
        crash_point("after_log_batch")
        tracked.parameters = {}
