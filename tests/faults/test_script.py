"""A script that is interrupted or killed in `runner.sweep` leaves no process, and goes on."""

import os
import signal
import subprocess
import sys

import pytest
from commands import end, environment, is_alive, journals, lines, until
from places import FAULTY

pytest_plugins = "roots"

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(sys.platform != "linux", reason="a guard ends processes on Linux alone"),
]

SCRIPT = """
import runner, sys
words = "data=mnist5k", "model.channels=2", "train.epochs=4"
try:
    print(repr(runner.sweep(*words, seeds=2, root=sys.argv[1])))
except KeyboardInterrupt as interrupted:
    sys.exit(f"stopped: {interrupted}")
"""


def started(root):
    """The script under way in a process group of its own, as a terminal and a kernel have it."""
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(root)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(PYTHONPATH=FAULTY, EPOCH_SLEEP="1.0"),
        cwd=root.parent,
        start_new_session=True,
    )


def n_epochs(root):
    return sum(len(epochs) for epochs in lines(root, "epoch").values())


def in_its_middle(root):
    """The script when it has just trained an epoch."""
    before, process = n_epochs(root), started(root)
    until(lambda: process.poll() is not None or n_epochs(root) > before)
    assert process.poll() is None, process.communicate()
    return process


def all_gone(root):
    pids = {start["pid"] for starts in lines(root, "start").values() for start in starts}
    until(lambda: not any(map(is_alive, pids)))


def test_an_interrupt_stops_the_sweep_a_kill_leaves_nothing_and_the_same_call_goes_on(root):
    process = in_its_middle(root)
    os.killpg(process.pid, signal.SIGINT)
    told = end(process, 1)
    assert "stopped: interrupted; 0 of 2 runs are trained, nothing is lost; go on" in told.err
    all_gone(root)
    assert {records[-1]["kind"] for records in journals(root).values()} == {"end"}
    process = in_its_middle(root)
    process.kill()
    process.communicate()
    all_gone(root)
    assert "): 2 of 2 runs done" in end(started(root), 0).out
