"""Shared by the end-to-end tests: start commands, and read what they leave on disk and stored."""

import contextlib
import itertools
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import SimpleNamespace

from runner.record import TIMES
from runner.state.root import Root
from runner.state.run_record import read_run
from runner.tracking.store import sqlite

#: A small main job on 8x8 images: tenths of a second a run.
MAIN = (
    "model.channels=1,3",
    "model.dropout=true,false",
    "data=digits",
    "model.hidden_size=16",
    "train.epochs=3",
)
EPOCHS = 3


def quoted(path):
    """A path in quotes, so that Hydra's grammar of overrides takes any of them."""
    return "'" + str(path).replace("\\", "\\\\").replace("'", "\\'") + "'"


def environment(**names):
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MLFLOW_", "HYDRA_"))
    }
    return kept | {"COLUMNS": "160", "LC_MESSAGES": "C"} | names


def start(root, *words, **options):
    """A command under way, in a process group of its own."""
    line = [sys.executable, "-m", "runner", *words, f"runner.root={quoted(root)}"]
    pipes = {
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "text": True,
        "encoding": "utf-8",
    }
    return subprocess.Popen(
        line,
        **(pipes | {"env": environment(), "cwd": root.parent, "start_new_session": True} | options),
    )


def end(process, code, timeout=90):
    """Wait for a command, which must end with this code; what it printed."""
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert process.returncode == code, f"exit code {process.returncode}\n{out}\n{err}"
    assert "Traceback" not in err, err
    return SimpleNamespace(out=out, err=err)


def make_store(folder):
    """Make an empty MLflow store, in a process of its own: MLflow takes long to import."""
    code = "import pathlib; from runner.tracking.store import mlflow_store as s; "
    code += "from runner.state.root import Root; "
    code += "s.connect(None, Root(pathlib.Path({!r})))"
    line = [sys.executable, "-c", code.format(str(folder))]
    subprocess.run(line, check=True, env=environment(), stderr=subprocess.DEVNULL, timeout=90)


def in_copy(folder, *words, code=0):
    """A command of Python, typed in a copy of the checkout, and what it printed."""
    ended = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=environment(PYTHONPATH=str(folder)),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == code, f"{words}\n{ended.stdout}\n{ended.stderr}"
    return SimpleNamespace(out=ended.stdout, err=ended.stderr)


def run(root, *words, code=0, **options):
    return end(start(root, *words, **options), code)


def sync(root, *words, code=0):
    line = [sys.executable, "-m", "runner.sync", "--root", str(root), *words]
    ended = subprocess.run(
        line, capture_output=True, text=True, env=environment(), cwd=root.parent, timeout=90
    )
    assert ended.returncode == code, ended.stderr
    return ended


def until(condition, seconds=60.0):
    """Wait until a condition is true, and return its value."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    return value


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def status_of(address, host=None):
    """The HTTP status of an address; None when nothing answers."""
    headers = {"Host": host} if host else {}
    try:
        with urllib.request.urlopen(
            urllib.request.Request(address, headers=headers), timeout=5
        ) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    except OSError:
        return None


# What is on disk.


def journal_files(root):
    """The journals of all attempts, of versions before there were any too."""
    places = ("state/*/journal.jsonl", "state/*/attempts/*/journal.jsonl")
    return [path for place in places for path in root.glob(place)]


def journals(root):
    """Run key -> the whole lines of its journals, attempt by attempt as they began."""
    attempts = {}
    for path in journal_files(root):
        lines = whole_lines(path)
        death = path.with_name("death.jsonl")
        if death.exists() and lines[-1]["kind"] != "end":
            lines += whole_lines(death)
        attempts.setdefault(path.relative_to(root / "state").parts[0], []).append(lines)
    return {
        key: [line for lines in sorted(of_run, key=began) for line in lines]
        for key, of_run in attempts.items()
    }


def whole_lines(path):
    content = path.read_bytes()
    return [json.loads(line) for line in content[: content.rfind(b"\n") + 1].splitlines()]


def began(lines):
    return lines[0]["time_ms"] if lines else 0


def attempt_of(root, key):
    """The folder of the attempt that counts."""
    folder = Root(root).run(key)
    return folder.attempt(read_run(folder).attempt)


def lines(root, kind):
    """Run key -> its lines of a kind: start, setup, epoch or end."""
    return {
        key: [line for line in journal if line["kind"] == kind]
        for key, journal in journals(root).items()
    }


def plan_of(root):
    """The only sweep.json of a root."""
    (path,) = (root / "state" / "sweeps").glob("*/sweep.json")
    return json.loads(path.read_bytes())


def keys_of(root, seed):
    return [run["run_key"] for run in plan_of(root)["runs"] if run["config"]["seed"] == seed]


def results(root, keys=None):
    """Run key -> what has to be the same however a run is trained: its numbers, and its files."""
    found = {}
    for folder in Root(root).runs():
        if keys is None or folder.key in keys:
            record, attempt = read_run(folder), attempt_of(root, folder.key)
            epochs = [(n, without_times(epoch.metrics)) for n, epoch in record.epochs.items()]
            paths = (attempt.weights, attempt.test_correct, attempt.test_predicted)
            # Earlier versions kept no predicted classes.
            files = [path.read_bytes() for path in paths if path.exists()]
            found[folder.key] = sorted(epochs), files, record.status
    return found


def without_times(metrics):
    return {name: value for name, value in metrics.items() if name not in TIMES}


def listing(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


# What is in the store.


def query(database, sql):
    """The answer of a SQLite file, or of PostgreSQL by its address."""
    with contextlib.closing(connected(database)) as connection:
        return connection.execute(sql).fetchall()


def connected(database):
    if isinstance(database, Path):
        return sqlite.to_read(database)
    import psycopg

    return psycopg.connect(database)


def stored(database, kind="run"):
    """The runs of a store that are not deleted; of kind run, or sweep for the parents."""
    columns = "run_uuid, name, status, start_time, end_time, artifact_uri"
    names = ("id", "name", "status", "started", "ended", "uri")
    active = query(database, f"select {columns} from runs where lifecycle_stage = 'active'")
    runs = {
        values[0]: SimpleNamespace(
            **dict(zip(names, values, strict=True)), tags={}, params={}, rows=[]
        )
        for values in active
    }
    for table in ("tags", "params"):
        for uuid, key, value in query(database, f"select run_uuid, key, value from {table}"):
            if uuid in runs:
                getattr(runs[uuid], table)[key] = value
    for uuid, *row in query(
        database, "select run_uuid, key, step, value, timestamp from metrics order by key, step"
    ):
        if uuid in runs:
            runs[uuid].rows.append(tuple(row))
    return [run for run in runs.values() if run.tags.get("kind") == kind]


def stored_by_key(database):
    """Run key -> its only run in the store."""
    runs = stored(database)
    by_key = {run.tags["run_key"]: run for run in runs}
    assert len(by_key) == len(runs), "a run is there twice"
    return by_key


def recorded_end(stored_run):
    """How a run ended: MLflow's status, the runner's, and whether it says that it is complete."""
    return stored_run.status, stored_run.tags["status"], stored_run.tags.get("complete")


def image(database):
    """What the store says of runs and sweeps, but for ids and places, which are its own.

    A sweep's description has links to its pages; its answers and its report are there once
    somebody looked at them.
    """
    parents = {sweep.id: sweep.name for sweep in stored(database, "sweep")}
    runs = {}
    for key, run in stored_by_key(database).items():
        # A tag is empty where another attempt may have left a value.
        tags = {name: value for name, value in run.tags.items() if value}
        tags |= {"mlflow.parentRunId": parents.get(run.tags.get("mlflow.parentRunId"))}
        runs[key] = (run.name, run.status, run.started, run.ended, tags, run.params, run.rows)
    sweeps = {}
    for sweep in stored(database, "sweep"):
        apart = ("last_used", "mlflow.note.", "sha256")
        tags = {name: v for name, v in sweep.tags.items() if not name.startswith(apart)}
        sweeps[sweep.tags["sweep_key"]] = (sweep.name, sweep.status, tags)
    return runs, sweeps


def cells_table(out):
    """The rows of the table of cells that a sweep printed, by their headings."""
    lines = out.splitlines()
    rule = next(place for place, line in enumerate(lines) if line and not line.strip("\u2500-"))
    heads, *rows = (
        re.split(r" {2,}", line.strip()) for line in [lines[rule - 1], *lines[rule + 1 :]]
    )
    rows = itertools.takewhile(lambda row: len(row) == len(heads), rows)
    return [dict(zip(heads, row, strict=True)) for row in rows]


# Processes.


def descendants(pid):
    """The processes below a process, by /proc."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
            if state != "Z":
                parents[int(path.parent.name)] = int(parent)
    tree, last = {pid}, set()
    while tree != last:
        last, tree = tree, tree | {child for child, parent in parents.items() if parent in tree}
    return tree - {pid}


def parent(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
