"""Runs taken out of a tracking store for good."""

import os
import shutil
import subprocess
import sys

from runner.errors import StoreError
from runner.record import TAG_PARENT, TAG_RUN_KEY, TAG_SWEEP_KEY, sweep_tag
from runner.tracking.mlflow_tracker import MlflowTracker
from runner.tracking.mlflow_view import view_id, view_tag
from runner.tracking.store import address

#: Of a command line.
_IDS_A_CALL = 500


def remove(tracker: MlflowTracker, run_keys: list[str], uri: str | None) -> None:
    """Remove runs, with all that the store has of them.

    A server keeps what was deleted until its owner types `mlflow gc` there.

    Raises
    ------
    StoreError
        When they cannot be removed.
    """
    _remove(tracker, [id for key in run_keys for id in _ids(tracker, TAG_RUN_KEY, key)], uri)


def remove_sweep(
    tracker: MlflowTracker, sweep_key: str, staying: list[str], uri: str | None
) -> None:
    """Remove the parent of a sweep, the view of its runs, and what ties runs to it that stay.

    What tells the store of their other sweeps gives them another parent.

    Parameters
    ----------
    staying
        Run keys.
    """
    parents = _ids(tracker, TAG_SWEEP_KEY, sweep_key)
    for id in [id for key in staying for id in _ids(tracker, TAG_RUN_KEY, key)]:
        tags = tracker.client.get_run(id).data.tags
        if sweep_tag(sweep_key) in tags:
            tracker.client.delete_tag(id, sweep_tag(sweep_key))
        if tags.get(TAG_PARENT) in parents:
            tracker.client.delete_tag(id, TAG_PARENT)
    view = view_tag(view_id(sweep_key))
    if view in tracker.client.get_experiment(tracker.experiment_id).tags:
        tracker.client.delete_experiment_tag(tracker.experiment_id, view)
    _remove(tracker, parents, uri)


def _remove(tracker: MlflowTracker, ids: list[str], uri: str | None) -> None:
    for id in ids:
        tracker.client.delete_run(id)
    file = address.sqlite_file(uri, tracker.root)
    if file is None:
        return
    for first in range(0, len(ids), _IDS_A_CALL):
        _collect(address.sqlite_uri(file), ids[first : first + _IDS_A_CALL])
    for id in ids:  # MLflow leaves the folder itself
        shutil.rmtree(tracker.root.artifacts / id, ignore_errors=True)


def _ids(tracker: MlflowTracker, tag: str, key: str) -> list[str]:
    found = tracker.client.search_runs([tracker.experiment_id], f"tags.{tag} = '{key}'")
    return [str(run.info.run_id) for run in found]


def _collect(uri: str, ids: list[str]) -> None:
    """MLflow's own command for what was deleted: rows and artifacts."""
    line = [sys.executable, "-m", "mlflow", "gc", "--backend-store-uri", uri]
    environment = os.environ | {"PYTHONWARNINGS": "ignore", "MLFLOW_TRACKING_URI": uri}
    ended = subprocess.run(
        [*line, "--run-ids", ",".join(ids)], capture_output=True, text=True, env=environment
    )
    if ended.returncode:
        last = (ended.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise StoreError(f"mlflow gc could not remove {len(ids)} runs: {last}")
