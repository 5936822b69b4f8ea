"""What a store has of a run, held against what is recorded under state/."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from runner.plan.plan import Plan, PlannedRun
from runner.record import TAG_COMPLETE, TAG_RUN_KEY, recorded_tags, sha256_tag, sweep_tag
from runner.state.run_record import RunRecord
from runner.tracking.mlflow_sweep import REPORT, MlflowSweep, totals
from runner.tracking.mlflow_tracker import MlflowTracker
from runner.tracking.mlflow_values import data_of, parameters_of, rows_of, tags_of
from runner.tracking.mlflow_view import cell_of
from runner.tracking.store.calls import failure

#: MLflow lists no more runs at once.
_MOST = 50_000


def holds(tracker: MlflowTracker, run: PlannedRun) -> bool:
    """Whether the store says that it has all of a run."""
    return any(stored.data.tags.get(TAG_COMPLETE) == "1" for stored in tracker.runs.of(run))


def differences(tracker: MlflowTracker, run: PlannedRun, record: RunRecord) -> list[str]:
    """What the store has of a run that is not as it is recorded under state/, in words."""
    stored, expected = tracker.runs.of(run)[0], recorded_tags(tags_of(run, record))
    # Of several sweeps the first one named the cell; what each calls it is the sweep's tag.
    expected.pop("cell", None)
    run_id, tags = str(stored.info.run_id), recorded_tags(stored.data.tags)
    differ = [f"tag {name}" for name, value in expected.items() if tags.get(name, value) != value]
    told = stored.inputs.dataset_inputs if stored.inputs else []
    data = data_of(run, record).dataset
    if any((of.dataset.name, of.dataset.digest) != (data.name, data.digest) for of in told):
        differ.append("the data set")
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


def differences_of_sweep(
    tracker: MlflowTracker, plan: Plan, records: Mapping[str, RunRecord]
) -> list[str]:
    """What the store has of a sweep that was not written there, in words.

    A person may change its description and the view of its runs.
    """
    parent = MlflowSweep(tracker.client, tracker.experiment_id, tracker.root, plan).find()
    if parent is None:
        return []
    expected, run_id = totals(records), str(parent.info.run_id)
    differ = _misnamed(tracker, plan)
    if all(record.status for record in records.values()):
        told = parent.data.metrics
        differ += [f"metric {of}" for of, value in expected.items() if told.get(of, value) != value]
    hashes = recorded_tags(parent.data.tags)
    report = hashes.get(sha256_tag(REPORT))
    if report and not _is_whole(tracker, run_id, REPORT, report):
        differ.append(f"artifact {REPORT}")
    return differ


def _misnamed(tracker: MlflowTracker, plan: Plan) -> list[str]:
    """The sweep's tag, where runs have another cell's name in it."""
    tag, cells = sweep_tag(plan.sweep_key), {run.run_key: run.cell for run in plan.runs}
    query = f"tags.`{tag}` LIKE '%'"
    stored = tracker.client.search_runs([tracker.experiment_id], query, max_results=_MOST)
    told = {run.data.tags[TAG_RUN_KEY]: run.data.tags[tag] for run in stored}
    # Earlier versions wrote 1 for each cell.
    wrong = [key for key, of in told.items() if of not in (cell_of(cells.get(key, "")), "1")]
    return [f"tag {tag} of {len(wrong)} runs"] if wrong else []


def _differing_files(tracker: MlflowTracker, run_id: str, record: RunRecord) -> list[str]:
    assert record.end is not None
    hashes = record.end.sha256.items()
    return [f"artifact {name}" for name, of in hashes if not _is_whole(tracker, run_id, name, of)]


def _is_whole(tracker: MlflowTracker, run_id: str, name: str, expected: str) -> bool:
    """Whether an artifact has this hash."""
    # In a store that was moved with its root the addresses may be those of the old place.
    local = tracker.root.artifacts / run_id / "artifacts"
    try:
        path = local / name
        if not local.is_dir():
            path = Path(tracker.client.download_artifacts(run_id, name))
        return hashlib.sha256(path.read_bytes()).hexdigest() == expected
    except Exception as error:
        if not (isinstance(error, OSError) or "refuses" in failure(error)):
            raise
        return False
