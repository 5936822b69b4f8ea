"""Joblib's worker processes: whether there can be any, and how they start before there is work."""

import concurrent.futures
import contextlib
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from runner.plan.plan import PlannedRun
from runner.system.sources import make_folder_importable
from runner.work import stop

#: What is said where joblib cannot start processes.
NO_SHARED_MEMORY = (
    "joblib finds no shared memory here (is /dev/shm read-only?); workers are started without it"
)

#: The thread that gives joblib's processes their calls; the executor does not wait for its end.
_FEEDER = "QueueFeederThread"
_FEEDER_ENDS_S = 5.0


def can_start() -> bool:
    """Whether joblib has what its processes need: semaphores, which lie in /dev/shm on Linux.

    Without them it uses threads of the sweep's process, where runs would share DeZero's global
    settings and no run could be ended.
    """
    from joblib.parallel import BACKENDS

    return "loky" in BACKENDS


def start_trackers() -> None:
    """Start the trackers of shared memory as processes that no closed terminal ends.

    They leave Ctrl-C and SIGTERM to the process that they serve, but not SIGHUP.
    """
    from multiprocessing import resource_tracker as pythons

    from joblib.externals.loky.backend import resource_tracker as joblibs

    with _inheriting_blocked(signal.SIGHUP):
        joblibs.ensure_running()
        pythons.ensure_running()


@contextlib.contextmanager
def _inheriting_blocked(number: int) -> Iterator[None]:
    """Processes that are started in the block have a signal blocked."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (number,))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@dataclass(frozen=True)
class EarlyWorkers:
    """Processes that joblib has started and that import what their first run needs."""

    executor: Any
    futures: list[Any]

    @classmethod
    def start(cls, run: PlannedRun, n_workers: int, options: Mapping[str, Any]) -> "EarlyWorkers":
        """Start them: each imports what a run like this needs.

        Parameters
        ----------
        options
            Those of `joblib.Parallel` with which they are given work later.
        """
        from joblib import Parallel
        from joblib.externals.loky import get_reusable_executor

        start_trackers()  # which unblock SIGINT
        with Parallel(**options):  # makes the executor that later calls use again
            executor = get_reusable_executor(reuse=True)
        # Not in a thread of its own: processes that ask the kernel to end with their parent end
        # with the thread that started them.
        call = _import_early, os.getpid(), run.config.engine.name, run.device
        with _inheriting_blocked(signal.SIGINT):  # until the `Stop` of a worker handles it
            futures = [executor.submit(*call) for _ in range(n_workers)]
        return cls(executor, futures)

    def wait(self) -> None:
        """Return once they have imported it; of what went wrong the call that follows tells."""
        concurrent.futures.wait(self.futures)


def end_workers() -> None:
    """End joblib's processes, who have no work any more: by themselves they take half a second.

    What is left of them ends with them: a thread of joblib's that removes a semaphore while Python
    ends may be stopped between two steps, of which the tracker of shared memory complains.
    """
    feeders = [thread for thread in threading.enumerate() if thread.name == _FEEDER]
    if not feeders:
        return
    from joblib.externals.loky import get_reusable_executor

    get_reusable_executor(reuse=True).shutdown(wait=True, kill_workers=True)
    for feeder in feeders:
        feeder.join(_FEEDER_ENDS_S)


def _import_early(parent_pid: int, engine: str, device: str) -> None:
    """In a worker: import what its first run needs, which takes longer than to start it."""
    stop.die_with_parent(parent_pid)
    make_folder_importable()
    from runner import engine as engines
    from runner.plan import fingerprint
    from runner.train import run  # noqa: F401

    engines.compiles(engine, device)
    fingerprint.code_name(device)
