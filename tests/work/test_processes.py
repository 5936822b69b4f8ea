"""Watching workers: real processes that die, and that go on past their time limit."""

import os
import signal
import subprocess
import sys
import time

import pytest
from commands import until
from journaling import append

from runner.state.journals import Journals
from runner.state.records import End, Start
from runner.state.root import Root
from runner.work import processes
from runner.work.launch import LocalWorkers
from runner.work.processes import WorkerWatch

LAUNCH = "1-a"
KEYS = ("a" * 64, "b" * 64)


@pytest.fixture
def root(tmp_path):
    return Root(tmp_path)


@pytest.fixture
def worker(root):
    """Call for a process that is said to train a run."""
    started = []

    def start(key):
        process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        started.append(process)
        append(attempt(root, key), Start(key, "", {}, {}, {}, "cpu", process.pid, LAUNCH))
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def attempt(root, key):
    return root.run(key).attempt("first")


@pytest.fixture
def watch(root):
    """Call for a watch over the runs, with their time limits."""
    watches = []

    def begin(**limits):
        watches.append(WorkerWatch(Journals(root, KEYS), LAUNCH, limits))
        watches[-1].start()
        return watches[-1]

    yield begin
    for each in watches:
        each.stop()


@pytest.mark.skipif(
    not hasattr(os, "pidfd_open"), reason="the kernel does not tell of a process's end here"
)
def test_the_first_worker_to_die_is_the_one_that_is_told(worker, watch):
    first, second = worker(KEYS[0]), worker(KEYS[1])
    watching = watch()
    time.sleep(0.5)
    assert watching.first_dead == set()
    first.kill()
    until(lambda: watching.first_dead, seconds=5)
    second.kill()
    time.sleep(0.5)
    assert watching.first_dead == {first.pid}


def test_a_run_that_goes_on_past_its_limit_and_the_grace_has_its_process_killed(
    worker, watch, monkeypatch
):
    monkeypatch.setattr(processes, "GRACE_S", 0.2)
    late, unlimited = worker(KEYS[0]), worker(KEYS[1])
    watching = watch(**{KEYS[0]: 0.3, KEYS[1]: 0.0})
    assert late.wait(timeout=10) == -signal.SIGKILL
    until(lambda: watching.timed_out, seconds=5)
    assert watching.timed_out == {KEYS[0]} and unlimited.poll() is None


def test_a_run_that_has_ended_has_no_limit_any_more(root, worker, watch, monkeypatch):
    monkeypatch.setattr(processes, "GRACE_S", 0.2)
    process = worker(KEYS[0])
    append(attempt(root, KEYS[0]), End("done"))
    watching = watch(**{KEYS[0]: 0.1})
    time.sleep(1.0)
    assert watching.timed_out == set() and process.poll() is None


def test_a_process_of_somebody_elses_is_never_killed(root, watch, monkeypatch):
    monkeypatch.setattr(processes, "GRACE_S", 0.0)
    # The number in a journal may be another machine's: here it is that of a process that is no
    # descendant.
    append(
        attempt(root, KEYS[0]),
        Start(KEYS[0], "", {}, {}, {}, "cpu", os.getppid(), LAUNCH),
    )
    watching = watch(**{KEYS[0]: 0.1})
    time.sleep(0.8)
    assert watching.timed_out == set()


def test_a_worker_that_nobody_watches_ends_itself_and_says_where_it_was():
    code = """
import signal, time
from runner.work import processes
processes.GRACE_S = 0.2
def forward():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])  # as code in C has it
    time.sleep(60)
with processes.time_limit(30):
    pass  # the limit of a run is over with the run
with processes.time_limit(0.2):
    forward()
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50)
    assert ended.returncode == 1 and " in forward\n" in ended.stderr


@pytest.mark.parametrize(
    "ends, expected",
    [
        ("pass", []),
        ("import sys; sys.exit(3)", ["EXIT(3)"]),
        ("import os; os.kill(os.getpid(), 9)", ["SIGKILL(-9)"]),
    ],
)
def test_how_a_worker_process_ended_is_told_in_the_words_of_joblib(
    ends, expected, tmp_path, monkeypatch
):
    (tmp_path / "ends.py").write_text(ends)
    line = [sys.executable, str(tmp_path / "ends.py")]
    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda words, **how: popen(line, **how))
    assert LocalWorkers(0).start(tmp_path / "sweep.json", LAUNCH, 2) == expected * 2
