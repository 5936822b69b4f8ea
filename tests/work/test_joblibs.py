"""Joblib's workers start before there is work, and are those that are given it."""

import os
import signal
import sys
from types import SimpleNamespace

from commands import is_alive, until
from joblib import Parallel, delayed

from runner.work.joblibs import EarlyWorkers

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
        early.end()
    until(lambda: not any(map(is_alive, pids)))
