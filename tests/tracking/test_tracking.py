"""The MLflow store: made whole or not at all, filled from the journals, never twice, and never waited for."""

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading

import pytest
from commands import (
    end,
    environment,
    image,
    journals,
    lines,
    listing,
    plan_of,
    query,
    run,
    start,
    stored,
    stored_by_key,
    sync,
    until,
)
from mlflow.exceptions import MlflowException

from analysis.read import runs
from analysis.read.database import opened
from runner import sync as syncing
from runner.errors import StoreBehindError, StoreError, without_password
from runner.plan import plan as plans
from runner.record import METRICS
from runner.tracking import mlflow_store as store
from runner.tracking import sqlite
from runner.tracking import writer as tracking
from runner.tracking.writer import Ledger, Tracker

pytest_plugins = "roots"

SMALL = ("data=digits", "model.channels=2", "model.hidden_size=16", "train.epochs=2")
ODD = ("a?b", "a%20b", "a b", "a#b", "añ 雪", "it's $HOME")


def counts(database):
    tables = ("experiments", "runs", "metrics", "latest_metrics", "params", "tags")
    return {table: query(database, f"select count(*) from {table}") for table in tables}


def in_process(root):
    return syncing.sync(root, None, "ablations")


# The file.

RACE = """
import os, sys, traceback
from pathlib import Path
import mlflow
from runner.tracking import mlflow_store as store
def child():
    try:
        store.connect(None, Path(sys.argv[1]))
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
from runner.tracking import mlflow_store as store
root = Path(sys.argv[1])
n_half_made = 0
for n_bytes in (1, 50_000, 150_000, 300_000, 450_000):
    pid = os.fork()
    if not pid:
        store.connect(None, root)
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
    more = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    line = [sys.executable, "-c", code, root]
    ended = subprocess.run(line, env=environment(**more), capture_output=True, text=True, timeout=90)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.split()


def tidy(root):
    return {path.name for path in root.iterdir()} <= {"mlflow.db", "mlflow.db.lock"}


def test_eight_processes_that_open_a_new_store_at_once_all_succeed(tmp_path):
    assert child(RACE, tmp_path) == ["0"] * 8
    assert tidy(tmp_path)


def test_a_store_whose_making_was_killed_again_and_again_is_made_by_the_next_start(tmp_path):
    (n_half_made,) = child(KILLS, tmp_path)
    assert int(n_half_made) == 5, "each kill left one, and the next start took it away"
    assert not store.database(tmp_path).exists()
    store.connect(None, tmp_path).create_experiment("works")
    assert ("works",) in query(store.database(tmp_path), "select name from experiments")
    assert tidy(tmp_path)


@pytest.mark.parametrize("name", ODD)
def test_a_store_under_an_odd_path_is_exactly_that_file(tmp_path, empty_store, name):
    for folder in {name, "a", "a b", "it's "}:
        (tmp_path / folder).mkdir()
        shutil.copy(empty_store, store.database(tmp_path / folder))
    others = {path: path.read_bytes() for path in tmp_path.rglob("mlflow.db") if path.parent.name != name}
    client = store.connect(None, tmp_path / name)
    store.experiment_id(client, "here", None, tmp_path / name)
    assert ("here",) in query(store.database(tmp_path / name), "select name from experiments")
    assert {path: path.read_bytes() for path in others} == others
    assert len(list(tmp_path.iterdir())) == len(others) + 1


def test_a_sweep_under_an_odd_path_keeps_all_its_files_there(new_root):
    root = new_root("a?b %20 #ñ 雪 it's $HOME, {x}=[1]")
    run(root, "-m", *SMALL, "seed=0,1", "hydra/launcher=basic")
    assert [path.name for path in root.parent.iterdir()] == [root.name]
    for one in stored(store.database(root)):
        assert len(list((store.artifacts(root) / one.id / "artifacts").iterdir())) == 3
    assert "already trained" in run(root, *SMALL, "seed=0").out


def test_a_line_break_in_a_path_is_refused(tmp_path):
    with pytest.raises(StoreError, match=r"a\\nb.*cannot hold a line break; give another runner.root"):
        store.connect(None, tmp_path / "a\nb")
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
    store.database(tmp_path).write_bytes(content)
    before = listing(tmp_path)
    with pytest.raises(StoreError, match="not a usable MLflow store: .*; it is left as it is: move it away"):
        store.connect(None, tmp_path)
    assert store.database(tmp_path).read_bytes() == content and listing(tmp_path) == before


@pytest.mark.parametrize("damage", ["cut", "overwritten"])
def test_a_damaged_store_is_refused_before_anything_is_trained_and_left_as_it_is(damage, root):
    content = bytearray(store.database(root).read_bytes())
    if damage == "cut":
        content = content[: len(content) * 2 // 3]
    else:
        content[len(content) // 2 : len(content) // 2 + 60_000] = os.urandom(60_000)
    store.database(root).write_bytes(content)
    ended = run(root, "-m", *SMALL, "seed=0", code=2)
    assert "not a usable MLflow store" in ended.err and ended.err.count("\n") == 1
    assert store.database(root).read_bytes() == content and not list((root / "state").glob("*/journal.jsonl"))


def test_a_store_that_is_locked_is_not_taken_for_a_damaged_one(root, monkeypatch):
    monkeypatch.setattr(sqlite, "_WAIT_S", 0.1)
    with contextlib.closing(sqlite3.connect(store.database(root), isolation_level=None)) as file:
        file.execute("begin exclusive")
        with pytest.raises(StoreError, match="mlflow.db is kept locked by another process; wait for its end, or end"):
            store.check(None, root)
        with pytest.raises(StoreError, match="mlflow.db is kept locked by another process"):
            with opened(runs.local_uri(root), "ablations"):
                pass
    store.check(None, root)


def test_a_store_of_another_mlflow_is_refused_and_never_upgraded(root):
    with contextlib.closing(sqlite3.connect(store.database(root))) as connection, connection:
        connection.execute("update alembic_version set version_num = 'abcdef012345'")
    before = store.database(root).read_bytes()
    with pytest.raises(StoreError, match="out-of-date database schema .found version abcdef012345.*mlflow db upgrade"):
        store.connect(None, root)
    assert store.database(root).read_bytes() == before


def test_a_deleted_experiment_is_named_with_the_way_to_restore_it(root):
    client = store.connect(None, root)
    number = store.experiment_id(client, "ablations", None, root)
    client.delete_experiment(number)
    with pytest.raises(StoreError, match=f"was deleted in MLflow; restore it .mlflow experiments restore -x {number}."):
        store.experiment_id(client, "ablations", None, root)


def test_a_password_is_not_shown():
    assert without_password("http://me:secret@host:5000/x") == "http://***@host:5000/x"


# Replay.


def test_a_store_that_is_gone_is_rebuilt_equal_from_the_journals(main_job, new_root):
    root = new_root(state=main_job.root)
    assert "8 runs looked at; the store is in step" in sync(root).stdout
    assert image(store.database(root)) == image(store.database(main_job.root))
    for key, one in stored_by_key(store.database(root)).items():
        kept = store.artifacts(root) / one.id / "artifacts"
        assert {path.name: path.read_bytes() for path in kept.iterdir()} == {
            name: (main_job.root / "state" / key / name).read_bytes()
            for name in ("config.json", "weights.npz", "test_correct.npy")
        }


def test_a_second_replay_adds_no_row(main_job, new_root):
    root = new_root(state=main_job.root)
    in_process(root)
    before = counts(store.database(root))
    in_process(root)
    assert counts(store.database(root)) == before
    assert before["metrics"] == [(8 * 3 * len(METRICS),)] and before["runs"] == [(9,)]


def test_a_second_replay_leaves_the_latest_sweep_the_latest(main_job, new_root):
    root = new_root(state=main_job.root)
    in_process(root)
    (before,) = stored(store.database(root), "sweep")
    in_process(root)
    (after,) = stored(store.database(root), "sweep")
    assert int(before.tags["last_used"]) == int(after.tags["last_used"])


def test_a_replay_that_broke_off_anywhere_is_finished_by_the_next(main_job, new_root):
    root = new_root(state=main_job.root)
    client = store.connect(None, root)
    number = store.experiment_id(client, "ablations", None, root)
    plan = only_plan(root)
    n_calls = 0
    while True:
        n_calls += 7
        ledger = Ledger(BreaksOff(client, n_calls), number, root, plan.runs)
        try:
            ledger.open_sweep(plan)
            ledger.update()
            break
        except ConnectionError:
            continue
    ledger.close_as_recorded()
    assert image(store.database(root)) == image(store.database(main_job.root))


class BreaksOff:
    """A client whose store goes away after so many calls: the last one is done, and its answer lost."""

    def __init__(self, client, n_calls):
        self.client, self.left = client, n_calls

    def __getattr__(self, name):
        def call(*args, **kwargs):
            answer = getattr(self.client, name)(*args, **kwargs)
            self.left -= 1
            if not self.left:
                raise ConnectionError("the answer was lost")
            return answer

        return call


def only_plan(root):
    (path,) = (root / "state" / "sweeps").glob("*/sweep.json")
    return plans.read(path)


def test_runs_that_serve_no_sweep_are_replayed_too(main_job, new_root):
    root = new_root(state=main_job.root)
    shutil.rmtree(root / "state" / "sweeps")
    assert in_process(root) == 8
    runs, originals = stored_by_key(store.database(root)), stored_by_key(store.database(main_job.root))
    assert {key: (one.name, one.params, one.rows, one.tags["cell"]) for key, one in runs.items()} == {
        key: (one.name, one.params, one.rows, one.tags["cell"]) for key, one in originals.items()
    }
    assert not stored(store.database(root), "sweep")
    assert not any("mlflow.parentRunId" in one.tags for one in runs.values())


def test_a_spare_run_of_the_same_key_is_deleted_and_the_complete_one_kept(main_job, new_root):
    root = new_root(state=main_job.root)
    client = store.connect(None, root)
    number = store.experiment_id(client, "ablations", None, root)
    plan = only_plan(root)
    first, second = plan.runs[0].run_key, plan.runs[1].run_key
    for key in (first, first, first):
        client.create_run(number, tags={"run_key": key, "kind": "run"}, start_time=1)
    in_process(root)
    kept = stored_by_key(store.database(root))
    assert kept[first].tags["complete"] == "1" and kept[first].params == stored_params(main_job, first)
    client.create_run(number, tags={"run_key": second, "kind": "run"}, start_time=1)
    in_process(root)
    again = stored_by_key(store.database(root))
    assert again[second].id == kept[second].id, "the complete one, though the other one began earlier"


def stored_params(main_job, key):
    return stored_by_key(store.database(main_job.root))[key].params


def test_a_run_deleted_by_hand_comes_back(main_job, new_root):
    root = new_root(state=main_job.root)
    in_process(root)
    one = stored(store.database(root))[0]
    store.connect(None, root).delete_run(one.id)
    in_process(root)
    assert image(store.database(root)) == image(store.database(main_job.root))


HALF = """
import os, sqlite3, sys
writer = sqlite3.connect(sys.argv[1])
writer.execute("pragma cache_size=1")  # so that the file itself is written to before the transaction is at its end
writer.execute("update metrics set value = -1, step = step + 1000")
os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("reader", ["sync", "report"])
def test_a_store_whose_writer_was_killed_in_the_middle_is_read_as_it_was_before(reader, main_job, new_root):
    root = new_root(state=main_job.root)
    in_process(root)
    database = store.database(root)
    before = image(database)
    subprocess.run([sys.executable, "-c", HALF, database], env=environment(), check=False)
    with pytest.raises(sqlite3.OperationalError) as told:
        sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True).execute("select * from metrics")
    assert told.value.sqlite_errorname == "SQLITE_READONLY_ROLLBACK"
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
    assert syncing.verify(root) == 8
    after = listing(tmp_path)
    changed = {path for path in before | after if before.get(path) != after.get(path)}
    artifacts = {path for path in changed if path.is_relative_to(store.artifacts(root))}
    # A folder changes with a name that is new in it.
    lock = root / "state" / "tracking.lock"
    assert changed - artifacts <= {store.database(root), lock, lock.parent, root}


def test_a_file_that_is_not_what_its_run_wrote_is_named(main_job, new_root):
    root = new_root(state=main_job.root)
    assert "8 runs looked at; every file is what its run wrote" in sync(root, "--verify").stdout
    changed, missing = sorted((root / "state").glob("*/weights.npz"))[:2]
    content = bytearray(changed.read_bytes())
    content[len(content) // 2] ^= 1
    changed.write_bytes(content)
    missing.unlink()
    told = sync(root, "--verify", code=1).stderr
    assert f"not what the run wrote: {changed}, {missing}; move the run's folder away" in told and told.count("\n") == 1


def test_there_is_nothing_to_replay_where_nothing_was_trained(tmp_path):
    with pytest.raises(StoreError, match="there is no such folder; train something first, or give --root"):
        in_process(tmp_path / "nowhere")
    assert list(tmp_path.iterdir()) == []


# A store that is away.


class Away:
    def __getattr__(self, name):
        raise ConnectionError("http://me:secret@host is away")


def test_a_tracker_without_a_store_says_so_and_counts_what_is_behind(main_job):
    plan = only_plan(main_job.root)
    tracker = Tracker(Ledger(Away(), "1", main_job.root, plan.runs))
    tracker.start()
    until(lambda: tracker.trouble, seconds=5)
    assert tracker.finish("FINISHED") == "8 runs are"
    assert tracker.trouble == "http://***@host is away"
    assert not tracker.is_alive()


@pytest.fixture
def ledger(main_job, new_root):
    """A sweep whose journals are all there and whose store is empty."""
    root = new_root(state=main_job.root)
    client = store.connect(None, root)
    plan = only_plan(root)
    ledger = Ledger(client, store.experiment_id(client, "ablations", None, root), root, plan.runs)
    ledger.open_sweep(plan)
    return ledger


def test_runs_that_somebody_deletes_while_they_are_trained_are_made_again(ledger, main_job):
    ends = [mirror.reader.poll().end for mirror in ledger.mirrors]
    for mirror in ledger.mirrors:  # as if all were under way
        mirror.reader.journal.end = None
    ledger.update()
    for mirror, ended in zip(ledger.mirrors, ends, strict=True):
        ledger.client.delete_run(mirror.run_id)
        mirror.reader.journal.end = ended
    with pytest.raises(MlflowException, match="must be in the 'active' state"):
        ledger.update(patience=99)
    ledger.update()
    ledger.close_as_recorded()
    assert image(store.database(ledger.root)) == image(store.database(main_job.root))


def test_a_sweep_whose_own_run_was_deleted_is_not_said_to_be_stored(ledger):
    ledger.client.delete_run(ledger.parent_id)
    tracker = Tracker(ledger)
    assert tracker.finish("FINISHED") == "how it ended is"
    assert "must be in the 'active' state" in tracker.trouble and not ledger.n_behind
    in_process(ledger.root)
    assert [one.status for one in stored(store.database(ledger.root), "sweep")] == ["FINISHED"]


def test_an_experiment_that_is_deleted_while_a_sweep_runs_is_named(ledger):
    ledger.client.delete_experiment(ledger.experiment_id)
    tracker = Tracker(ledger)
    assert tracker.finish("FINISHED") == "8 runs are"
    assert "must be in the 'active' state" in tracker.trouble
    with pytest.raises(StoreError, match="was deleted in MLflow; restore it"):
        in_process(ledger.root)
    ledger.client.restore_experiment(ledger.experiment_id)
    assert tracker.finish("FINISHED") is None


def test_another_process_that_was_stopped_while_it_created_a_run_holds_nobody_up_for_ever(ledger, monkeypatch):
    monkeypatch.setattr(tracking, "_ALONE_S", 0.1)
    waiting = Ledger(ledger.client, ledger.experiment_id, ledger.root, only_plan(ledger.root).runs)
    tracker = Tracker(waiting)
    with ledger.alone:
        assert tracker.finish("FINISHED") == "8 runs are"
    assert "could not be acquired" in tracker.trouble
    assert tracker.finish("FINISHED") is None


def test_whoever_interrupts_a_sweep_does_not_wait_for_a_call_that_hangs(ledger, monkeypatch):
    monkeypatch.setattr(tracking, "_INTERRUPTED_S", 0.1)
    let_go, begun = threading.Event(), threading.Event()

    def hangs(patience=2):
        begun.set()
        let_go.wait()

    monkeypatch.setattr(ledger, "update", hangs)
    tracker = Tracker(ledger)
    tracker.start()
    begun.wait()
    assert tracker.finish("KILLED", interrupted=True) == "8 runs are"
    assert tracker.trouble == "a call to it is still under way"
    let_go.set()
    tracker.join()


def test_a_store_that_somebody_keeps_locked_is_noticed_in_seconds(root, monkeypatch):
    monkeypatch.setattr(store, "_LOCKED_S", 0.1)
    store.probe(None, root)
    with contextlib.closing(sqlite3.connect(store.database(root), isolation_level=None)) as file:
        file.execute("begin exclusive")
        with pytest.raises(sqlite3.OperationalError, match="database is locked"):
            store.probe(None, root)
    store.probe(None, root)
    with pytest.raises(sqlite3.OperationalError, match="unable to open database file"):
        store.probe(None, root / "nowhere")


def test_a_store_that_goes_away_during_a_replay_is_told_in_one_line(main_job, new_root, monkeypatch):
    root = new_root(state=main_job.root)
    monkeypatch.setattr(store, "connect", lambda uri, root: BreaksOff(None, 1))
    monkeypatch.setattr(store, "experiment_id", lambda *_: "1")
    with pytest.raises(StoreBehindError, match="the store went away .*; nothing is lost, run it again"):
        in_process(root)


def test_training_goes_on_without_a_server_and_sync_brings_it_in_step_when_it_is_back(root, server):
    words = ("data=mnist5k", "model.channels=2", "model.hidden_size=16", "train.epochs=3", "seed=0,1")
    # Tried once: what MLflow's client does between its tries is not what is tested.
    once = environment(MLFLOW_HTTP_REQUEST_MAX_RETRIES="0")
    process = start(root, "-m", *words, "hydra/launcher=basic", f"tracking.uri={server.uri}", env=once)
    until(lambda: query(server.database, "select 1 from metrics") or process.poll() is not None)
    server.kill()
    ended = end(process, 4)
    assert {found[-1]["status"] for found in lines(root, "end").values()} == {"done"}
    command = f"python -m runner.sync --root {root} --experiment ablations --uri {server.uri}"
    assert f"2 runs are kept in {root / 'state'} and not in MLflow yet" in ended.err
    assert ended.err.rstrip().endswith(f"when it is back: {command}")
    assert not query(store.database(root), "select 1 from runs"), "the local store is not the one that was asked for"

    assert "cannot be reached" in sync(root, "--uri", server.uri, code=2).stderr
    before = journals(root)
    server.begin()
    sync(root, *command.split()[5:])
    assert journals(root) == before
    epochs = lines(root, "epoch")
    for key, one in stored_by_key(server.database).items():
        assert (one.status, one.tags["complete"]) == ("FINISHED", "1")
        assert one.rows == sorted(
            (metric, line["epoch"], line["metrics"][metric], line["time_ms"])
            for metric in METRICS
            for line in epochs[key]
        )
        kept = [path.name for path in (server.folder / "artifacts").glob(f"*/{one.id}/artifacts/*")]
        assert sorted(kept) == ["config.json", "test_correct.npy", "weights.npz"]
    (parent,) = stored(server.database, "sweep")
    assert parent.status == "FINISHED"
    (kept_plan,) = (server.folder / "artifacts").glob(f"*/{parent.id}/artifacts/sweep.json")
    assert json.loads(kept_plan.read_bytes()) == plan_of(root)

    sweep = runs.read(server.uri)
    assert list(sweep.runs.index) == [one["run_key"] for one in plan_of(root)["runs"]]
    for key, journaled in epochs.items():
        read = sweep.epochs[sweep.epochs["run_key"] == key]
        assert read[list(METRICS)].to_dict("records") == [line["metrics"] for line in journaled]
    last = sweep.epochs.groupby("run_key")["test/accuracy"].last()
    right = {key: bits.mean() for key, bits in runs.correct(sweep).items()}
    assert right == pytest.approx(dict(last), abs=1e-12)
    with pytest.raises(StoreError, match="there is no experiment nosuch"):
        runs.read(server.uri, "nosuch")
