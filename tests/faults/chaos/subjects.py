"""What is killed: this project's sweep, and a plain Hydra and MLflow script that trains the same networks."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from commands import (
    descendants,
    environment,
    free_port,
    journals,
    lines,
    query,
    quoted,
    results,
    status_of,
    stored,
    until,
)
from places import FAULTY, REPO

from runner.faults import POINTS
from runner.record import METRICS, TIMES
from runner.state.root import Root
from runner.tracking import address

CHANNELS, SEEDS, N_EPOCHS, N_WORKERS = (1, 2, 3), (0, 1), 6, 2
N_RUNS = len(CHANNELS) * len(SEEDS)
SMALL = ("data=mnist5k", "model.hidden_size=16", "model.channels=1,2,3", "seed=0,1", f"train.epochs={N_EPOCHS}")


class Ours:
    """`python -m runner -m ...`"""

    name = "this project"
    #: Each is visited by a start of its own; a download's is tested with a mirror in tests/data/test_download.py.
    points = tuple(point for point in POINTS if point != "download_half")
    resumes = True
    n_epochs = N_EPOCHS

    def __init__(self, empty_store):
        self.empty_store = empty_store
        #: The MLflow server of the root at hand, where it has one.
        self.server = None

    def prepare(self, root, served):
        root.mkdir()
        shutil.copy(self.empty_store, Root(root).database)
        if served:
            self.server = Server(root)

    def leave(self):
        """Nobody will start anything in the root at hand again."""
        if self.server:
            self.server.kill()
            self.server = None

    def line(self, root):
        every = ["runner.checkpoint_every_s=0", f"runner.workers={N_WORKERS}", f"runner.root={quoted(root)}"]
        every += [f"tracking.uri={self.server.uri}"] if self.server else []
        return [sys.executable, "-m", "runner", "-m", *SMALL, *every]

    def report_line(self, root):
        return [sys.executable, "-m", "analysis", "--root", str(root), "--out", str(root.with_suffix(".report"))]

    def environment(self, root):
        # What MLflow's client does between its tries is not what is tested.
        once = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
        log = root.with_suffix(".epochs")
        return environment(PYTHONPATH=str(FAULTY), EPOCHS_LOG=str(log), EPOCH_SLEEP="0.15", **once)

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

    def look(self, root, wrong):
        """What must hold at any moment, while others are at work: what is marked complete is whole."""
        database = Root(root).database
        if database.exists():
            for name, n in query(database, MARKED):
                if n != self.n_epochs * len(METRICS):
                    wrong(f"{name} is marked complete with {n} rows")

    def check(self, root, figures, wrong):
        """What must hold at any moment, with nobody at work."""
        database = Root(root).database
        if not database.exists():  # before it was made
            return
        if query(database, "pragma integrity_check") != [("ok",)]:
            figures.broken_stores += 1
            wrong("the store fails SQLite's integrity check")
        self.look(root, wrong)
        for one in stored(database):
            steps = Counter((metric, step) for metric, step, *_ in one.rows)
            twice = sum(n - 1 for n in steps.values())
            figures.duplicate_rows += twice
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

    def check_end(self, root, reference, figures, wrong):
        """What must hold once a sweep has ended by itself with exit code 0."""
        runs = stored(Root(root).database)
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
        found = self.reference(root)
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
        """Run key -> its numbers and files in state/, and in MLflow: all that has to be equal bit for bit."""
        in_state = results(root)
        in_store = {}
        for one in stored(Root(root).database):
            artifacts = Path(url2pathname(urlsplit(one.uri).path))
            rows = [(metric, step, value) for metric, step, value, _ in one.rows if metric not in TIMES]
            # config.json names the root, too.
            paths = [artifacts / name for name in ("weights.npz", "test_correct.npy")]
            files = [path.read_bytes() for path in paths if path.exists()]
            in_store[one.tags["run_key"]] = rows, files, one.params
        return {key: (found, in_store.get(key)) for key, found in in_state.items()}

    def report(self, root):
        """The frames of a report that was written: each claim and each contrast, with every number."""
        folder = root.with_suffix(".report")
        return {name: (folder / name).read_bytes() for name in ("claims.csv", "contrasts.csv")}


#: Every run that is marked complete, with how many metrics at how many steps it has.
MARKED = """
select runs.name, (select count(*) from (select distinct key, step from metrics where run_uuid = runs.run_uuid))
from runs join tags on tags.run_uuid = runs.run_uuid and tags.key = 'complete' and tags.value = '1'
join tags kind on kind.run_uuid = runs.run_uuid and kind.key = 'kind' and kind.value = 'run'
where runs.lifecycle_stage = 'active'
"""


class Server:
    """An MLflow server on the loopback address, over the very file that a sweep without one would write to."""

    def __init__(self, root):
        port = free_port()
        self.uri = f"http://127.0.0.1:{port}"
        self.log = root.with_suffix(".server")
        where = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
        what = ["--backend-store-uri", address.sqlite_uri(Root(root).database)]
        what += ["--default-artifact-root", Root(root).artifacts.as_uri()]
        self.line = [sys.executable, "-m", "mlflow", "server", *where, *what]
        self.begin()

    def begin(self):
        quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.line, env=environment(**quiet), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        until(lambda: status_of(self.uri + "/health") == 200)

    def kill(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Plain:
    """benchmarks/plain: the same training under Hydra's joblib launcher, logged by MLflow's fluent calls."""

    name = "plain Hydra and MLflow"
    points = ()
    resumes = False

    def __init__(self, empty_store):
        self.empty_store = empty_store

    server = None

    def prepare(self, root, served):
        root.mkdir()
        shutil.copy(self.empty_store, root / "mlflow.db")

    def leave(self):
        pass

    def look(self, root, wrong):
        pass

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
