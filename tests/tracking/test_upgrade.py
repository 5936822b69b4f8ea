"""The store of an older MLflow is upgraded as a whole, or stays what it was."""

import contextlib
import math
import shutil
import sqlite3

import pytest
from commands import MAIN, listing, query, run, stored_by_key, sync
from old_stores import OF_2_22, names, python, stamp

from runner.errors import StoreError
from runner.state.root import Root
from runner.tracking.store import mlflow_store as store
from runner.tracking.store import schema, sqlite
from runner.tracking.store.upgrade import upgrade

pytest_plugins = "roots"

# Each child dies at a moment of the upgrade: at a named one, or after a step of the migration.
# Without moments, each goes on to the end. MLflow is imported once.
UPGRADES = """
import os, signal, sys
from pathlib import Path
import alembic.command, mlflow.store.db.utils
from alembic.runtime.migration import HeadMaintainer
from runner.system import faults
from runner.state.root import Root
from runner.tracking.store.upgrade import upgrade
def die_at(moment):
    if not moment.isdecimal():
        faults._AT, _, faults._VISIT = moment.partition(":")
        return
    step, left = HeadMaintainer.update_to_step, [int(moment)]
    def counted(self, *given):
        step(self, *given)
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
    HeadMaintainer.update_to_step = counted
folder, *moments = map(Path, sys.argv[1:])
def child(place):
    if moments:
        die_at(place.name)
    upgrade(None, Root(place))
    os._exit(0)
pids = [os.fork() or child(place) for place in folder.iterdir()]
print(*[os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids])
"""

MOMENTS = ("upgrade_locked", "upgrade_copying", "upgrade_copying:3", "upgrade_copied", "1", "9",
           "30", "upgrade_migrated", "upgrade_kept", "upgrade_renamed")  # fmt: skip


@pytest.fixture
def root_before(tmp_path):
    """A store as it was before the last migration of the MLflow installed here."""
    root = tmp_path / "root"
    root.mkdir()
    code = (
        "import sys; from alembic import command; from sqlalchemy import create_engine\n"
        "from mlflow.store.db.utils import InitialBase, _get_alembic_config\n"
        "InitialBase.metadata.create_all(create_engine(sys.argv[1]))\n"
        "command.upgrade(_get_alembic_config(sys.argv[1]), sys.argv[2])"
    )
    before = schema._known()[schema.newest()].before
    made = python("-c", code, f"sqlite:///{Root(root).database}", before)
    assert made.returncode == 0, made.stderr
    return root


def rows(database, like):
    """Table -> its rows, in the tables and columns of the store `like`."""
    found = {}
    for (table,) in query(like, "select name from sqlite_master where type = 'table'"):
        columns = ", ".join(column for _, column, *_ in query(like, f"pragma table_info({table})"))
        if table != "alembic_version":
            found[table] = sorted(query(database, f"select {columns} from {table}"), key=repr)
    return found


def revision(database):
    assert query(database, "pragma integrity_check") == [("ok",)]
    return schema.of(database)


def kept(database):
    return database.with_name(f"mlflow.db.before-{schema.newest()}")


UPGRADED = {"mlflow.db", "mlflow.db.lock", f"mlflow.db.before-{schema.newest()}"}


@pytest.mark.long
def test_an_older_store_is_upgraded_once_nobody_writes_and_a_late_writer_is_refused(
    root_before, monkeypatch
):
    root, database = Root(root_before), Root(root_before).database
    monkeypatch.setattr(sqlite, "_WAIT_S", 0.1)
    with pytest.raises(StoreError, match="made by an older MLflow 3 .*type python -m runner.sync"):
        store.connect(None, root)
    write = "insert into experiments (name, lifecycle_stage) values (?, 'active')"
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("begin immediate")
        with pytest.raises(StoreError, match="mlflow.db is kept locked by another process"):
            upgrade(None, root)
        other.execute("commit")
        other.execute("pragma journal_mode = wal")
        other.execute("select * from experiments").fetchall()
        with pytest.raises(StoreError, match="mlflow.db is kept locked by another process"):
            upgrade(None, root)
        other.execute("pragma journal_mode = delete")
        assert names(root_before) == {"mlflow.db", "mlflow.db.lock"}
        other.execute(write, ("the last one",))
        assert "now; the old file is kept as" in upgrade(None, root)
        with pytest.raises(sqlite3.OperationalError) as refused:
            other.execute(write, ("too late",))
        assert refused.value.sqlite_errorname == "SQLITE_READONLY_DBMOVED"
    assert names(root_before) == UPGRADED and revision(database) == schema.newest()
    for file in (database, kept(database)):
        written = query(file, "select name from experiments where name != 'Default'")
        assert written == [("the last one",)]
    there = listing(root_before)
    assert upgrade(None, root).endswith("already; nothing to do")
    assert listing(root_before).keys() == there.keys()
    store.connect(None, root).create_experiment("works")


def test_an_upgrade_that_fails_leaves_the_old_store(root):
    database = Root(root).database
    stamp(database, OF_2_22)
    before = database.read_bytes()
    with pytest.raises(
        StoreError, match="MLflow cannot upgrade it .*already exists.*left as it is"
    ):
        upgrade(None, Root(root))
    assert database.read_bytes() == before and names(root) == {"mlflow.db", "mlflow.db.lock"}


def test_the_file_kept_by_another_upgrade_is_not_overwritten(root):
    stamp(Root(root).database, OF_2_22)
    kept(Root(root).database).write_bytes(b"of another upgrade")
    with pytest.raises(StoreError, match="is there already, from another upgrade; move it away"):
        upgrade(None, Root(root))
    assert kept(Root(root).database).read_bytes() == b"of another upgrade"
    assert names(root) == UPGRADED


def test_what_is_no_file_has_a_command_of_mlflows(tmp_path):
    with pytest.raises(StoreError, match="takes a SQLite file; .* mlflow db upgrade URI"):
        upgrade("postgresql://me:secret@h/d", Root(tmp_path))
    with pytest.raises(StoreError, match="there is no tracking store yet"):
        upgrade(None, Root(tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.long
def test_a_store_of_2_22_keeps_every_row_and_takes_a_sweep(old_root, store_of_2_22):
    database = Root(old_root).database
    before = rows(database, store_of_2_22)
    assert [len(before[table]) for table in ("runs", "metrics", "params")] == [3, 3 * 54, 3]
    assert f"is a store of {schema.installed()} now" in sync(old_root, "--upgrade-store").stdout
    assert rows(database, store_of_2_22) == before and names(old_root) == UPGRADED
    assert kept(database).read_bytes() == store_of_2_22.read_bytes()
    assert "nothing to do" in sync(old_root, "--upgrade-store").stdout

    run(old_root, "-m", *MAIN, "seed=0,1", "runner.workers=2")
    assert len(stored_by_key(database)) == 8
    assert "the store hold what they wrote" in sync(old_root, "--verify").stdout
    ended = python("-m", "analysis", "--root", old_root)
    assert ended.returncode == 0 and "8 of 8 runs done" in ended.stdout, ended.stderr
    after = rows(database, store_of_2_22)
    assert {table for table in before if not set(before[table]) <= set(after[table])} == set()
    client = store.connect(None, Root(old_root))
    (number,) = [e.experiment_id for e in client.search_experiments() if e.name == "old"]
    old = {run.info.run_name: run for run in client.search_runs([number])}
    assert {name: run.info.status for name, run in old.items()} == {
        "old 0": "FINISHED", "old 1": "FAILED"}  # fmt: skip
    losses = client.get_metric_history(old["old 0"].info.run_id, "loss")
    assert [metric.value for metric in losses] == [0.1**step / 3 for step in range(50)]
    odd = [m.value for m in client.get_metric_history(old["old 1"].info.run_id, "odd")]
    assert {v for v in odd if not math.isnan(v)} >= {-1e300, 0.1 + 0.2} and len(odd) == 4


@pytest.mark.long
def test_an_upgrade_killed_at_ten_moments_leaves_old_or_new_and_the_next_does_the_rest(
    tmp_path, store_of_2_22
):
    for moment in MOMENTS:
        (tmp_path / moment).mkdir()
        shutil.copy(store_of_2_22, Root(tmp_path / moment).database)
    before = rows(store_of_2_22, store_of_2_22)
    killed = python("-c", UPGRADES, tmp_path, "at each moment")
    assert killed.stdout.split() == ["-9"] * len(MOMENTS), killed.stderr
    for moment in MOMENTS:
        database = Root(tmp_path / moment).database
        is_new = moment == "upgrade_renamed"
        assert revision(database) == (schema.newest() if is_new else OF_2_22), moment
        assert rows(database, store_of_2_22) == before, moment
        assert is_new or database.read_bytes() == store_of_2_22.read_bytes(), moment
        left = [name for name in names(database.parent) if name.endswith(".tmp")]
        assert len(left) == (moment not in ("upgrade_locked", "upgrade_renamed")), moment
    rest = python("-c", UPGRADES, tmp_path)
    assert rest.stdout.split() == ["0"] * len(MOMENTS), rest.stderr
    for moment in MOMENTS:
        database = Root(tmp_path / moment).database
        assert revision(database) == schema.newest() and names(database.parent) == UPGRADED, moment
        assert rows(database, store_of_2_22) == before, moment
        assert kept(database).read_bytes() == store_of_2_22.read_bytes(), moment
