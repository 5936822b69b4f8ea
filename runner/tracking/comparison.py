"""What a store has of a run, held against what is recorded under state/."""

import contextlib
import hashlib
import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path

from runner.plan.plan import Plan, PlannedRun
from runner.record import (
    TAG_COMPLETE,
    TAG_HASHES,
    TAG_LAST_USED,
    TAG_PARENT,
    TAG_RUN_KEY,
    TAG_SWEEP_KEY,
    recorded_tags,
    sha256_tag,
    sweep_tag,
)
from runner.state.root import Root
from runner.state.run_record import RunRecord
from runner.tracking.mlflow_sweep import REPORT, MlflowSweep, report_hashes, totals
from runner.tracking.mlflow_tracker import MlflowTracker
from runner.tracking.mlflow_values import data_of, parameters_of, rows_of, tags_of
from runner.tracking.mlflow_view import cell_of, view_id, view_tag
from runner.tracking.store import sqlite
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


def has_all(
    path: Path, experiment: str, root: Root, plan: Plan, records: Mapping[str, RunRecord]
) -> bool:
    """Whether a SQLite store has all of a plan that is trained, seen without importing MLflow.

    A sweep is then the latest one, too. False says nothing: a tracker finds out what there is to
    tell.
    """
    if not all(of.trained and of.end and not of.is_contested for of in records.values()):
        return False
    place = "select experiment_id, artifact_location, lifecycle_stage from experiments"
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite.to_read(path)) as file:
        found = file.execute(f"{place} where name = ?", (experiment,)).fetchone()
        if found is None or found[1:] != (root.artifacts.as_uri(), "active"):
            return False
        is_told = plan.single or _has_sweep(file, found[0], root, plan)
        return is_told and _has_runs(file, found[0], plan, records)
    return False


def _tagged(
    file: sqlite3.Connection, experiment_id: int, tag: str
) -> list[tuple[str, str, str, int]]:
    """The runs with a tag that are not deleted: id, value of the tag, status, end."""
    return file.execute(
        "select run_uuid, value, status, end_time from runs join tags using (run_uuid)"
        " where experiment_id = ? and lifecycle_stage = 'active' and key = ?",
        (experiment_id, tag),
    ).fetchall()


def _has_runs(
    file: sqlite3.Connection, experiment_id: int, plan: Plan, records: Mapping[str, RunRecord]
) -> bool:
    """Whether each run is there once, whole, and one of the sweep's."""
    planned = {run.run_key: run for run in plan.runs}
    stored = [of for of in _tagged(file, experiment_id, TAG_RUN_KEY) if of[1] in planned]
    tags = [TAG_COMPLETE] if plan.single else [TAG_COMPLETE, TAG_PARENT, sweep_tag(plan.sweep_key)]
    of_runs = {tag: {id: of for id, of, *_ in _tagged(file, experiment_id, tag)} for tag in tags}
    if len(stored) != len(planned):
        return False
    for id, key, _, end_time in stored:
        told, end = [of_runs[tag].get(id) for tag in tags], records[key].end
        cell = cell_of(planned[key].cell)
        if told[0] != "1" or end is None or end.time_ms != end_time:
            return False
        if not plan.single and (told[1] is None or told[2] != cell):
            return False
    return True


def _has_sweep(file: sqlite3.Connection, experiment_id: int, root: Root, plan: Plan) -> bool:
    """Whether the sweep's run is as `MlflowSweep.close` left it, with the plan and the report."""
    parents = _tagged(file, experiment_id, TAG_SWEEP_KEY)
    mine = [id for id, key, status, _ in parents if (key, status) == (plan.sweep_key, "FINISHED")]
    used = {id: of for id, of, *_ in _tagged(file, experiment_id, TAG_LAST_USED) if of.isdigit()}
    if len(mine) != 1 or not used.keys() >= {id for id, *_ in parents}:
        return False
    run_id, value = mine[0], "select value from {} where run_uuid = ? and key = ?"
    n_trained = file.execute(value.format("latest_metrics"), (run_id, "sweep/runs_trained"))
    hashes = file.execute(value.format("tags"), (run_id, TAG_HASHES)).fetchone()
    view = "select 1 from experiment_tags where experiment_id = ? and key = ?"
    own = view_tag(view_id(plan.sweep_key))
    written, told = root.sweep(plan.sweep_key).plan, root.artifacts / run_id / "artifacts"
    with contextlib.suppress(OSError):
        return (
            all(int(used[run_id]) > int(of) for id, of in used.items() if id != run_id)
            and n_trained.fetchone() == (len(plan.runs),)
            and report_hashes(root, plan) in ("", *(hashes or ()))
            and file.execute(view, (experiment_id, own)).fetchone() is not None
            and (told / written.name).read_bytes() == written.read_bytes()
        )
    return False


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
