"""The file of the MLflow store is made whole or not at all; a file of another kind is refused."""

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys

import pytest
from commands import (
    environment,
    journal_files,
    listing,
    query,
    run,
    stored,
)

from analysis.read import runs
from analysis.read.database import opened
from runner.errors import StoreError, without_password
from runner.state.root import Root
from runner.tracking.store import address, calls, sqlite
from runner.tracking.store import mlflow_store as store

pytest_plugins = "roots"

SMALL = ("data=digits", "model.channels=2", "model.hidden_size=16", "train.epochs=2")
ODD = ("a?b", "a%20b", "a b", "a#b", "añ 雪", "it's $HOME")


RACE = """
import os, sys, traceback
from pathlib import Path
import mlflow
from runner.state.root import Root
from runner.tracking.store import mlflow_store as store
def child():
    try:
        store.connect(None, Root(Path(sys.argv[1])))
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)
pids = [os.fork() or child() for _ in range(8)]
print(*[os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids])
"""

KILLS = """
import os, signal, sys, time
from pathlib import Path
import mlflow
from runner.state.root import Root
from runner.tracking.store import mlflow_store as store
root = Path(sys.argv[1])
n_half_made = 0
for n_bytes in (1, 50_000, 150_000, 300_000, 450_000):
    pid = os.fork()
    if not pid:
        store.connect(None, Root(root))
        os._exit(0)
    before = set(root.glob(".*.tmp"))
    while not any(path.stat().st_size >= n_bytes for path in set(root.glob(".*.tmp")) - before):
        time.sleep(0.005)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    n_half_made += len(list(root.glob(".*.tmp")))
print(n_half_made)
"""


def child(code, root):
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    line = [sys.executable, "-c", code, root]
    ended = subprocess.run(
        line, env=environment(**quiet), capture_output=True, text=True, timeout=90
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.split()


def tidy(root):
    return {path.name for path in root.iterdir()} <= {"mlflow.db", "mlflow.db.lock"}


@pytest.mark.long
def test_eight_processes_that_open_a_new_store_at_once_all_succeed(tmp_path):
    assert child(RACE, tmp_path) == ["0"] * 8
    assert tidy(tmp_path)


@pytest.mark.long
def test_a_store_whose_making_was_killed_again_and_again_is_made_by_the_next_start(tmp_path):
    (n_half_made,) = child(KILLS, tmp_path)
    assert int(n_half_made) == 5, "each kill left one, and the next start took it away"
    assert not Root(tmp_path).database.exists()
    store.connect(None, Root(tmp_path)).create_experiment("works")
    assert ("works",) in query(Root(tmp_path).database, "select name from experiments")
    assert tidy(tmp_path)


@pytest.mark.parametrize("name", ODD)
def test_a_store_under_an_odd_path_is_exactly_that_file(tmp_path, empty_store, name):
    for folder in {name, "a", "a b", "it's "}:
        (tmp_path / folder).mkdir()
        shutil.copy(empty_store, Root(tmp_path / folder).database)
    others = {
        path: path.read_bytes() for path in tmp_path.rglob("mlflow.db") if path.parent.name != name
    }
    client = store.connect(None, Root(tmp_path / name))
    store.experiment_id(client, "here", None, Root(tmp_path / name))
    assert ("here",) in query(Root(tmp_path / name).database, "select name from experiments")
    assert {path: path.read_bytes() for path in others} == others
    assert len(list(tmp_path.iterdir())) == len(others) + 1


def test_a_sweep_under_an_odd_path_keeps_all_its_files_there(new_root):
    root = new_root("a?b %20 #ñ 雪 it's $HOME, {x}=[1]")
    run(root, "-m", *SMALL, "seed=0,1", "hydra/launcher=basic")
    assert [path.name for path in root.parent.iterdir()] == [root.name]
    for stored_run in stored(Root(root).database):
        assert len(list((Root(root).artifacts / stored_run.id / "artifacts").iterdir())) == 4
    assert "already trained" in run(root, *SMALL, "seed=0").out


def test_a_line_break_in_a_path_is_refused(tmp_path):
    with pytest.raises(
        StoreError, match=r"a\\nb.*cannot hold a line break; give another runner.root"
    ):
        store.connect(None, Root(tmp_path / "a\nb"))
    assert list(tmp_path.iterdir()) == []


def foreign_database():
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("create table recipes (name text)")
        return connection.serialize()


@pytest.mark.parametrize(
    "content",
    [b"", b"not a database", b"SQLite format 3\x00" + b"\x07" * 5000, foreign_database()],
    ids=["empty", "text", "damaged", "somebody else's database"],
)
def test_a_file_that_is_no_mlflow_store_is_refused_and_left_as_it_is(tmp_path, content):
    Root(tmp_path).database.write_bytes(content)
    before = listing(tmp_path)
    with pytest.raises(
        StoreError, match="not a usable MLflow store: .*; it is left as it is: move it away"
    ):
        store.connect(None, Root(tmp_path))
    assert Root(tmp_path).database.read_bytes() == content and listing(tmp_path) == before


@pytest.mark.parametrize("damage", ["cut", "overwritten"])
def test_a_damaged_store_is_refused_before_anything_is_trained_and_left_as_it_is(damage, root):
    content = bytearray(Root(root).database.read_bytes())
    if damage == "cut":
        content = content[: len(content) * 2 // 3]
    else:
        content[len(content) // 2 : len(content) // 2 + 60_000] = os.urandom(60_000)
    Root(root).database.write_bytes(content)
    ended = run(root, "-m", *SMALL, "seed=0", code=2)
    assert "not a usable MLflow store" in ended.err and ended.err.count("\n") == 1
    assert Root(root).database.read_bytes() == content and not journal_files(root)


def test_a_store_that_is_locked_is_not_taken_for_a_damaged_one(root, monkeypatch):
    monkeypatch.setattr(sqlite, "_WAIT_S", 0.1)
    with contextlib.closing(sqlite3.connect(Root(root).database, isolation_level=None)) as file:
        file.execute("begin exclusive")
        with pytest.raises(
            StoreError,
            match="mlflow.db is kept locked by another process; wait for its end, or end",
        ):
            address.check(None, Root(root))
        with pytest.raises(StoreError, match="mlflow.db is kept locked by another process"):
            with opened(runs.local_uri(root), "ablations"):
                pass
    address.check(None, Root(root))


def test_a_deleted_experiment_is_named_with_the_way_to_restore_it(root):
    client = store.connect(None, Root(root))
    number = store.experiment_id(client, "ablations", None, Root(root))
    client.delete_experiment(number)
    with pytest.raises(
        StoreError,
        match=f"was deleted in MLflow; restore it .mlflow experiments restore -x {number}.",
    ):
        store.experiment_id(client, "ablations", None, Root(root))
    with pytest.raises(StoreError, match=f"was deleted .* -x {number}.") as refused:
        store.check(None, Root(root), "ablations")
    store.check(None, Root(root), "another")
    assert calls.failure(refused.value) == str(refused.value)


def test_a_password_is_not_shown():
    assert without_password("http://me:secret@host:5000/x") == "http://***@host:5000/x"


def test_a_store_that_somebody_keeps_locked_is_noticed_in_seconds(root, monkeypatch):
    monkeypatch.setattr(address, "_LOCKED_S", 0.1)
    address.probe(None, Root(root))
    with contextlib.closing(sqlite3.connect(Root(root).database, isolation_level=None)) as file:
        file.execute("begin exclusive")
        with pytest.raises(sqlite3.OperationalError, match="database is locked"):
            address.probe(None, Root(root))
    address.probe(None, Root(root))
    with pytest.raises(sqlite3.OperationalError, match="unable to open database file"):
        address.probe(None, Root(root / "nowhere"))
