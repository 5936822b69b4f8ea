"""The tracker that ships: a sweep's parent run in MLflow, and a nested run for each of its runs."""

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from runner.config.schema import recorded
from runner.errors import StateError
from runner.faults import crash_point
from runner.plan.plan import Plan, PlannedRun
from runner.record import (
    DONE,
    KILLED,
    METRICS,
    TAG_CAUSE,
    TAG_CELL_KEY,
    TAG_CLAIMS_SHA256,
    TAG_CODE,
    TAG_COMPLETE,
    TAG_LAST_USED,
    TAG_MIXED,
    TAG_RUN_KEY,
    TAG_STATUS,
    TAG_SWEEP_KEY,
    sha256_tag,
    sweep_tag,
)
from runner.state.records import Epoch
from runner.state.root import Root
from runner.state.run_record import NOT_WRITTEN, RunRecord, changed_files
from runner.tracking.mlflow_store import failure
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
        self._link = {sweep_tag(plan.sweep_key): "1", "mlflow.parentRunId": self.parent_id}

    def begin_run(self, run: PlannedRun, record: RunRecord) -> MlflowRun:
        """As `Tracker.begin_run`: found by its key, or created with its tags."""
        with self._alone:
            found = self._find(run)
            if found is None:
                return self._create(run, record)
            if found.data.tags.get(TAG_COMPLETE) == "1" and _is_of_another(found, record):
                created = self._create(run, record)
                self.client.delete_run(found.info.run_id)
                return created
        tags, params, run_id = found.data.tags, found.data.params, str(found.info.run_id)
        # A run that another sweep trained becomes one of this sweep's too; its parent stays the
        # first.
        for name, value in self._link.items():
            if name not in tags:
                self.client.set_tag(run_id, name, value)
        # A process may have died between creating the run and sending its parameters.
        missing = {name: value for name, value in _parameters(run).items() if name not in params}
        is_complete = tags.get(TAG_COMPLETE) == "1" and not missing
        if not is_complete and record.end is None:
            from mlflow.entities import RunTag

            now = [RunTag(name, v) for name, v in _tags(run, record).items() if tags.get(name) != v]
            self.client.log_batch(run_id, tags=now)
            self.client.update_run(run_id, status="RUNNING")
        return MlflowRun(run_id, is_complete, run=run, parameters=missing)

    def log_rows(self, tracked: TrackedRun, epochs: Sequence[Epoch]) -> None:
        """As `Tracker.log_rows`: with the journal's times, a row that is sent twice is one row."""
        self._log(tracked, epochs, {})

    def end_run(self, tracked: TrackedRun, epochs: Sequence[Epoch], record: RunRecord) -> None:
        """As `Tracker.end_run`: what it was trained with, the files, and last the tag `complete`.

        Raises
        ------
        StateError
            When a file of results is not what the run wrote.
        """
        end = record.end
        assert end is not None and isinstance(tracked, MlflowRun)
        files = self._files(tracked.run, record) if record.trained else []
        # Rows of attempts that do not count, or of an epoch as another processor rounded it.
        is_doubtful = record.is_contested or record.is_mixed
        if record.trained and is_doubtful and self._has_other_rows(tracked, record):
            epochs = self._begin_anew(tracked, record)
        # What is recorded is what holds for the attempt that counts, whatever came before it.
        self._log(tracked, epochs, _tags(tracked.run, record))
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
            if record.is_contested:
                self._find(tracked.run)  # removes what another sweep's process created meanwhile

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

    def _has_other_rows(self, tracked: TrackedRun, record: RunRecord) -> bool:
        """Whether the store has rows of an attempt that does not count."""
        rows = set(_rows(record.epochs.values()))
        histories = (self.client.get_metric_history(tracked.id, metric) for metric in METRICS)
        return any(
            (row.key, row.value, row.timestamp, row.step) not in rows
            for history in histories
            for row in history
        )

    def _begin_anew(self, tracked: MlflowRun, record: RunRecord) -> list[Epoch]:
        """Put a new run in the place of one with rows that do not count; the rows to send it."""
        created = self._create(tracked.run, record)
        self.client.delete_run(tracked.id)
        tracked.id, tracked.parameters = created.id, created.parameters
        return [record.epochs[number] for number in sorted(record.epochs)]

    def holds(self, run: PlannedRun) -> bool:
        """Whether the store says that it has all of a run."""
        return any(stored.data.tags.get(TAG_COMPLETE) == "1" for stored in self._search(run))

    def differences(self, run: PlannedRun, record: RunRecord) -> list[str]:
        """What the store has of a run that is not as it is recorded under state/, in words."""
        stored, expected = self._search(run)[0], _tags(run, record)
        run_id = str(stored.info.run_id)
        tags = {name: stored.data.tags.get(name, value) for name, value in expected.items()}
        differ = [f"tag {name}" for name, value in expected.items() if tags[name] != value]
        params = _parameters(run)
        differ += [
            f"parameter {name}"
            for name, value in stored.data.params.items()
            if params.get(name) != value
        ]
        rows = _rows(record.epochs.values())
        for metric in sorted({metric for metric, *_ in rows} | set(stored.data.metrics)):
            history = self.client.get_metric_history(run_id, metric)
            kept = sorted((metric, row.value, row.timestamp, row.step) for row in history)
            if kept != sorted(row for row in rows if row[0] == metric):
                differ.append(f"metric {metric}")
        return differ + self._differing_files(run_id, record)

    def _differing_files(self, run_id: str, record: RunRecord) -> list[str]:
        assert record.end is not None
        # In a store that was moved with its root the addresses may be those of the old place.
        local = self.root.artifacts / run_id / "artifacts"
        differ = []
        for name, expected in record.end.sha256.items():
            try:
                path = local / name
                if not local.is_dir():
                    path = Path(self.client.download_artifacts(run_id, name))
                is_whole = hashlib.sha256(path.read_bytes()).hexdigest() == expected
            except Exception as error:
                if not (isinstance(error, OSError) or "refuses" in failure(error)):
                    raise
                is_whole = False
            if not is_whole:
                differ.append(f"artifact {name}")
        return differ

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
        found = self._search(run)
        for spare in found[1:]:
            self.client.delete_run(spare.info.run_id)
        return found[0] if found else None

    def _search(self, run: PlannedRun) -> "list[Run]":
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
            start_time=_first_time_ms(record),
            tags=_tags(run, record) | self._link,
            run_name=run.name[:_LONGEST_NAME],
        )
        crash_point("after_create_run")
        return MlflowRun(str(created.info.run_id), run=run, parameters=_parameters(run))

    def _log(self, tracked: TrackedRun, epochs: Sequence[Epoch], tags: dict[str, str]) -> None:
        """Send rows, tags and missing parameters in as few calls as possible: each takes 5 ms."""
        from mlflow.entities import Metric, Param, RunTag

        assert isinstance(tracked, MlflowRun)
        rows = [Metric(*row) for row in _rows(epochs)]
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


def _is_of_another(stored: "Run", record: RunRecord) -> bool:
    """Whether a complete run is that of an attempt which does not count: its files are damaged."""
    return record.trained and record.end is not None and stored.info.end_time != record.end.time_ms


def _rows(epochs: Iterable[Epoch]) -> list[tuple[str, float, int, int]]:
    """Metric, value, time stamp and step."""
    return [
        (name, value, epoch.time_ms, epoch.epoch)
        for epoch in epochs
        for name, value in epoch.metrics.items()
    ]


def _parameters(run: PlannedRun) -> dict[str, str]:
    """The configuration under its Hydra names, as JSON text, so that types survive."""
    return {name: json.dumps(value) for name, value in recorded(run.config).items()}


def _first_time_ms(record: RunRecord) -> int:
    assert record.start is not None
    return min([record.start.time_ms, *(epoch.time_ms for epoch in record.epochs.values())])


def _tags(run: PlannedRun, record: RunRecord) -> dict[str, str]:
    """What is told of a run: how it ended, and what it was trained with."""
    start, setup, end = record.start, record.setup, record.end
    assert start is not None
    tags = {
        TAG_RUN_KEY: run.run_key,
        TAG_CELL_KEY: run.cell_key,
        TAG_STATUS: end.status if end else _RUNNING,
        TAG_CAUSE: (end.cause or "") if end else "",
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
    if record.is_mixed:
        tags[TAG_MIXED] = "1"
    hashes = {sha256_tag(name): value for name, value in end.sha256.items()} if end else {}
    versions = {f"version.{package}": version for package, version in start.versions.items()}
    return tags | hashes | versions
