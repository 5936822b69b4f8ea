"""Joblib's workers start before there is work, and are those that are given it."""

import os
import signal
import subprocess
import sys
from types import SimpleNamespace

from commands import is_alive, until
from joblib import Parallel, delayed

from runner.work.joblibs import EarlyWorkers, end_workers

OPTIONS = {"n_jobs": 2, "backend": "loky"}
RUN = SimpleNamespace(config=SimpleNamespace(engine=SimpleNamespace(name="fast")), device="cpu")


def seen_in_worker():
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    return os.getpid(), "runner.train.run" in sys.modules, signal.SIGINT in blocked


def test_they_have_imported_what_a_run_needs_and_leave_ctrl_c_to_the_sweep():
    early = EarlyWorkers.start(RUN, 2, OPTIONS)
    try:
        early.wait()
        assert all(future.exception() is None for future in early.futures)
        seen = Parallel(**OPTIONS)(delayed(seen_in_worker)() for _ in range(4))
        assert {pid for pid, *_ in seen} <= set(early.executor._processes)
        assert {tuple(of) for _, *of in seen} == {(True, True)}
        assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
        pids = list(early.executor._processes)
    finally:
        end_workers()
    until(lambda: not any(map(is_alive, pids)))


SLOW_THREADS = """
import importlib, threading, time

from joblib.externals.loky.backend.queues import Queue
from test_joblibs import OPTIONS, RUN

from runner.work.joblibs import EarlyWorkers, end_workers

tracker = importlib.import_module("joblib.externals.loky.backend.synchronize").resource_tracker
feed, unregister = Queue._feed, tracker.unregister

def feed_slowly(*of):
    feed(*of)
    time.sleep(0.2)

def unregister_slowly(*of):
    if threading.current_thread().daemon:
        print("a daemon", flush=True)
        time.sleep(0.2)
    unregister(*of)

Queue._feed, tracker.unregister = feed_slowly, unregister_slowly
EarlyWorkers.start(RUN, 2, OPTIONS).wait()
end_workers()
time.sleep(0.3)
"""


def test_python_does_not_end_while_a_thread_of_joblibs_removes_a_semaphore():
    path = os.pathsep.join([*sys.path, os.path.dirname(__file__)])
    ended = subprocess.run(
        [sys.executable, "-c", SLOW_THREADS],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "a daemon" in ended.stdout, "else this test sees nothing"
