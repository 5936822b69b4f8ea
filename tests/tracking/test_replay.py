"""Replay: a store is filled from the journals, completely and never twice."""

import itertools
import shutil
import sqlite3
import subprocess
import sys

import pytest
from commands import (
    MAIN,
    attempt_of,
    environment,
    image,
    listing,
    query,
    results,
    run,
    stored,
    stored_by_key,
    sync,
)
from mlflow.exceptions import MlflowException
from replays import BreaksOff, in_process, only_plan, writer_to
from sqlalchemy import event

from analysis.read import runs
from analysis.read.database import opened
from runner import sync as syncing
from runner.errors import StoreError
from runner.record import METRICS, sweep_tag
from runner.state.root import Root
from runner.tracking.mlflow_sweep import totals
from runner.tracking.store import mlflow_store as store

pytest_plugins = ("roots", "stores")


def counts(database):
    tables = ("experiments", "runs", "metrics", "latest_metrics", "params", "tags")
    tables += ("experiment_tags", "datasets", "inputs", "input_tags")
    return {table: query(database, f"select count(*) from {table}") for table in tables}


def test_a_store_that_is_gone_is_rebuilt_equal_from_the_journals(main_job, copied):
    options = ["--uri", copied.uri] if copied.uri else []
    assert "8 runs looked at; the store is in step" in sync(copied.root, *options).stdout
    assert image(copied.database) == image(Root(main_job.root).database)
    for key, stored_run in stored_by_key(copied.database).items():
        kept = copied.artifacts_of(stored_run.id)
        assert {path.name: path.read_bytes() for path in kept.iterdir()} == {
            path.name: path.read_bytes() for path in attempt_of(main_job.root, key).results
        }


def test_a_second_replay_adds_no_row(copied):
    copied.sync()
    before = counts(copied.database)
    copied.sync()
    assert counts(copied.database) == before
    n_rows = 8 * 3 * len(METRICS) + len(totals({}))
    assert (before["metrics"], before["runs"]) == ([(n_rows,)], [(9,)])


def test_a_second_replay_leaves_the_latest_sweep_the_latest(copied):
    copied.sync()
    (before,) = stored(copied.database, "sweep")
    copied.sync()
    (after,) = stored(copied.database, "sweep")
    assert int(before.tags["last_used"]) == int(after.tags["last_used"])


def test_a_replay_that_broke_off_anywhere_is_finished_by_the_next(main_job, copied):
    root, client = copied.root, copied.client()
    number = store.experiment_id(client, "ablations", copied.uri, Root(root))
    n_calls = 0
    while True:
        n_calls += 7
        writer = writer_to(root, BreaksOff(client, n_calls), number)
        try:
            writer.tracker.open_sweep(only_plan(root))
            writer.update()
            break
        except ConnectionError:
            continue
    writer.close_as_recorded()
    assert image(copied.database) == image(Root(main_job.root).database)


def test_no_run_seems_whole_before_it_is_whichever_transaction_of_mlflows_was_the_last(
    main_job, copied
):
    if copied.uri:
        pytest.skip("a server's transactions are not this process's")
    root, client = copied.root, copied.client()
    originals, left = stored_by_key(Root(main_job.root).database), 0

    def killed(_):
        nonlocal left
        left -= 1
        if not left:
            raise ConnectionError("the process was killed")

    number = store.experiment_id(client, "ablations", copied.uri, Root(root))
    event.listen(client._tracking_client.store.engine, "commit", killed)
    for n in itertools.count(2):
        left = n
        try:
            writer = writer_to(root, client, number)
            writer.tracker.open_sweep(only_plan(root))
            writer.update(patience=1)
            break
        except MlflowException:
            for key, seen in stored_by_key(copied.database).items():
                original = originals[key]
                is_whole = (seen.rows, seen.params) == (original.rows, original.params)
                assert is_whole or "complete" not in seen.tags
    left = 0
    writer.close_as_recorded()
    assert n > 10 and image(copied.database) == image(Root(main_job.root).database)


def test_runs_that_serve_no_sweep_are_replayed_too(main_job, copied):
    shutil.rmtree(copied.root / "state" / "sweeps")
    assert copied.sync() == 8
    runs, originals = stored_by_key(copied.database), stored_by_key(Root(main_job.root).database)
    assert {
        key: (stored_run.name, stored_run.params, stored_run.rows, stored_run.tags["cell"])
        for key, stored_run in runs.items()
    } == {
        key: (stored_run.name, stored_run.params, stored_run.rows, stored_run.tags["cell"])
        for key, stored_run in originals.items()
    }
    assert not stored(copied.database, "sweep")
    assert not any("mlflow.parentRunId" in stored_run.tags for stored_run in runs.values())


def test_a_spare_run_of_the_same_key_is_deleted_and_the_complete_one_kept(main_job, copied):
    client = copied.client()
    number = store.experiment_id(client, "ablations", copied.uri, Root(copied.root))
    plan = only_plan(copied.root)
    first, second = plan.runs[0].run_key, plan.runs[1].run_key
    for key in (first, first, first):
        client.create_run(number, tags={"run_key": key, "kind": "run"}, start_time=1)
    copied.sync()
    kept = stored_by_key(copied.database)
    assert kept[first].tags["complete"] == "1" and kept[first].params == stored_params(
        main_job, first
    )
    # As a reply that was lost leaves it.
    tags = {"run_key": second, "kind": "run", sweep_tag(plan.sweep_key): "its cell"}
    client.create_run(number, tags=tags, start_time=1)
    copied.sync()
    again = stored_by_key(copied.database)
    assert again[second].id == kept[second].id, (
        "the complete one, though the other one began earlier"
    )


def test_whole_runs_of_a_sweep_are_found_by_one_search_and_others_by_one_each(copied):
    copied.sync()
    plan, client = only_plan(copied.root), Counting(copied.client())
    number = store.experiment_id(client, "ablations", copied.uri, Root(copied.root))
    writer = writer_to(copied.root, client, number)
    writer.tracker.open_sweep(plan)
    client.delete_tag(stored_by_key(copied.database)[plan.runs[3].run_key].id, "complete")
    client.searches.clear()
    writer.update()
    of_sweep, of_run = client.searches
    assert sweep_tag(plan.sweep_key) in of_sweep and plan.runs[3].run_key in of_run
    assert writer.n_behind == 0
    stored_by_key(copied.database)


class Counting:
    """A client that keeps what was searched for."""

    def __init__(self, client):
        self.client, self.searches = client, []

    def __getattr__(self, name):
        return getattr(self.client, name)

    def search_runs(self, experiments, query, **more):
        self.searches.append(query)
        return self.client.search_runs(experiments, query, **more)


def stored_params(main_job, key):
    return stored_by_key(Root(main_job.root).database)[key].params


def test_a_run_deleted_by_hand_comes_back(main_job, copied):
    copied.sync()
    copied.client().delete_run(stored(copied.database)[0].id)
    copied.sync()
    assert image(copied.database) == image(Root(main_job.root).database)


HALF = """
import os, sqlite3, sys
writer = sqlite3.connect(sys.argv[1])
writer.execute("pragma cache_size=1")  # the file itself is written to before the end
writer.execute("update metrics set value = -1, step = step + 1000")
os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("reader", ["sync", "report"])
def test_a_store_whose_writer_was_killed_in_the_middle_is_read_as_it_was_before(
    reader, main_job, new_root
):
    root = new_root(state=main_job.root)
    in_process(root)
    database = Root(root).database
    before = image(database)
    subprocess.run([sys.executable, "-c", HALF, database], env=environment(), check=False)
    with pytest.raises(sqlite3.OperationalError) as error:
        sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True).execute("select * from metrics")
    assert error.value.sqlite_errorname == "SQLITE_READONLY_ROLLBACK"
    if reader == "sync":
        in_process(root)
    else:
        with opened(runs.local_uri(root), "ablations") as read:
            assert len(read.tagged("run_key")) == 8
    assert image(database) == before


def test_a_replay_changes_nothing_but_the_store(main_job, new_root, tmp_path, monkeypatch):
    root, elsewhere = new_root(state=main_job.root), tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    before = listing(tmp_path)
    in_process(root)
    assert syncing.verify(Root(root), None, "ablations") == (8, [])
    after = listing(tmp_path)
    changed = {path for path in before | after if before.get(path) != after.get(path)}
    artifacts = {path for path in changed if path.is_relative_to(Root(root).artifacts)}
    # A folder changes when a file is added to it.
    lock = root / "state" / "tracking.lock"
    assert changed - artifacts <= {Root(root).database, lock, lock.parent, root}


def test_a_file_that_is_not_what_its_run_wrote_is_named(main_job, new_root):
    root = new_root(state=main_job.root)
    in_process(root)
    whole = "8 runs looked at; state/ and the store hold what they wrote"
    assert whole in sync(root, "--verify").stdout
    changed, missing = [attempt_of(root, key).weights for key in sorted(results(root))[:2]]
    content = bytearray(changed.read_bytes())
    content[len(content) // 2] ^= 1
    changed.write_bytes(content)
    missing.unlink()
    printed = sync(root, "--verify", code=1).stderr.splitlines()
    assert len(printed) == 2
    for file in (changed, missing):
        (line,) = [line for line in printed if str(file) in line]
        assert f": {file}: not what the run wrote; move the run's folder away and type" in line


CHANGES = {
    "artifact test_correct.npy": lambda store, folder: (folder / "test_correct.npy").write_bytes(
        b""
    ),
    "artifact weights.npz": lambda store, folder: (folder / "weights.npz").unlink(),
    "metric test/accuracy": lambda store, folder: store.execute(
        "update metrics set value = value + 0.01 where key = 'test/accuracy' and step = 2"
    ),
    "metric test/loss": lambda store, folder: store.execute(
        "delete from metrics where key = 'test/loss' and step = 3"
    ),
    "parameter optimizer.lr": lambda store, folder: store.execute(
        "update params set value = '0.009' where key = 'optimizer.lr'"
    ),
    "tag data.sha256": lambda store, folder: store.execute(
        "update tags set value = 'x' where key = 'data.sha256'"
    ),
}


#: In the short tier.
OFTEN = ("artifact test_correct.npy", "metric test/accuracy")


@pytest.mark.parametrize(
    "what",
    [what if what in OFTEN else pytest.param(what, marks=pytest.mark.long) for what in CHANGES],
)
def test_what_the_store_has_is_held_against_what_the_run_wrote(what, copied):
    copied.sync()
    stored_run = stored(copied.database)[0]
    with copied.changed() as store:
        CHANGES[what](store, copied.artifacts_of(stored_run.id))
    _, problems = syncing.verify(Root(copied.root), copied.uri, "ablations")
    assert len(problems) == (1 if what.startswith("artifact") else 8)
    assert all(f": {what}: not what is in state/; delete" in problem for problem in problems)


def test_a_run_that_the_store_has_not_is_named(copied):
    copied.sync()
    copied.client().delete_run(stored(copied.database)[0].id)
    _, (problem,) = syncing.verify(Root(copied.root), copied.uri, "ablations")
    assert problem.endswith("is not there whole: python -m runner.sync puts it there")


def test_a_damaged_plan_is_named_and_keeps_no_run_from_the_store(main_job, new_root):
    root = new_root(state=main_job.root)
    (folder,) = Root(root).sweeps()
    folder.plan.write_bytes(folder.plan.read_bytes().replace(b"0.001", b"0.009", 1))
    n_runs, (problem,) = syncing.sync(Root(root), None, "ablations")
    assert n_runs == 8 and len(stored_by_key(Root(root).database)) == 8
    assert problem.startswith(f"{folder.plan}: not a plan") and "it was changed" in problem


def test_results_that_are_not_what_the_run_wrote_are_not_stored_and_no_outage(main_job, new_root):
    root = new_root(state=main_job.root)
    key = sorted(results(root))[0]
    attempt_of(root, key).test_correct.write_bytes(b"x")
    n_runs, (problem,) = syncing.sync(Root(root), None, "ablations")
    assert n_runs == 8 and "test_correct.npy: not what the run wrote" in problem
    complete = [r for r in stored(Root(root).database) if r.tags.get("complete") == "1"]
    assert len(complete) == 7
    ended = run(root, "-m", *MAIN, "seed=0,1", code=1)
    assert "test_correct.npy: not what the run wrote; move the run's folder away" in ended.err
    assert "went away" not in ended.err


def test_there_is_nothing_to_replay_where_nothing_was_trained(tmp_path):
    with pytest.raises(
        StoreError, match="there is no such folder; train something first, or give --root"
    ):
        in_process(tmp_path / "nowhere")
    assert list(tmp_path.iterdir()) == []
