"""A sweep in MLflow: its parent run, which says what it came to, and the view of its runs."""

import hashlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from runner.plan.plan import Plan
from runner.record import (
    DIVERGED,
    FAILED,
    TAG_CLAIMS_SHA256,
    TAG_HASHES,
    TAG_LAST_USED,
    TAG_SWEEP_KEY,
    as_words,
)
from runner.state.root import Root
from runner.state.run_record import RunRecord
from runner.tracking.mlflow_note import note
from runner.tracking.mlflow_values import origin
from runner.tracking.mlflow_view import (
    ALL_SWEEPS,
    all_sweeps_view,
    sweep_view,
    view_id,
    view_tag,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

#: What the column of MLflow's databases takes.
LONGEST_NAME = 250
#: The file that `python -m analysis` writes, which becomes an artifact.
REPORT = "report.html"
#: MLflow's own, whose text its pages show as the description.
TAG_NOTE = "mlflow.note.content"
#: The hash of the description as it was written here: one that a person has changed stays.
_TAG_NOTE_HASH = "mlflow.note.sha256"


class MlflowSweep:
    """A sweep's parent run, found by the sweep's key."""

    def __init__(self, client: "MlflowClient", experiment_id: str, root: Root, plan: Plan) -> None:
        self.client, self.experiment_id, self.root, self.plan = client, experiment_id, root, plan

    def find(self) -> "Run | None":
        """The parent run; None where there is none."""
        key = self.plan.sweep_key
        found = self.client.search_runs([self.experiment_id], f"tags.{TAG_SWEEP_KEY} = '{key}'")
        return found[-1] if found else None

    def find_or_create(self) -> "Run":
        """The parent run; the caller sees to it that no other process creates it meanwhile.

        Where its lock does not reach, the older of two is the sweep's.
        """
        found, plan = self.find(), self.plan
        if found is not None:
            return found
        tags = {
            "kind": "sweep",
            TAG_SWEEP_KEY: plan.sweep_key,
            TAG_CLAIMS_SHA256: plan.claims_sha256,
        }
        # The store may be opened after the first run has begun, or be another one: the claims were
        # declared when their plan was first written.
        declared_ns = self.root.sweep(plan.sweep_key).plan.stat().st_mtime_ns
        created = self.client.create_run(
            self.experiment_id,
            start_time=declared_ns // 1_000_000,
            tags=tags | origin(),
            run_name=plan.name[:LONGEST_NAME],
        )
        oldest = self.find() or created
        if oldest.info.run_id != created.info.run_id:
            self.client.delete_run(created.info.run_id)
        return oldest

    def open(self, parent: "Run", used: bool) -> None:
        """Record the plan, the view of its runs, and what it asks; `used` makes it the latest."""
        run_id, tags = parent.info.run_id, parent.data.tags
        self.client.log_artifact(run_id, str(self.root.sweep(self.plan.sweep_key).plan))
        news = {}
        if used or TAG_LAST_USED not in tags:
            news[TAG_LAST_USED] = str(time.time_ns() // 1_000_000)
        if TAG_NOTE not in tags:
            news |= self._described({})
        self._send(run_id, news, {}, 0)
        self._save_views(parent.info.start_time)

    def close(self, run_id: str, status: str, records: Mapping[str, RunRecord]) -> None:
        """Record what the sweep came to, the report as far as there is one, and how it ended."""
        parent = self.client.get_run(run_id)
        tags, began_ms = parent.data.tags, parent.info.start_time
        news: dict[str, str] = {}
        if TAG_NOTE not in tags or _hash(tags[TAG_NOTE].encode()) == tags.get(_TAG_NOTE_HASH):
            news = self._described(records)
        hashes = report_hashes(self.root, self.plan)
        if hashes and tags.get(TAG_HASHES) != hashes:
            self.client.log_artifact(run_id, str(_report(self.root, self.plan, REPORT)))
            news[TAG_HASHES] = hashes
        ended_ms = max((r.end.time_ms for r in records.values() if r.end), default=0)
        news = {name: value for name, value in news.items() if tags.get(name) != value}
        self._send(run_id, news, totals(records) if ended_ms else {}, ended_ms)
        if ended_ms:
            self._fit_view(began_ms, records)
        # All of its runs may be older than the sweep.
        end_ms = max(ended_ms, began_ms) if ended_ms else None
        self.client.set_terminated(run_id, status, end_time=end_ms)

    def _described(self, records: Mapping[str, RunRecord]) -> dict[str, str]:
        answers = _report(self.root, self.plan, "answers.md")
        told = answers.read_text("utf-8") if records and answers.is_file() else None
        text = note(self.plan, self.experiment_id, records, told)
        return {TAG_NOTE: text, _TAG_NOTE_HASH: _hash(text.encode())}

    def _send(
        self, run_id: str, tags: dict[str, str], metrics: dict[str, float], time_ms: int
    ) -> None:
        from mlflow.entities import Metric, RunTag

        if not (tags or metrics):
            return
        self.client.log_batch(
            run_id,
            metrics=[Metric(name, value, time_ms, 0) for name, value in metrics.items()],
            tags=[RunTag(name, value) for name, value in tags.items()],
        )

    def _fit_view(self, made_ms: int, records: Mapping[str, RunRecord]) -> None:
        """Let the charts of the view that `open` saved reach as far as the sweep's values."""
        tag = view_tag(view_id(self.plan.sweep_key))
        there = self.client.get_experiment(self.experiment_id).tags.get(tag)
        if there == sweep_view(self.plan, made_ms):
            view = sweep_view(self.plan, made_ms, records.values())
            self.client.set_experiment_tag(self.experiment_id, tag, view)

    def _save_views(self, made_ms: int) -> None:
        """Save the views that are not there; one that a person has changed stays."""
        there = self.client.get_experiment(self.experiment_id).tags
        own, all_sweeps = view_tag(view_id(self.plan.sweep_key)), view_tag(ALL_SWEEPS)
        if own not in there:
            view = sweep_view(self.plan, made_ms)
            self.client.set_experiment_tag(self.experiment_id, own, view)
        if all_sweeps not in there:
            self.client.set_experiment_tag(self.experiment_id, all_sweeps, all_sweeps_view(made_ms))


def report_hashes(root: Root, plan: Plan) -> str:
    """The hash of a sweep's report as a tag has it; empty where there is no report."""
    report = _report(root, plan, REPORT)
    return as_words({report.name: _hash(report.read_bytes())}) if report.is_file() else ""


def _report(root: Root, plan: Plan, name: str) -> Path:
    return root.reports / plan.sweep_key[:16] / name


def totals(records: Mapping[str, RunRecord]) -> dict[str, float]:
    """The parent run's metrics: how many runs, how they ended, how long they trained."""
    statuses = [record.status for record in records.values()]
    counts = {
        "planned": len(statuses),
        "trained": sum(record.trained for record in records.values()),
        "failed": statuses.count(FAILED),
        "diverged": statuses.count(DIVERGED),
    }
    minutes = sum(record.seconds for record in records.values()) / 60
    return {f"sweep/runs_{name}": float(n) for name, n in counts.items()} | {
        "sweep/train_min": minutes
    }


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
