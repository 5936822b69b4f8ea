"""What is run: this project's sweep, and a plain Hydra and MLflow script that trains the same
networks."""

import json
import shutil
import sqlite3
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from commands import descendants, environment, journals, lines, query, quoted, results, stored
from places import FAULTY
from servers import Server

from runner.record import METRICS, TIMES, recorded_tags
from runner.state.root import Root
from runner.state.run_record import read_run
from runner.system.faults import POINTS

CHANNELS, SEEDS, N_EPOCHS, N_WORKERS = (1, 2, 3), (0, 1), 6, 2
N_RUNS = len(CHANNELS) * len(SEEDS)
#: Of a start that compiles, which takes longer.
COLD_LIMIT_S = 3
SMALL = (
    "data=mnist5k",
    "model.hidden_size=16",
    "model.channels=1,2,3",
    "seed=0,1",
    f"train.epochs={N_EPOCHS}",
)


@dataclass(frozen=True)
class StoredRun:
    """A run in a subject's MLflow store."""

    name: str
    #: What tells it from the others; None when its process died before it said so.
    key: str | None
    status: str
    #: Whether it claims to be whole.
    complete: bool
    #: (metric, step, value, ...) each.
    rows: list[Any]


class Runner:
    """`python -m runner -m ...`"""

    name = "this project"
    #: Each is visited by a start of its own, but for those that have a test: test_download.py and
    #: test_upgrade.py.
    points = tuple(point for point in POINTS if not point.startswith(("download_", "upgrade_")))
    resumes = True

    def __init__(self, empty_store, n_epochs=N_EPOCHS):
        self.empty_store = empty_store
        self.n_epochs_needed = N_RUNS * n_epochs
        #: Rows of a run that is whole.
        self.n_rows = n_epochs * len(METRICS)
        #: The MLflow server of the root at hand, where it has one.
        self.server = None

    def prepare(self, root, served):
        root.mkdir()
        shutil.copy(self.empty_store, self.database(root))
        if served:
            artifacts = ["--default-artifact-root", Root(root).artifacts.as_uri()]
            self.server = Server(self.database(root), root.with_suffix(".server"), artifacts)
            self.server.begin()

    def leave(self):
        """Nobody will start anything in the root at hand again."""
        if self.server:
            self.server.kill()
            self.server = None

    def database(self, root):
        return Root(root).database

    def line(self, root):
        words = [
            "runner.checkpoint_every_s=0",
            f"runner.workers={N_WORKERS}",
            f"runner.root={quoted(root)}",
        ]
        words += [f"tracking.uri={self.server.uri}"] if self.server else []
        return [sys.executable, "-m", "runner", "-m", *SMALL, *words]

    def report_line(self, root):
        return [
            sys.executable,
            "-m",
            "analysis",
            "--root",
            str(root),
            "--out",
            str(root.with_suffix(".report")),
        ]

    def environment(self, root):
        # What MLflow's client does between its tries is not what is tested.
        once = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
        log = root.with_suffix(".epochs")
        return environment(PYTHONPATH=FAULTY, EPOCHS_LOG=str(log), EPOCH_SLEEP="0.15", **once)

    def cold_line(self, root):
        """The command whose workers compile: without its estimate, which would do so before them.

        Attempts that take too long fail meanwhile, and leave what failed ones leave.
        """
        return [*self.line(root), "progress=false", f"runner.time_limit_s={COLD_LIMIT_S}"]

    def cold(self, root):
        """The environment of a command that finds no compiled kernels and other packages.

        However fast it compiles, none of its epochs ends within the limit: a run that was trained
        with other packages is not compared with the others, and the report would rightly say so.
        """
        cache = root.with_suffix(f".cache {self.n_started(root)}")
        slow = {"EPOCH_SLEEP": str(COLD_LIMIT_S)}
        return {"NUMBA_CACHE_DIR": str(cache), "VERSIONS": "other"} | slow

    def n_started(self, root):
        return sum(map(len, lines(root, "start").values()))

    def n_set_up(self, root):
        """Attempts that got as far as to train."""
        return sum(map(len, lines(root, "setup").values()))

    def n_recorded(self, root):
        """Epochs in the journals: a new one says that a sweep is in the middle of training."""
        return sum(map(len, lines(root, "epoch").values()))

    def workers(self, root, process):
        """The processes that hold a run now."""
        return {
            starts[-1]["pid"]
            for key, starts in lines(root, "start").items()
            if starts and journals(root)[key][-1]["kind"] != "end"
        }

    def stored(self, root):
        if not self.database(root).exists():
            return []
        return [
            StoredRun(
                run.name, run.tags["run_key"], run.status, run.tags.get("complete") == "1", run.rows
            )
            for run in stored(self.database(root))
        ]

    def provenance(self, root):
        """Name of a run -> what MLflow says it was trained with, and what the attempt that counts
        says."""
        told = {}
        for run in stored(self.database(root)) if self.database(root).exists() else ():
            record = read_run(Root(root).run(run.tags["run_key"]))
            if record.setup is None:
                continue
            own = {
                "first_batch_order.sha256": record.setup.first_batch_order_sha256,
                "n_parameters": str(record.setup.n_parameters),
                "engine.fallbacks": json.dumps(record.setup.fallbacks),
            } | {f"version.{package}": of for package, of in record.start.versions.items()}
            tags = recorded_tags(run.tags)
            told[run.name] = {name: tags.get(name) for name in own}, own
        return told

    def journals(self, root):
        return journals(root)

    def n_resumed(self, root):
        """How often a process went on with a run that another one had begun."""
        return sum(max(0, len(starts) - 1) for starts in lines(root, "start").values())

    def left(self, root):
        """Files that nobody will need again."""
        return [
            path
            for path in root.rglob("*")
            if ".tmp" in path.name or path.name.startswith(("checkpoint", "error.txt"))
        ]

    def results(self, root):
        """Run key -> its numbers and files in state/, and in MLflow: all that has to be equal bit
        for bit."""
        in_store = {}
        for run in stored(self.database(root)):
            artifacts = Path(url2pathname(urlsplit(run.uri).path))
            rows = [
                (metric, step, value) for metric, step, value, _ in run.rows if metric not in TIMES
            ]
            # config.json names the root, too.
            names = ("weights.npz", "test_correct.npy", "test_predicted.npy")
            paths = [artifacts / name for name in names]
            files = [path.read_bytes() for path in paths if path.exists()]
            in_store[run.tags["run_key"]] = rows, files, run.params
        return {key: (in_state, in_store.get(key)) for key, in_state in results(root).items()}

    def report(self, root):
        """The frames of a report that was written: each claim and each contrast, with every
        number."""
        folder = root.with_suffix(".report")
        return {name: (folder / name).read_bytes() for name in ("claims.csv", "contrasts.csv")}


class PlainScript:
    """benchmarks/plain: the same training under Hydra's joblib launcher, logged by MLflow's fluent
    calls."""

    name = "plain Hydra and MLflow"
    points = ()
    resumes = False
    server = None
    n_epochs_needed = N_RUNS * N_EPOCHS
    n_rows = 8 * N_EPOCHS

    def __init__(self, empty_store):
        self.empty_store = empty_store

    def prepare(self, root, served):
        root.mkdir()
        shutil.copy(self.empty_store, self.database(root))

    def leave(self):
        pass

    def database(self, root):
        return root / "mlflow.db"

    def line(self, root):
        words = [f"channels={','.join(map(str, CHANNELS))}", f"seed={','.join(map(str, SEEDS))}"]
        words += [
            f"epochs={N_EPOCHS}",
            f"root={quoted(root)}",
            f"hydra.sweep.dir={quoted(root / 'hydra')}",
        ]
        return [
            sys.executable,
            "-m",
            "benchmarks.plain",
            "-m",
            *words,
            f"hydra.launcher.n_jobs={N_WORKERS}",
        ]

    def environment(self, root):
        return environment(
            PYTHONPATH=FAULTY, EPOCHS_LOG=str(root.with_suffix(".epochs")), EPOCH_SLEEP="0.15"
        )

    def n_recorded(self, root):
        with sqlite3.connect(self.database(root), timeout=30) as file:
            ((n,),) = file.execute("select count(*) from metrics where key = 'test/accuracy'")
        file.close()
        return n

    def workers(self, root, process):
        return descendants(process.pid)

    def stored(self, root):
        database, parameters, rows = self.database(root), self._parameters(root), {}
        for uuid, *row in query(
            database, "select run_uuid, key, step, value from metrics order by key, step"
        ):
            rows.setdefault(uuid, []).append(tuple(row))
        runs = query(
            database, "select run_uuid, name, status from runs where lifecycle_stage = 'active'"
        )
        return [
            StoredRun(name, parameters.get(uuid), status, status == "FINISHED", rows.get(uuid, []))
            for uuid, name, status in runs
        ]

    def _parameters(self, root):
        parameters = {}
        for uuid, key, value in query(
            self.database(root), "select run_uuid, key, value from params"
        ):
            parameters.setdefault(uuid, {})[key] = value
        return {uuid: json.dumps(values, sort_keys=True) for uuid, values in parameters.items()}

    def provenance(self, root):
        return {}

    def journals(self, root):
        return {}

    def n_resumed(self, root):
        return 0

    def left(self, root):
        return [path for path in root.rglob("*") if ".tmp" in path.name]

    def results(self, root):
        """Parameters -> the numbers of a finished run."""
        return {run.key: run.rows for run in self.stored(root) if run.status == "FINISHED"}
