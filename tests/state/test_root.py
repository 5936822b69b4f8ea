"""Every path below the root, and the lock of a run's folder."""

import os
import signal
import subprocess
import sys

import pytest
from commands import environment

from runner.state.root import BEFORE_ATTEMPTS, Root

KEY = "5" * 64


@pytest.fixture
def folder(tmp_path):
    folder = Root(tmp_path).run(KEY)
    folder.path.mkdir(parents=True)
    return folder


def test_a_folder_is_named_by_its_key_alone_and_every_attempt_has_its_own(tmp_path):
    folder = Root(tmp_path).run(KEY)
    assert folder.path == tmp_path / "state" / KEY and folder.attempt_ids() == []
    attempt = folder.attempt("host-1-a")
    files = (attempt.journal, attempt.death, attempt.error, *attempt.results)
    assert {path.parent for path in files} == {folder.path / "attempts" / "host-1-a"}
    assert attempt.run_key == KEY and not attempt.is_before_attempts
    assert not folder.path.exists(), "looking makes nothing"


def test_what_was_trained_before_there_were_attempts_is_one_in_the_runs_own_folder(folder):
    attempt = folder.attempt(BEFORE_ATTEMPTS)
    assert attempt.path == folder.path and attempt.run_key == KEY and attempt.is_before_attempts
    attempt.journal.touch()
    new = folder.new_attempt()
    assert set(folder.attempt_ids()) == {BEFORE_ATTEMPTS, new.id}


def test_no_two_attempts_share_a_folder(folder):
    assert len({folder.new_attempt().path for _ in range(20)}) == 20


def test_a_trained_run_keeps_its_journals_and_the_results_that_count(folder):
    counts, other = folder.attempt("counts"), folder.attempt("other")
    for attempt in (counts, other):
        attempt.path.mkdir(parents=True)
        for name in ("checkpoint", "checkpoint.previous", ".weights.npz.1.a.tmp"):
            (attempt.path / name).touch()
        for file in (attempt.journal, attempt.death, attempt.error, *attempt.results):
            file.touch()
        attempt.tidy(keep_results=attempt is counts)
    assert {*other.path.iterdir()} == {other.journal, other.death}
    assert {*counts.path.iterdir()} == {counts.journal, counts.death, *counts.results}


def test_looking_for_runs_and_sweeps_makes_nothing(tmp_path):
    root = Root(tmp_path / "nowhere")
    assert list(root.runs()) == list(root.sweeps()) == []
    assert Root.of_plan(root.sweep(KEY).plan) == root
    assert not root.path.exists()


def test_sweeps_come_from_the_oldest_and_runs_by_key_where_they_were_started(tmp_path):
    root = Root(tmp_path)
    for time, key in enumerate("bca"):
        root.sweep(key).path.mkdir(parents=True)
        root.sweep(key).plan.touch()
        os.utime(root.sweep(key).plan, (time, time))
        root.run(key).path.mkdir()
        if key != "c":
            root.run(key).new_attempt().journal.touch()
    root.run("d").path.mkdir()
    root.run("d").attempt(BEFORE_ATTEMPTS).journal.touch()
    assert [folder.path.name for folder in root.sweeps()] == ["b", "c", "a"]
    assert [folder.key for folder in root.runs()] == ["a", "b", "d"]


def test_a_root_is_what_was_configured_else_the_checkout(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Root.of("here") == Root(tmp_path / "here")
    assert (Root.of(None).path / "pyproject.toml").is_file()
    monkeypatch.setattr("runner.state.root.checkout", lambda: None)
    assert Root.of(None) == Root(tmp_path)


# The lock.


HOLD = """
import sys, time
from pathlib import Path
from runner.state.root import BEFORE_ATTEMPTS, Root
with Root(Path(sys.argv[1])).run(sys.argv[2]).locked() as mine:
    print(mine, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(folder):
    """A process that holds the lock of the folder."""
    line = [sys.executable, "-c", HOLD, folder.path.parents[1], KEY]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, text=True, env=environment())
    assert process.stdout.readline() == "True\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_lock_keeps_every_other_process_out_until_its_holder_is_gone_even_by_kill_9(
    folder, holder
):
    with folder.locked() as mine:
        assert mine is False
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    with folder.locked() as mine:
        assert mine is True
    with folder.locked() as mine:
        assert mine is True, "and it is given back"
