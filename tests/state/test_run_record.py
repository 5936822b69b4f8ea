"""A run's record: of several attempts, which counts, and what they say together."""

import dataclasses

import pytest
from journaling import append

from runner.state.journal import write_death
from runner.state.records import End, Epoch, Setup, Start
from runner.state.root import BEFORE_ATTEMPTS, Root
from runner.state.run_record import changed_files, read_run

KEY = "5" * 64


@pytest.fixture
def run(tmp_path):
    return Root(tmp_path).run(KEY)


def start(after=None, launch="1-a", at=0, n_epochs=2, **others):
    config = {"train": {"epochs": n_epochs}}
    data = {"name": "digits", "sha256": "d"}
    return Start(KEY, "c", {}, config, data, "cpu", 1, launch, after=after, time_ms=at, **others)


def epoch(number, loss=None, at=0):
    return Epoch(number, {"test/loss": loss or 1 / number, "time/train_s": 1.0}, time_ms=at)


def test_no_attempt_is_a_run_that_was_never_begun(run):
    record = read_run(run)
    assert (record.attempt, record.start, record.setup, record.end, record.epochs) == (
        None, None, None, None, {},
    )  # fmt: skip
    assert not record.trained and not record.taken("1-a") and record.seconds == 0


@pytest.mark.parametrize(
    ("status", "trained"),
    [("done", True), ("diverged", True), ("failed", False), ("killed", False)],
)
def test_only_done_and_diverged_are_trained(run, status, trained):
    append(run.attempt("a"), start(), epoch(1), epoch(2), End(status))
    assert read_run(run).trained is trained


def test_an_attempt_goes_on_with_what_the_one_before_it_left(run):
    append(run.attempt("a"), start(), Setup(n_parameters=1), epoch(1, at=5), End("killed"))
    append(run.attempt("b"), start("a", "2-b"), Setup(n_parameters=2), epoch(1, at=9), epoch(2))
    record = read_run(run)
    assert record.attempt == "b" and record.end is None and set(record.epochs) == {1, 2}
    assert record.epochs[1].time_ms == 5, "the first record of an epoch counts"
    assert record.setup.n_parameters == 2 and record.seconds == 2.0
    assert not record.is_mixed and not record.is_contested
    append(run.attempt("b"), End("done"))
    assert read_run(run).trained


def test_what_is_recorded_is_that_of_the_attempt_that_counts(run):
    append(run.attempt("a"), start(engine="stock"), End("failed", "out of memory"))
    append(run.attempt("b"), start("a", engine="fast"), Setup(["Tanh"]), epoch(1), epoch(2))
    append(run.attempt("b"), End("done"))
    record = read_run(run)
    assert (record.start.engine, record.setup.fallbacks, record.end.cause) == (
        "fast", ["Tanh"], None,
    )  # fmt: skip


def test_the_last_attempt_is_the_one_that_none_goes_on_after_whatever_the_clock_says(run):
    append(run.attempt("a"), start(at=9_000), End("killed"))
    append(run.attempt("b"), start("a", at=1_000), epoch(1))
    assert read_run(run).attempt == "b"


def test_what_an_attempt_writes_after_the_next_one_began_changes_nothing_that_counts(run):
    append(run.attempt("a"), start(at=1, n_epochs=3), Setup(), epoch(1, at=2))
    append(run.attempt("b"), start("a", at=3, n_epochs=3), Setup(goes_on_from_epoch=2))
    append(run.attempt("b"), epoch(2, at=6), epoch(3, at=8), End("done", time_ms=9))
    before = read_run(run)
    assert before.trained and not before.is_contested
    # Its locks do not reach the other's process: it went on, unaware.
    append(run.attempt("a"), epoch(2, at=5), epoch(3, at=7), End("done", time_ms=10))
    record = read_run(run)
    assert record.attempt == "b" and record.epochs == before.epochs and record.is_contested
    assert [epoch.time_ms for epoch in record.epochs.values()] == [2, 6, 8]


def test_an_attempt_may_go_on_from_what_another_trained_beside_the_one_before_it(run):
    append(run.attempt("a"), start(at=1, n_epochs=3), Setup(), epoch(1, at=2))
    append(run.attempt("b"), start("a", at=3), Setup(goes_on_from_epoch=2), End("killed"))
    append(run.attempt("a"), epoch(2, at=5))  # and kept a checkpoint, from which `c` goes on
    append(run.attempt("c"), start("b", at=6, n_epochs=3), Setup(goes_on_from_epoch=3))
    append(run.attempt("c"), epoch(3, at=7), End("done"))
    record = read_run(run)
    assert record.trained and not record.is_contested and not record.damages
    assert sorted(epoch.time_ms for epoch in record.epochs.values()) == [2, 5, 7]


def test_of_two_attempts_that_trained_a_run_the_one_that_ended_first_counts(run):
    for id, at in (("a", 30), ("b", 20), ("c", 20)):
        append(run.attempt(id), start(), epoch(1, at=at), epoch(2, at=at + 1))
        append(run.attempt(id), End("done", time_ms=at + 2))
    record = read_run(run)
    assert record.attempt == "b" and record.epochs[2].time_ms == 21
    assert record.is_contested and not record.is_mixed
    assert set(record.attempts) == set(record.trained_by) == {"a", "b", "c"}


def test_an_attempt_beside_one_that_trained_the_run_changes_nothing(run):
    append(run.attempt("a"), start(), epoch(1), epoch(2), End("done"))
    append(run.attempt("b"), start(launch="2-b"), epoch(1, 0.7), End("failed", "x"))
    record = read_run(run)
    assert record.trained and record.settled("2-b") and record.epochs[1].metrics["test/loss"] == 1.0
    assert not record.is_mixed


def test_attempts_that_differ_in_an_epoch_are_mixed_and_the_one_that_counts_says_what_it_was(run):
    append(run.attempt("a"), start(processor="p"), epoch(1), epoch(2), End("killed"))
    append(run.attempt("b"), start("a", processor="q"), epoch(1), epoch(2, 0.4999), End("done"))
    record = read_run(run)
    assert record.is_mixed and record.epochs[2].metrics["test/loss"] == 0.4999


def test_a_time_that_differs_is_no_difference(run):
    append(run.attempt("a"), start(), epoch(1), End("killed"))
    slower = dataclasses.replace(epoch(1), metrics={"test/loss": 1.0, "time/train_s": 9.0})
    append(run.attempt("b"), start("a"), slower, epoch(2), End("done"))
    assert not read_run(run).is_mixed


def test_attempts_that_name_each_other_end_somewhere(run):
    append(run.attempt("a"), start("b"), epoch(1))
    append(run.attempt("b"), start("a"), epoch(2))
    assert set(read_run(run).epochs) <= {1, 2}


def test_a_run_without_all_its_epochs_is_not_done(run):
    folder = run.attempt(BEFORE_ATTEMPTS)
    folder.path.mkdir(parents=True)
    append(run.attempt("a"), start(n_epochs=3), epoch(1), epoch(3), End("done"))
    record = read_run(run)
    assert not record.trained and record.start is None
    journal = run.attempt("a").journal
    assert record.damages == [f"{journal}: epochs 2 are missing; it does not count"]


def test_damage_ends_an_attempt_where_it_is_and_another_one_may_train_the_run(run):
    append(run.attempt("a"), start(), epoch(1), epoch(2), End("done"))
    lines = run.attempt("a").journal.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2].replace(b"0.5", b"0.6")
    run.attempt("a").journal.write_bytes(b"".join(lines))
    record = read_run(run)
    assert not record.trained and not record.taken("1-a") and set(record.epochs) == {1}
    assert "line 3 is damaged" in record.damages[0]
    append(run.attempt("b"), start("a"), epoch(1), epoch(2), End("done"))
    assert read_run(run).trained and read_run(run).epochs[2].metrics["test/loss"] == 0.5


# Launches.


def test_a_run_that_failed_is_settled_in_the_launch_it_failed_in_and_tried_again_in_the_next(run):
    append(run.attempt("a"), start(), End("failed", "x"))
    assert read_run(run).settled("1-a") and not read_run(run).settled("2-b")


def test_a_run_that_was_begun_is_left_alone_by_the_other_workers_of_its_launch_until_it_has_ended(
    run,
):
    append(run.attempt("a"), start())
    assert read_run(run).taken("1-a") and not read_run(run).taken("2-b")
    write_death(run.attempt("a"), End("killed", "its worker ended with another one"))
    assert not read_run(run).taken("1-a")


def test_a_launch_has_its_own_attempt_in_view_beside_that_of_another(run):
    append(run.attempt("a"), start(at=1))
    append(run.attempt("b"), start(launch="2-b", at=2), epoch(1))
    record = read_run(run)
    assert record.attempt == "b" and record.under_way("1-a") and record.under_way("2-b")
    assert (record.of_launch("1-a").id, record.of_launch("2-b").id) == ("a", "b")


# Results.


def test_results_are_held_against_the_hashes_of_the_end(run):
    import hashlib

    folder = run.new_attempt()
    folder.weights.write_bytes(b"weights")
    folder.config.mkdir()
    hashes = {"weights.npz": hashlib.sha256(b"weights").hexdigest()}
    assert changed_files(folder, hashes) == []
    others = {"config.json": "0" * 64, "test_correct.npy": "0" * 64}
    assert changed_files(folder, hashes | others) == [folder.config, folder.test_correct]
    folder.weights.write_bytes(b"weightz")
    assert changed_files(folder, hashes) == [folder.weights]
