"""What a store has of a run, held against what is recorded under state/."""

import hashlib
import json
from pathlib import Path

from runner.plan.plan import PlannedRun
from runner.record import TAG_COMPLETE
from runner.state.run_record import RunRecord
from runner.tracking.mlflow_tracker import MlflowTracker
from runner.tracking.mlflow_values import parameters_of, rows_of, tags_of
from runner.tracking.store.calls import failure


def holds(tracker: MlflowTracker, run: PlannedRun) -> bool:
    """Whether the store says that it has all of a run."""
    return any(stored.data.tags.get(TAG_COMPLETE) == "1" for stored in tracker.search(run))


def differences(tracker: MlflowTracker, run: PlannedRun, record: RunRecord) -> list[str]:
    """What the store has of a run that is not as it is recorded under state/, in words."""
    stored, expected = tracker.search(run)[0], tags_of(run, record)
    run_id = str(stored.info.run_id)
    tags = {name: stored.data.tags.get(name, value) for name, value in expected.items()}
    differ = [f"tag {name}" for name, value in expected.items() if tags[name] != value]
    params = parameters_of(run)
    differ += [
        f"parameter {name}"
        for name, value in stored.data.params.items()
        # Version 1 wrote texts as JSON, and knobs that a run does not have any more.
        if value not in (params.get(name, value), json.dumps(params.get(name)))
    ]
    rows = rows_of(record.epochs.values())
    for metric in sorted({metric for metric, *_ in rows} | set(stored.data.metrics)):
        history = tracker.client.get_metric_history(run_id, metric)
        kept = sorted((metric, row.value, row.timestamp, row.step) for row in history)
        if kept != sorted(row for row in rows if row[0] == metric):
            differ.append(f"metric {metric}")
    return differ + _differing_files(tracker, run_id, record)


def _differing_files(tracker: MlflowTracker, run_id: str, record: RunRecord) -> list[str]:
    assert record.end is not None
    # In a store that was moved with its root the addresses may be those of the old place.
    local = tracker.root.artifacts / run_id / "artifacts"
    differ = []
    for name, expected in record.end.sha256.items():
        try:
            path = local / name
            if not local.is_dir():
                path = Path(tracker.client.download_artifacts(run_id, name))
            is_whole = hashlib.sha256(path.read_bytes()).hexdigest() == expected
        except Exception as error:
            if not (isinstance(error, OSError) or "refuses" in failure(error)):
                raise
            is_whole = False
        if not is_whole:
            differ.append(f"artifact {name}")
    return differ
