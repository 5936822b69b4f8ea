"""One run's image in MLflow, filled from its journal: sending twice changes nothing."""

import json
from typing import TYPE_CHECKING, Any

from runner.config.schema import leaves
from runner.faults import crash_point
from runner.plan.plan import PlannedRun
from runner.record import (
    DONE,
    KILLED,
    TAG_CAUSE,
    TAG_CELL_KEY,
    TAG_COMPLETE,
    TAG_RUN_KEY,
    TAG_STATUS,
    sha256_tag,
)
from runner.state.journal import Journal, JournalReader, RunFolder

if TYPE_CHECKING:
    from runner.tracking.writer import Ledger

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

    def forget(self) -> None:
        """Look for the run again, and send all of it, after the store refused something: what was there before may not
        be any more. Rows that are there already stay what they are."""
        self.run_id, self._state_sent, self._parameters = "", None, {}
        self._epochs_sent.clear()

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
