"""What the report of a very large sweep takes: `python -m benchmarks.large_report`.

The journals are made up as benchmarks/size.py makes them up. The rows of MLflow's store are written
straight into its SQLite file, in minutes and not in hours: what the report reads is the same.
"""

import argparse
import json
import sqlite3
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import machine, size
from benchmarks.stores import timed
from runner.state.root import Root

_TABLES = {
    "runs": "run_uuid, name, status, start_time, end_time, lifecycle_stage, artifact_uri,"
    " experiment_id, source_type",
    "tags": "run_uuid, key, value",
    "params": "run_uuid, key, value",
    "metrics": "run_uuid, key, value, timestamp, step, is_nan",
    "latest_metrics": "run_uuid, key, value, timestamp, step, is_nan",
}


def fill(root: Root) -> dict[str, Any]:
    """Make the store of a root whose journals are there, with each run that has ended."""
    from runner.plan import plan as plans
    from runner.state.journals import Journals
    from runner.tracking.mlflow_tracker import MlflowTracker
    from runner.tracking.store import mlflow_store as store

    (folder,) = root.sweeps()
    plan = plans.read(folder.plan)
    client = store.connect(None, root)
    experiment = store.experiment_id(client, size.EXPERIMENT, None, root)
    tracker = MlflowTracker(client, experiment, root)
    tracker.open_sweep(plan)
    journals = Journals(root, [run.run_key for run in plan.runs])
    journals.look()
    n_rows = 0
    with sqlite3.connect(root.database) as file:
        for run in plan.runs[: -size.N_LIVE]:
            for table, rows in _rows(tracker, run, journals[run.run_key]):
                marks = ", ".join("?" for _ in rows[0])
                file.executemany(f"insert into {table} ({_TABLES[table]}) values ({marks})", rows)
                n_rows += len(rows) if table == "metrics" else 0
    file.close()
    tracker.close_sweep("KILLED", {key: journals[key] for key in journals})
    return {"rows": n_rows}


def _rows(tracker: Any, run: Any, record: Any) -> Iterator[tuple[str, list[tuple[Any, ...]]]]:
    """Table and rows of a run, as MLflow's store has them of one that `MlflowTracker` told."""
    from runner.record import TAG_COMPLETE
    from runner.tracking import mlflow_values as values

    id, end = uuid.uuid4().hex, record.end
    times = values.first_time_ms(record), end.time_ms
    place = f"{tracker.root.artifacts.as_uri()}/{id}/artifacts"
    experiment = int(tracker.experiment_id)
    yield "runs", [(id, run.name, "FINISHED", *times, "active", place, experiment, "UNKNOWN")]
    tags = values.tags_of(run, record) | tracker._link(run) | values.origin() | {TAG_COMPLETE: "1"}
    yield "tags", [(id, *tag) for tag in tags.items()]
    yield "params", [(id, *parameter) for parameter in values.parameters_of(run).items()]
    epochs = [epoch for _, epoch in sorted(record.epochs.items())]
    yield "metrics", [(id, *row, 0) for row in values.rows_of(epochs)]
    yield "latest_metrics", [(id, *row, 0) for row in values.rows_of(epochs[-1:])]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large_report", description=__doc__)
    parser.add_argument("--runs", type=int, default=20_000, help="a multiple of 200")
    parser.add_argument("--epochs", type=int, default=50)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root, trained = Root(Path(folder).resolve() / "root"), Path(folder) / "trained"
        words = [*size.RUN, "train.epochs=1", "progress=false", f"runner.root={trained}"]
        subprocess.run(
            [sys.executable, "-m", "runner", *words], check=True, stdout=subprocess.DEVNULL
        )
        size.apart(size.write_state, root, arguments.runs, arguments.epochs, trained)
        filled = size.apart(fill, root)
        seconds, gib, cpu_s = timed(root.path)
    print(json.dumps(machine.machine() | machine.versions()))
    print(
        f"{arguments.runs:,} runs x {arguments.epochs} epochs, {filled['rows']:,} rows:"
        f" {seconds:.1f} s, {cpu_s:.1f} CPU s, {gib:.2f} GiB"
    )


if __name__ == "__main__":
    main()
