"""What is killed: this project's sweep, and a plain Hydra and MLflow script that trains the same networks."""

import json
import os
import shutil
import sqlite3
import sys
from collections import Counter
from pathlib import Path

from commands import descendants, environment, journals, lines, query, quoted, results, stored

from runner import store
from runner.crash import POINTS
from runner.record import METRICS

FAULTY = Path(__file__).resolve().parent.parent / "faulty"
REPO = Path(__file__).resolve().parent.parent.parent
CHANNELS, SEEDS, N_EPOCHS, N_WORKERS = (1, 2, 3), (0, 1), 6, 2
N_RUNS = len(CHANNELS) * len(SEEDS)
SMALL = ("data=mnist5k", "model.hidden_size=16", "model.channels=1,2,3", "seed=0,1", f"train.epochs={N_EPOCHS}")


class Ours:
    """`python -m runner -m ...`"""

    name = "this project"
    #: Each is visited by a start of its own; a download's is tested with a mirror in tests/test_data.py.
    points = tuple(point for point in POINTS if point != "download_half")
    resumes = True
    n_epochs = N_EPOCHS

    def __init__(self, empty_store):
        self.empty_store = empty_store

    def prepare(self, root):
        root.mkdir()
        shutil.copy(self.empty_store, store.database(root))

    def line(self, root):
        every = ("runner.checkpoint_every_s=0", f"runner.workers={N_WORKERS}", f"runner.root={quoted(root)}")
        return [sys.executable, "-m", "runner", "-m", *SMALL, *every]

    def report_line(self, root):
        return [sys.executable, "-m", "analysis", "--root", str(root)]

    def environment(self, root):
        return environment(PYTHONPATH=str(FAULTY), EPOCHS_LOG=str(root.with_suffix(".epochs")), EPOCH_SLEEP="0.15")

    def n_recorded(self, root):
        """Epochs in the journals: a new one says that a sweep is in the middle of training."""
        return sum(len(found) for found in lines(root, "epoch").values())

    def workers(self, root, process):
        """The processes that hold a run now."""
        return {
            found[-1]["pid"]
            for key, found in lines(root, "start").items()
            if found and journals(root)[key][-1]["kind"] in ("start", "compiling", "setup", "epoch")
        }

    def check(self, root, figures, wrong):
        """What must hold at any moment, with nobody at work."""
        database = store.database(root)
        if not database.exists():  # before it was made
            return
        if query(database, "pragma integrity_check") != [("ok",)]:
            figures.broken_stores += 1
            wrong("the store fails SQLite's integrity check")
        by_key = Counter(one.tags["run_key"] for one in stored(database))
        for one in stored(database):
            steps = Counter((metric, step) for metric, step, *_ in one.rows)
            twice = sum(n - 1 for n in steps.values())
            figures.duplicate_rows += twice
            if one.tags.get("complete") == "1" and len(steps) != self.n_epochs * len(METRICS):
                wrong(f"{one.name} is marked complete with {len(steps)} rows")
            if twice:
                wrong(f"{one.name} has {twice} rows twice")
        for key, found in journals(root).items():
            epochs = []
            for line in found:
                epochs = [] if line["kind"] == "start" else epochs
                if line["kind"] == "epoch":
                    if epochs and line["epoch"] <= epochs[-1]:
                        figures.two_writers += 1
                        wrong(f"two writers on {key[:8]}")
                    epochs.append(line["epoch"])
        return by_key

    def check_end(self, root, reference, figures, wrong):
        """What must hold once a sweep has ended by itself with exit code 0."""
        runs = stored(store.database(root))
        keys = Counter(one.tags["run_key"] for one in runs)
        figures.duplicate_runs += sum(n - 1 for n in keys.values())
        figures.left_running += sum(one.status == "RUNNING" for one in runs)
        if set(keys) != set(reference) or max(keys.values()) > 1:
            wrong(f"runs in the store: {sorted(keys.values())} of {len(reference)}")
        for one in runs:
            expected = self.n_epochs * len(METRICS)
            figures.missing_rows += expected - len({row[:2] for row in one.rows})
            if (one.status, one.tags.get("complete")) != ("FINISHED", "1"):
                wrong(f"{one.name} is {one.status}, complete={one.tags.get('complete')}")
        found = results(root)
        for key, expected in reference.items():
            figures.runs_compared += 1
            figures.runs_equal += found.get(key) == expected
            if found.get(key) != expected:
                wrong(f"{key[:8]} differs from the undisturbed run")
        figures.resumes += sum(max(0, len(found) - 1) for found in lines(root, "start").values())

    def left(self, root):
        """Files that nobody will need again."""
        return [path for path in root.rglob("*") if ".tmp" in path.name or path.name.startswith("checkpoint")]

    def reference(self, root):
        return results(root)


class Plain:
    """benchmarks/plain.py: the same training under Hydra's joblib launcher, logged by MLflow's fluent calls."""

    name = "plain Hydra and MLflow"
    points = ()
    resumes = False

    def __init__(self, empty_store):
        self.empty_store = empty_store

    def prepare(self, root):
        root.mkdir()
        shutil.copy(self.empty_store, root / "mlflow.db")

    def line(self, root):
        words = [f"channels={','.join(map(str, CHANNELS))}", f"seed={','.join(map(str, SEEDS))}"]
        words += [f"epochs={N_EPOCHS}", f"root={quoted(root)}", f"hydra.sweep.dir={quoted(root / 'hydra')}"]
        return [sys.executable, "-m", "benchmarks.plain", "-m", *words, f"hydra.launcher.n_jobs={N_WORKERS}"]

    def environment(self, root):
        path = os.pathsep.join((str(FAULTY), str(REPO)))
        return environment(PYTHONPATH=path, EPOCHS_LOG=str(root.with_suffix(".epochs")), EPOCH_SLEEP="0.15")

    def n_recorded(self, root):
        with sqlite3.connect(root / "mlflow.db", timeout=30) as file:
            ((n,),) = file.execute("select count(*) from metrics where key = 'test/accuracy'")
        file.close()
        return n

    def workers(self, root, process):
        return descendants(process.pid)

    def check(self, root, figures, wrong):
        if query(root / "mlflow.db", "pragma integrity_check") != [("ok",)]:
            figures.broken_stores += 1

    def check_end(self, root, reference, figures, wrong):
        runs = query(root / "mlflow.db", "select run_uuid, status from runs where lifecycle_stage = 'active'")
        rows = dict(query(root / "mlflow.db", "select run_uuid, count(*) from metrics group by run_uuid"))
        figures.left_running += sum(status == "RUNNING" for _, status in runs)
        figures.duplicate_runs += len(runs) - N_RUNS
        whole = 8 * N_EPOCHS
        figures.missing_rows += sum(max(0, whole - rows.get(run, 0)) for run, _ in runs)
        of = self._finals(root)
        for key, expected in reference.items():
            figures.runs_compared += 1
            figures.runs_equal += of.get(key) == expected
        # Nothing goes on by itself from a run that was killed: somebody has to find and delete what it left.
        figures.manual_steps += sum(status == "RUNNING" for _, status in runs)

    def left(self, root):
        return [path for path in root.rglob("*") if ".tmp" in path.name]

    def reference(self, root):
        return self._finals(root)

    def _finals(self, root):
        """Parameters -> the numbers of a finished run."""
        params, numbers = {}, {}
        for run, key, value in query(root / "mlflow.db", "select run_uuid, key, value from params"):
            params.setdefault(run, {})[key] = value
        finished = {run for (run,) in query(root / "mlflow.db", "select run_uuid from runs where status = 'FINISHED'")}
        for run, *row in query(root / "mlflow.db", "select run_uuid, key, step, value from metrics order by key, step"):
            if run in finished:
                numbers.setdefault(run, []).append(row)
        return {json.dumps(params[run], sort_keys=True): rows for run, rows in numbers.items()}
