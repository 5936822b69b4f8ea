"""`runner.status`: how far each sweep of a root is, and the display of one that is running."""

import os
import signal
import subprocess
import sys

import pytest
from commands import end, environment, lines, start, until
from places import FAULTY

pytest_plugins = "roots"

SWEEP = ("-m", "data=digits", "model.channels=2", "model.hidden_size=16", "train.epochs=8",
         "seed=0,1", "runner.workers=2")  # fmt: skip


def status(root, *words):
    line = [sys.executable, "-m", "runner.status", "--root", root, *words]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(line, **pipes, env=environment(), cwd=root.parent)


def said(root, *words, code=0):
    return end(status(root, *words), code)


@pytest.mark.long
def test_a_sweep_that_ran_and_one_that_is_running_and_one_that_was_killed(main_job, root):
    out = said(main_job.root).out.splitlines()
    assert out[0] == f"root: {main_job.root}"
    assert out[1].startswith("channels x dropout (") and out[1].endswith("8 of 8 runs trained")
    sweep = start(root, *SWEEP, env=environment(PYTHONPATH=FAULTY, EPOCH_SLEEP="0.7"))
    until(lambda: len([key for key, done in lines(root, "epoch").items() if done]) == 2)
    first, where = said(root).out.splitlines()[1:]
    assert "0 of 2 runs trained, 2 running, about " in first
    assert f"by process {sweep.pid}, workers " in where
    # Another terminal sees the display of the sweep, and its end changes nothing.
    attached = status(root, first.partition("(")[2][:8])
    left = status(root, first.partition("(")[2][:8])
    assert "2 running" in left.stdout.readline()
    os.kill(left.pid, signal.SIGINT)
    assert left.wait(timeout=20) == 130
    left.communicate()
    assert "2 of 2 runs trained and stored" in end(sweep, 0).out
    seen = end(attached, 0).out
    assert "[2/2]" in seen and "test acc" in seen


@pytest.mark.long
def test_a_sweep_that_was_killed_says_what_to_type(root):
    sweep = start(root, *SWEEP, env=environment(PYTHONPATH=FAULTY, EPOCH_SLEEP="0.7"))
    until(lambda: any(lines(root, "epoch").values()))
    os.killpg(sweep.pid, signal.SIGKILL)
    sweep.communicate()
    until(lambda: "running" not in said(root).out)
    first, command = said(root).out.splitlines()[1:]
    assert "0 of 2 runs trained" in first
    assert command.startswith("  go on: python -m runner -m data=digits ")


def test_what_is_not_there_is_said(root, main_job):
    assert "there is no such folder" in said(root, code=2).err
    assert "holds no such sweep" in said(main_job.root, "nothing", code=2).err
