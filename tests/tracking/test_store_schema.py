"""A store of another MLflow is refused at every door, in a line that says what to type."""

import importlib.metadata
import shlex

import pytest
from commands import MAIN, listing, quoted
from old_stores import OF_2_22, names, python, stamp

from analysis.read import runs
from analysis.read.database import opened
from runner.errors import StoreError
from runner.state.root import Root
from runner.tracking.store import address, schema
from runner.tracking.store import mlflow_store as store
from runner.tracking.store.upgrade import upgrade

pytest_plugins = "roots"

HERE = f"MLflow {importlib.metadata.version('mlflow')} .schema {schema.newest()} of"

DOORS = {
    "single": ("runner", "data=digits", "runner.root={quoted}"),
    "sweep": ("runner", "-m", *MAIN, "seed=0", "runner.root={quoted}"),
    "uri": ("runner", "data=digits", "runner.root={quoted}", "tracking.uri={uri}"),
    "uri with a driver": ("runner", "data=digits", "runner.root={quoted}", "tracking.uri={driver}"),
    "analysis": ("analysis", "--root", "{root}"),
    "analysis of a uri": ("analysis", "--uri", "{uri}"),
    "sync": ("runner.sync", "--root", "{root}"),
    "verify": ("runner.sync", "--root", "{root}", "--verify"),
    "ui": ("runner.ui", "--root", "{root}"),
}


def test_the_newest_revision_is_the_one_that_mlflow_itself_finds():
    from mlflow.store.db.utils import _get_latest_schema_revision

    assert schema.newest() == _get_latest_schema_revision()
    assert schema._up_to(schema.newest()) == set(schema._known()), "one chain"
    assert 0 < len(schema._up_to(OF_2_22)) < len(schema._known())


def test_a_store_of_a_newer_mlflow_is_refused_everywhere_and_never_touched(root):
    database = Root(root).database
    stamp(database, "abcdef012345")
    before, there = database.read_bytes(), listing(root)
    doors = (
        lambda: store.connect(None, Root(root)),
        lambda: address.check(address.sqlite_uri(database), Root(root)),
        lambda: store.local_experiment_id("ablations", Root(root)),
        lambda: upgrade(None, Root(root)),
        lambda: opened(runs.local_uri(root), "ablations").__enter__(),
        lambda: schema.check_database(address.sqlite_uri(database)),
    )
    for door in doors:
        with pytest.raises(
            StoreError,
            match=f"mlflow.db: made by a newer MLflow .schema abcdef012345., and here is {HERE}"
            ".*; it is left as it is; install that one again, move the store away",
        ):
            door()
    assert database.read_bytes() == before
    assert names(root) <= {"mlflow.db", "mlflow.db.lock"} and there.items() <= listing(root).items()


def test_the_command_that_is_named_finds_the_file_whatever_its_name(root):
    path = root / "it's a?b %20 #.db"
    Root(root).database.rename(path)
    stamp(path, OF_2_22)
    with pytest.raises(StoreError, match="type python -m runner.sync --upgrade-store") as refused:
        store.connect(address.sqlite_uri(path), Root(root))
    *_, option, uri = shlex.split(str(refused.value).rpartition(", type ")[2])
    assert option == "--uri" and address.sqlite_file(uri, Root(root)) == path


@pytest.mark.long
@pytest.mark.parametrize("door", DOORS)
def test_every_door_refuses_a_store_of_2_22_in_a_line_and_changes_no_byte(door, old_root):
    database = Root(old_root).database
    before, there = database.read_bytes(), listing(old_root)
    places = {"root": old_root, "quoted": quoted(old_root), "uri": f"sqlite:///{database}",
              "driver": f"sqlite+pysqlite:///{database}"}  # fmt: skip
    ended = python("-m", *(word.format(**places) for word in DOORS[door]))
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1), ended
    said = f"{database}: made by MLflow 2 or before (schema {OF_2_22} of 2024-11-11), and here is"
    assert said in ended.stderr and schema.installed() in ended.stderr
    assert f"type python -m runner.sync --upgrade-store --root {old_root}\n" in ended.stderr
    assert database.read_bytes() == before and listing(old_root) == there
