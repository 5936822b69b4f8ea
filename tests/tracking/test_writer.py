"""Training never waits for the MLflow writer, and loses nothing when the store is away."""

import contextlib
import json
import sqlite3
import threading
from dataclasses import replace
from unittest.mock import Mock

import pytest
from commands import (
    attempt_of,
    end,
    environment,
    image,
    journals,
    lines,
    plan_of,
    query,
    start,
    stored,
    stored_by_key,
    sync,
    until,
)
from filelock import FileLock, Timeout
from journaling import append, records_of
from places import FAULTY
from replays import BreaksOff, in_process, only_plan, writer_to

from analysis.read import runs
from runner.errors import StoreBehindError, StoreError
from runner.record import METRICS
from runner.state.records import End
from runner.state.root import Root
from runner.tracking import mlflow_tracker
from runner.tracking import writer as tracking
from runner.tracking.store import mlflow_store as store
from runner.tracking.writer import WriterThread

pytest_plugins = ("roots", "stores")

TINY = ("data=digits", "model.channels=2", "model.hidden_size=16", "train.epochs=1")


class Away:
    def __getattr__(self, name):
        raise ConnectionError("http://me:secret@host is away")


def test_a_writer_without_a_store_says_so_and_counts_what_is_behind(main_job):
    thread = WriterThread(writer_to(main_job.root, Away()))
    thread.start()
    until(lambda: thread.trouble, seconds=5)
    assert thread.finish("FINISHED") == "8 runs are"
    assert thread.trouble == "the store went away (http://***@host is away)"
    assert not thread.is_alive()


@pytest.fixture
def writer(copied):
    """A writer of a sweep that is trained, to an empty store."""
    return copied.writer()


def test_runs_that_somebody_deletes_while_they_are_trained_are_made_again(writer, copied, main_job):
    root, folders = writer.tracker.root, {}
    for key in writer.journals:  # as if all were under way
        folders[key] = attempt_of(root.path, key)
        *records, end = records_of(folders[key])
        folders[key].journal.unlink()
        append(folders[key], *records)
        folders[key] = folders[key], end
    writer.update()
    for stored_run in stored(copied.database):
        writer.tracker.client.delete_run(stored_run.id)
    for folder, end in folders.values():
        append(folder, end)
    writer.journals.look(max_age_s=0)
    writer.update()
    writer.close_as_recorded()
    assert image(copied.database) == image(Root(main_job.root).database)


def test_a_run_that_was_killed_before_it_told_all_tells_it_when_it_goes_on(
    writer, copied, main_job
):
    root = writer.tracker.root
    for key in writer.journals:  # as if its attempt had come after one that was killed early
        second = attempt_of(root.path, key)
        start, *others = records_of(second)
        second.journal.rename(second.journal.with_suffix(".later"))
        append(root.run(key).attempt("first"), replace(start, engine="", git={}))
        append(root.run(key).attempt("first"), End("killed", "its worker ended"))
    writer.update()
    for key in writer.journals:
        (later,) = root.run(key).attempts.glob("*/journal.later")
        second = root.run(key).attempt(later.parent.name)
        later.rename(second.journal)
        start, *others = records_of(second)
        second.journal.unlink()
        append(second, replace(start, after="first"), *others)
    writer.journals.look(max_age_s=0)
    writer.update()
    writer.close_as_recorded()
    assert image(copied.database) == image(Root(main_job.root).database)


def test_a_run_that_another_process_replaced_before_it_goes_on_is_told_from_its_first_epoch(
    writer, copied, main_job
):
    root, client = writer.tracker.root, writer.tracker.client
    later = {}
    for key in writer.journals:  # as if a second attempt had gone on after the first epoch
        whole = attempt_of(root.path, key)
        start, setup, first, *others = records_of(whole)
        whole.journal.unlink()
        append(root.run(key).attempt("first"), start, setup, first)
        later[whole] = [replace(start, after="first"), setup, *others]
    writer.journals.look(max_age_s=0)
    writer.update()
    for one in stored(copied.database):
        tags = {name: value for name, value in one.tags.items() if name != "complete"}
        client.delete_run(one.id)
        client.create_run(
            writer.tracker.experiment_id, start_time=one.started, tags=tags, run_name=one.name
        )
    for attempt, records in later.items():
        append(attempt, *records)
    writer.journals.look(max_age_s=0)
    writer.update()
    writer.close_as_recorded()
    assert image(copied.database) == image(Root(main_job.root).database)


def test_a_sweep_whose_own_run_was_deleted_is_not_said_to_be_stored(writer, copied):
    writer.tracker.client.delete_run(writer.tracker.parent_id)
    thread = WriterThread(writer)
    assert thread.finish("FINISHED") == "how it ended is"
    assert "must be in the 'active' state" in thread.trouble and not writer.n_behind
    copied.sync()
    (parent,) = stored(copied.database, "sweep")
    assert parent.status == "FINISHED"


def test_an_experiment_that_is_deleted_while_a_sweep_runs_is_named(writer, copied):
    client, experiment = writer.tracker.client, writer.tracker.experiment_id
    client.delete_experiment(experiment)
    thread = WriterThread(writer)
    assert thread.finish("FINISHED") == "8 runs are"
    assert "must be in the 'active' state" in thread.trouble
    with pytest.raises(StoreError, match="was deleted in MLflow; restore it"):
        copied.sync()
    client.restore_experiment(experiment)
    assert thread.finish("FINISHED") is None


def test_another_process_that_was_stopped_while_it_created_a_sweep_holds_nobody_up_for_ever(
    copied, monkeypatch
):
    monkeypatch.setattr(mlflow_tracker, "_ALONE_S", 0.1)
    root, client = Root(copied.root), copied.client()
    tracker = mlflow_tracker.MlflowTracker(client, "1", root)
    with FileLock(str(root.tracking_lock)), pytest.raises(Timeout, match="could not be acquired"):
        tracker.open_sweep(only_plan(copied.root))


def test_whoever_interrupts_a_sweep_does_not_wait_for_a_call_that_hangs(writer, monkeypatch):
    monkeypatch.setattr(tracking, "_INTERRUPTED_S", 0.1)
    let_go, begun = threading.Event(), threading.Event()

    def hangs(patience=2):
        begun.set()
        let_go.wait()

    monkeypatch.setattr(writer, "update", hangs)
    thread = WriterThread(writer)
    thread.start()
    begun.wait()
    assert thread.finish("KILLED", interrupted=True) == "8 runs are"
    assert thread.trouble == "a call to it is still under way"
    let_go.set()
    thread.join()


def test_a_store_that_goes_away_during_a_replay_is_told_in_one_line(
    main_job, new_root, monkeypatch
):
    root = new_root(state=main_job.root)
    monkeypatch.setattr(store, "connect", lambda *_: BreaksOff(Mock(), 1))
    monkeypatch.setattr(store, "experiment_id", lambda *_: "1")
    with pytest.raises(
        StoreBehindError, match="the store went away .*; nothing is lost, run it again"
    ):
        in_process(root)


def test_trainings_begin_before_the_store_is_opened_and_after_their_claims_are_declared(root):
    database = Root(root).database
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as file:
        file.execute("begin immediate")  # it can be read, and nothing can be recorded there
        process = start(root, "-m", *TINY, "model.dropout=true,false", "seed=0")
        until(lambda: sum(map(len, lines(root, "end").values())) == 2 or process.poll() is not None)
        assert not stored(database, "sweep")
    assert "2 of 2 runs trained and stored" in end(process, 0).out
    (parent,), runs = stored(database, "sweep"), stored(database)
    assert parent.status == "FINISHED" and len(runs) == 2
    assert parent.started <= min(stored_run.started for stored_run in runs)


@pytest.mark.long
def test_training_goes_on_without_a_server_and_sync_brings_it_in_step_when_it_is_back(root, server):
    words = (
        "data=mnist5k",
        "model.channels=2",
        "model.hidden_size=16",
        "train.epochs=3",
        "seed=0,1",
    )
    # MLflow's client retries for minutes: one try a call keeps the test short.
    once = environment(MLFLOW_HTTP_REQUEST_MAX_RETRIES="0", PYTHONPATH=FAULTY, EPOCH_SLEEP="1")
    process = start(
        root, "-m", *words, "hydra/launcher=basic", f"tracking.uri={server.uri}", env=once
    )
    until(lambda: query(server.database, "select 1 from metrics") or process.poll() is not None)
    server.kill()
    ended = end(process, 4)
    assert {ends[-1]["status"] for ends in lines(root, "end").values()} == {"done"}
    command = f"python -m runner.sync --root {root} --experiment ablations --uri {server.uri}"
    assert f"2 runs are kept in {root / 'state'} and not in MLflow yet" in ended.err
    assert ended.err.rstrip().endswith(f"once that is mended: {command}")
    assert not query(Root(root).database, "select 1 from runs"), (
        "the local store is not the one that was asked for"
    )

    assert "cannot be reached" in sync(root, "--uri", server.uri, code=2).stderr
    before = journals(root)
    server.begin()
    sync(root, *command.split()[5:])
    assert journals(root) == before
    epochs = lines(root, "epoch")
    for key, stored_run in stored_by_key(server.database).items():
        assert (stored_run.status, stored_run.tags["complete"]) == ("FINISHED", "1")
        assert stored_run.rows == sorted(
            (metric, line["epoch"], line["metrics"][metric], line["time_ms"])
            for metric in METRICS
            for line in epochs[key]
        )
        kept = [
            path.name
            for path in (server.log.parent / "artifacts").glob(f"*/{stored_run.id}/artifacts/*")
        ]
        assert sorted(kept) == [
            "config.json",
            "test_correct.npy",
            "test_predicted.npy",
            "weights.npz",
        ]
    (parent,) = stored(server.database, "sweep")
    assert parent.status == "FINISHED"
    (kept_plan,) = (server.log.parent / "artifacts").glob(f"*/{parent.id}/artifacts/sweep.json")
    assert json.loads(kept_plan.read_bytes()) == plan_of(root)

    sweep = runs.read(server.uri)
    assert list(sweep.runs.index) == [stored_run["run_key"] for stored_run in plan_of(root)["runs"]]
    for key, journaled in epochs.items():
        read = sweep.epochs[sweep.epochs["run_key"] == key]
        assert read[list(METRICS)].to_dict("records") == [line["metrics"] for line in journaled]
    last = sweep.epochs.groupby("run_key")["test/accuracy"].last()
    right = {key: bits.mean() for key, bits in runs.correct(sweep).items()}
    assert right == pytest.approx(dict(last), abs=1e-12)
    with pytest.raises(StoreError, match="there is no experiment nosuch"):
        runs.read(server.uri, "nosuch")
