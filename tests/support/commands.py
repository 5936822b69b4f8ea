"""What the end-to-end tests share: commands as they are typed, roots with a store in them, and
readers of both."""

import contextlib
import itertools
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import SimpleNamespace

from runner.record import TIMES
from runner.tracking import sqlite

#: The main job in small: 8x8 images, tenths of a second a run.
MAIN = (
    "model.channels=1,3",
    "model.dropout=true,false",
    "data=digits",
    "model.hidden_size=16",
    "train.epochs=3",
)
EPOCHS = 3


def quoted(path):
    """A path as Hydra's override grammar takes any of them."""
    return "'" + str(path).replace("\\", "\\\\").replace("'", "\\'") + "'"


def environment(**more):
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MLFLOW_", "HYDRA_"))
    }
    return kept | {"COLUMNS": "160"} | more


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
    """Wait for a command, which has to end with this code; what it printed."""
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert process.returncode == code, f"exit code {process.returncode}\n{out}\n{err}"
    assert "Traceback" not in err, err
    return SimpleNamespace(out=out, err=err)


def make_store(folder):
    """An MLflow store with nothing in it; in a process of its own, for MLflow takes long to
    import."""
    code = "import pathlib; from runner.tracking import mlflow_store as s; "
    code += "from runner.state.root import Root; "
    code += "s.connect(None, Root(pathlib.Path({!r})))"
    line = [sys.executable, "-c", code.format(str(folder))]
    subprocess.run(line, check=True, env=environment(), stderr=subprocess.DEVNULL, timeout=90)


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
    """Wait until something is so, and return what it is."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    return found


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def status_of(address, host=None):
    """The HTTP status that an address answers with; None when nothing does."""
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


def journals(root):
    """Run key -> the whole lines of its journal."""
    found = {}
    for path in (root / "state").glob("*/journal.jsonl"):
        whole, _, _ = path.read_bytes().rpartition(b"\n")
        found[path.parent.name] = [json.loads(line) for line in whole.splitlines()]
    return found


def lines(root, kind):
    """Run key -> its lines of one kind: start, setup, epoch or end."""
    return {
        key: [line for line in found if line["kind"] == kind]
        for key, found in journals(root).items()
    }


def plan_of(root):
    """The only sweep.json of a root."""
    (path,) = (root / "state" / "sweeps").glob("*/sweep.json")
    return json.loads(path.read_bytes())


def keys_of(root, seed):
    return [run["run_key"] for run in plan_of(root)["runs"] if run["config"]["seed"] == seed]


def results(root, keys=None):
    """Run key -> all that has to be the same however a run was trained: its numbers and the bytes
    of its files."""
    found = {}
    for key, epochs in lines(root, "epoch").items():
        if keys is None or key in keys:
            numbers = [
                (
                    line["epoch"],
                    {name: value for name, value in line["metrics"].items() if name not in TIMES},
                )
                for line in epochs
            ]
            files = [
                (root / "state" / key / name).read_bytes()
                for name in ("weights.npz", "test_correct.npy")
            ]
            found[key] = (numbers, files)
    return found


def listing(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


# What is in the store.


def query(database, sql):
    with contextlib.closing(sqlite.to_read(database)) as connection:
        return connection.execute(sql).fetchall()


def stored(database, kind="run"):
    """The runs of a SQLite store that are not deleted; of one kind: run, or sweep for the
    parents."""
    found = {}
    for uuid, *rest in query(
        database,
        "select run_uuid, name, status, start_time, end_time, artifact_uri from runs where"
        " lifecycle_stage='active'",
    ):
        name, status, started, ended, uri = rest
        found[uuid] = SimpleNamespace(
            id=uuid, name=name, status=status, started=started, ended=ended, uri=uri
        )
        found[uuid].tags, found[uuid].params, found[uuid].rows = {}, {}, []
    for table in ("tags", "params"):
        for uuid, key, value in query(database, f"select run_uuid, key, value from {table}"):
            if uuid in found:
                getattr(found[uuid], table)[key] = value
    for uuid, *row in query(
        database, "select run_uuid, key, step, value, timestamp from metrics order by key, step"
    ):
        if uuid in found:
            found[uuid].rows.append(tuple(row))
    return [one for one in found.values() if one.tags.get("kind") == kind]


def stored_by_key(database):
    """Run key -> its run in the store; there may be one alone."""
    found = stored(database)
    by_key = {one.tags["run_key"]: one for one in found}
    assert len(by_key) == len(found), "a run is there twice"
    return by_key


def image(database):
    """All that the store says about runs, without what has to differ between two stores: ids and
    places."""
    parents = {one.id: one.name for one in stored(database, "sweep")}
    found = {}
    for key, one in stored_by_key(database).items():
        tags = one.tags | {"mlflow.parentRunId": parents.get(one.tags.get("mlflow.parentRunId"))}
        found[key] = (one.name, one.status, one.started, one.ended, tags, one.params, one.rows)
    unlike = ("last_used",)
    sweeps = {
        one.tags["sweep_key"]: (
            one.name,
            one.status,
            {k: v for k, v in one.tags.items() if k not in unlike},
        )
        for one in stored(database, "sweep")
    }
    return found, sweeps


# Processes.


def descendants(pid):
    """The processes below one, by /proc."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
            if state != "Z":
                parents[int(path.parent.name)] = int(parent)
    found = {pid}
    for _ in itertools.count():
        below = {child for child, parent in parents.items() if parent in found} - found
        if not below:
            return found - {pid}
        found |= below
    raise AssertionError


def parent(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
