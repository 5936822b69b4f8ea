"""The only writer of MLflow: it brings the store in step with the journals, again and again, never twice."""

import json
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from runner import plan as plans
from runner.config import leaves
from runner.crash import crash_point
from runner.errors import without_password
from runner.plan import Plan, PlannedRun
from runner.record import (
    DONE,
    FAILED,
    KILLED,
    TAG_CAUSE,
    TAG_CELL_KEY,
    TAG_CLAIMS_SHA256,
    TAG_COMPLETE,
    TAG_LAST_USED,
    TAG_RUN_KEY,
    TAG_STATUS,
    TAG_SWEEP_KEY,
    sha256_tag,
    sweep_tag,
)
from runner.state import Journal, JournalReader, RunFolder

if TYPE_CHECKING:
    from mlflow import MlflowClient

_POLL_S = 1.0
#: Wait after a failed call, in seconds; doubled up to the second figure.
_BACKOFF_S = (2.0, 30.0)
#: MLflow takes at most 1000 rows a call.
_ROWS_A_CALL = 900
_PARAMETER_PREFIXES = ("seed", "device", "model.", "data.name", "data.normalize", "optimizer.", "engine.", "train.")


class Mirror:
    """One run's image in MLflow."""

    def __init__(self, ledger: "Ledger", run: PlannedRun) -> None:
        self.ledger, self.run = ledger, run
        self.folder = RunFolder(ledger.root / "state", run.run_key)
        self.reader = JournalReader(self.folder.journal)
        #: Empty until the run is found or created in MLflow.
        self.run_id = ""
        self.stored = False
        self._epochs_sent: set[int] = set()
        #: What MLflow has not been sent yet, as JSON text by Hydra name.
        self._parameters: dict[str, str] = {}
        self._state_sent: tuple[Any, Any] | None = None

    def update(self) -> None:
        """Send what the journal has and MLflow has not. Any MLflow call may raise; all may be repeated."""
        journal = self.reader.poll()
        if self.stored or journal.damage or journal.start is None or (journal.setup is None and journal.end is None):
            return
        if not self.run_id:
            with self.ledger.alone:
                self._attach(journal)
        if not self.stored:
            self._send(journal)

    def _attach(self, journal: Journal) -> None:
        client, ledger = self.ledger.client, self.ledger
        found = client.search_runs(
            [ledger.experiment_id], f"tags.{TAG_RUN_KEY} = '{self.run.run_key}'", order_by=["attributes.start_time"]
        )
        # A reply that was lost leaves a second run: the complete one stays, else the first.
        found.sort(key=lambda r: r.data.tags.get(TAG_COMPLETE) != "1")
        for spare in found[1:]:
            client.delete_run(spare.info.run_id)
        if found:
            kept = found[0]
            # A run that another sweep trained becomes one of this sweep's too; its parent stays the first.
            for name, value in ledger.link.items():
                if name not in kept.data.tags:
                    client.set_tag(kept.info.run_id, name, value)
            # A run may have been created and its parameters not been sent any more.
            self._parameters = {n: v for n, v in _parameters(self.run).items() if n not in kept.data.params}
            self.stored = kept.data.tags.get(TAG_COMPLETE) == "1" and not self._parameters
        else:
            crash_point("before_create_run")
            kept = client.create_run(
                ledger.experiment_id,
                start_time=_first_time_ms(journal),
                tags=_tags(self.run, journal) | ledger.link,
                run_name=self.run.name,
            )
            crash_point("after_create_run")
            self._parameters = _parameters(self.run)
        self.run_id = str(kept.info.run_id)

    def _send(self, journal: Journal) -> None:
        """What is new, in as few calls as there can be: each costs the parent's core about 5 ms."""
        from mlflow.entities import Metric, Param, RunTag

        client, end = self.ledger.client, journal.end
        new = [epoch for epoch in sorted(journal.epochs) if epoch not in self._epochs_sent]
        rows = [
            # The journal's time makes a row that is sent twice the same row.
            Metric(name, value, journal.epochs[epoch]["time_ms"], epoch)
            for epoch in new
            for name, value in journal.epochs[epoch]["metrics"].items()
        ]
        params = [Param(name, value) for name, value in self._parameters.items()]
        state = (journal.start, end)
        is_news = state != self._state_sent
        tags = [
            RunTag(TAG_STATUS, end["status"] if end else "running"),
            RunTag(TAG_CAUSE, (end or {}).get("cause") or ""),
            *(RunTag(sha256_tag(name), value) for name, value in (end or {}).get("sha256", {}).items()),
        ]
        if rows or params or is_news:
            crash_point("before_log_batch")
            client.log_batch(self.run_id, metrics=rows[:_ROWS_A_CALL], params=params, tags=tags)
        for first in range(_ROWS_A_CALL, len(rows), _ROWS_A_CALL):
            client.log_batch(self.run_id, metrics=rows[first : first + _ROWS_A_CALL])
        crash_point("after_log_batch")
        self._epochs_sent.update(new)
        self._parameters = {}
        if is_news:
            self._send_status(journal)
            self._state_sent = state

    def _send_status(self, journal: Journal) -> None:
        client, end = self.ledger.client, journal.end
        if end is None:
            client.update_run(self.run_id, status="RUNNING")
            return
        for path in (self.folder.config, self.folder.weights, self.folder.test_correct):
            if journal.trained and path.exists():
                client.log_artifact(self.run_id, str(path))
        status = {DONE: "FINISHED", KILLED: "KILLED"}.get(end["status"], "FAILED")
        crash_point("before_terminate")
        client.set_terminated(self.run_id, status, end_time=end["time_ms"])
        crash_point("after_terminate")
        if journal.trained:
            crash_point("before_complete_tag")
            client.set_tag(self.run_id, TAG_COMPLETE, "1")  # the last write: what it marks is whole
            crash_point("after_complete_tag")
            self.stored = True


class Ledger:
    """A sweep's images in MLflow: the parent run and a mirror for each of its runs."""

    def __init__(self, client: "MlflowClient", experiment_id: str, root: Path, runs: list[PlannedRun]) -> None:
        self.client, self.experiment_id, self.root = client, experiment_id, root
        self.parent_id: str | None = None
        #: Tags that tie a run to this sweep.
        self.link: dict[str, str] = {}
        self.mirrors = [Mirror(self, run) for run in runs]
        #: Held from looking for a run in MLflow to creating it: two sweeps at once would each create it.
        self.alone = FileLock(str(root / "state" / "tracking.lock"))

    def open_sweep(self, plan: Plan, used: bool = True) -> str:
        """The sweep's parent run, with its plan and claims: in MLflow before the first run trains.

        `used` makes it the latest sweep; bringing a store in step does not use one.
        """
        with self.alone:
            self.parent_id = self._find_or_create_parent(plan)
        folder = plans.sweep_folder(self.root, plan.sweep_key)
        self.client.log_artifact(self.parent_id, str(folder / "sweep.json"))
        if used or TAG_LAST_USED not in self.client.get_run(self.parent_id).data.tags:
            self.client.set_tag(self.parent_id, TAG_LAST_USED, str(time.time_ns() // 1_000_000))
        self.link = {sweep_tag(plan.sweep_key): "1", "mlflow.parentRunId": str(self.parent_id)}
        return str(self.parent_id)

    def _find_or_create_parent(self, plan: Plan) -> str:
        found = self.client.search_runs([self.experiment_id], f"tags.{TAG_SWEEP_KEY} = '{plan.sweep_key}'")
        if found:
            return str(found[-1].info.run_id)
        tags = {
            TAG_SWEEP_KEY: plan.sweep_key,
            TAG_CLAIMS_SHA256: plan.claims_sha256,
            "kind": "sweep",
            "command": " ".join(plan.command)[:5000],
        }
        return str(self.client.create_run(self.experiment_id, tags=tags, run_name=plan.name).info.run_id)

    def update(self, patience: int = 2) -> None:
        """One pass over all runs.

        A run that the store refuses does not keep the others from it; the `patience`th refusal is taken for a store
        that is away, and the pass ends. Raises the first.
        """
        refused: list[Exception] = []
        for mirror in self.mirrors:
            try:
                mirror.update()
            except Exception as error:
                refused.append(error)
                # Of a locked file MLflow takes twenty seconds to say so, each time.
                if len(refused) >= patience or "database is locked" in str(error):
                    break
        if refused:
            raise refused[0]

    def close_sweep(self, status: str) -> None:
        """MLflow's own state of the parent: FINISHED, FAILED or KILLED."""
        if self.parent_id is not None:
            self.client.set_terminated(self.parent_id, status)

    def close_as_recorded(self) -> None:
        """The parent's state after the fact, from the journals; left alone while a run has not ended."""
        statuses = [mirror.reader.poll().status for mirror in self.mirrors]
        if all(statuses):
            self.close_sweep("FAILED" if FAILED in statuses else "KILLED" if KILLED in statuses else "FINISHED")

    @property
    def n_behind(self) -> int:
        """How many runs have something on disk that the store does not hold."""
        return len([m for m in self.mirrors if m.reader.poll().trained and not m.stored])


class Tracker(threading.Thread):
    """Keeps a ledger in step while runs train. A store that is away is tried again; training never waits."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(name="tracking", daemon=True)
        self.ledger = ledger
        #: Why the store is behind, for the display; None while it is in step.
        self.trouble: str | None = None
        self._finish = threading.Event()

    def run(self) -> None:
        wait_s = _BACKOFF_S[0]
        while not self._finish.wait(_POLL_S if self.trouble is None else wait_s):
            wait_s = _BACKOFF_S[0] if self._pass() else min(2 * wait_s, _BACKOFF_S[1])

    def _pass(self) -> bool:
        try:
            # At the end a person waits.
            self.ledger.update(patience=1 if self.trouble and self._finish.is_set() else 2)
        except Exception as error:
            self.trouble = _in_short(error)
            return False
        self.trouble = None
        return True

    def finish(self, status: str) -> int:
        """One last pass and the parent's end; how many runs the store still lacks."""
        self._finish.set()
        if self.is_alive():
            self.join()
        if self._pass():
            try:
                self.ledger.close_sweep(status)
            except Exception as error:
                self.trouble = _in_short(error)
        return self.ledger.n_behind


def _in_short(error: Exception) -> str:
    """One line for the display, without passwords and without the statement that SQLAlchemy quotes."""
    return " ".join(without_password(str(error)).split()).partition(" [SQL")[0][:200]


def _parameters(run: PlannedRun) -> dict[str, str]:
    """The configuration under its Hydra names, as JSON text, so that types survive."""
    return {name: json.dumps(v) for name, v in leaves(run.config) if name.startswith(_PARAMETER_PREFIXES)}


def _first_time_ms(journal: Journal) -> int:
    times = [line["time_ms"] for line in journal.epochs.values()]
    assert journal.start is not None
    return int(min([journal.start["time_ms"], *times]))


def _tags(run: PlannedRun, journal: Journal) -> dict[str, str]:
    start, setup = journal.start, journal.setup or {}
    assert start is not None
    tags = {
        TAG_RUN_KEY: run.run_key,
        TAG_CELL_KEY: run.cell_key,
        "kind": "run",
        "cell": run.cell,
        "seed": str(run.config.seed),
        "data.name": run.data_name,
        "data.sha256": run.data_sha256,
        "first_batch_order.sha256": setup.get("first_batch_order_sha256", ""),
        "engine": start["engine"],
        "engine.fallbacks": json.dumps(setup.get("fallbacks", [])),
        "n_parameters": str(setup.get("n_parameters", "")),
        "device": run.device,
        "card": start["card"] or "",
        "processor": start["processor"],
        "git.commit": start["git"]["commit"] or "",
        "git.dirty": json.dumps(start["git"]["dirty"]),
    }
    return tags | {f"version.{package}": version for package, version in start["versions"].items()}
