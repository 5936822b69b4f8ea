"""Every path below the root, and the lock of a run's folder."""

import os
import signal
import subprocess
import sys

import pytest
from commands import environment

from runner.state.root import Root

KEY = "5" * 64


@pytest.fixture
def folder(tmp_path):
    folder = Root(tmp_path).run(KEY)
    folder.path.mkdir(parents=True)
    return folder


def test_a_folder_is_named_by_its_key_alone(tmp_path):
    folder = Root(tmp_path).run(KEY)
    assert folder.path == tmp_path / "state" / KEY
    files = (folder.journal, folder.weights, folder.test_correct, folder.config, folder.error)
    assert {path.parent for path in files} == {folder.path}
    assert not folder.path.exists(), "looking makes nothing"


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
            root.run(key).journal.touch()
    assert [folder.path.name for folder in root.sweeps()] == ["b", "c", "a"]
    assert [folder.path.name for folder in root.runs()] == ["a", "b"]


def test_a_root_is_what_was_configured_else_the_checkout(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Root.of("here") == Root(tmp_path / "here")
    assert (Root.of(None).path / "pyproject.toml").is_file()
    monkeypatch.setattr("runner.state.root.checkout", lambda: None)
    assert Root.of(None) == Root(tmp_path)


# The lock.


def test_what_a_killed_holder_left_half_written_is_gone_for_the_next(folder):
    left = folder.path / ".checkpoint.123.0f0f0f0f.tmp"
    left.write_bytes(b"half")
    (folder.path / "checkpoint").write_bytes(b"whole")
    with folder.locked() as ours:
        assert ours and not left.exists()
        assert (folder.path / "checkpoint").read_bytes() == b"whole"
        left.write_bytes(b"being written by the holder")
        with Root(folder.path.parents[1]).run(KEY).locked() as another:
            assert not another and left.exists()


HOLD = """
import sys, time
from pathlib import Path
from runner.state.root import Root
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
