"""Concurrent runs on one GPU: one process launches several runs, which the GPU does in parallel.

Each run has its own stream, CUDA graphs and memory and reads nothing of the others, so it has the
numbers that it would have alone. A CPU does not need this: there each process trains one run on one
core.
"""

import contextlib
import functools
import gc
import sys
import time
from collections.abc import Callable, Iterator
from types import TracebackType

from runner.engine import device as devices
from runner.errors import CardLost, GaveWay, TimedOut
from runner.plan.plan import PlannedRun
from runner.record import EpochRecord
from runner.train import device_data
from runner.work.processes import time_limit_cause
from runner.work.share import Share
from runner.work.stop import Stop

_WAIT_S = 0.5


def train_concurrently(share: Share, stop: Stop) -> None:
    """Train the runs that no other process holds, until none is left or a stop is requested.

    Raises
    ------
    CardLost
        When a run failed and left the GPU unusable for this process; another process can train the
        other runs.
    """
    import numpy as np
    from threadpoolctl import threadpool_limits

    configured = share.runs[0].config.engine.streams
    search, free_before = ConcurrencySearch(configured), devices.free_gpu_bytes()
    runs = ConcurrentRuns(share, stop)
    with threadpool_limits(limits=1), np.errstate(all="ignore"), contextlib.ExitStack() as stack:
        stack.callback(device_data.release)
        stack.callback(runs.close)
        while True:
            n_held_elsewhere = 0 if stop() else runs.start(search.n_runs)
            if not runs.active:
                if stop() or not n_held_elsewhere:
                    return
                # Another sweep is training what is left; if its process dies, this one takes over.
                time.sleep(_WAIT_S)
            started, n_runs = time.monotonic(), len(runs.active)
            n_images = runs.advance(search)
            seconds = time.monotonic() - started
            room_for = functools.partial(_room_for, n_runs, free_before)
            search.record_round(n_runs, n_images, seconds, room_for)


def _hush_failed_frees() -> None:
    """Print no error of a module, graph or stream that a lost card does not free any more.

    CuPy prints each of them twice, as one that reached the top and as one that could not be raised,
    up to the end of the process. No frame of theirs is Python's.
    """
    raised, unraisable = sys.excepthook, sys.unraisablehook

    def is_failed_free(kind: type[BaseException], trace: TracebackType | None) -> bool:
        while trace and not trace.tb_frame.f_code.co_filename.endswith(".py"):
            trace = trace.tb_next
        return trace is None and kind.__name__ in ("CUDADriverError", "CUDARuntimeError")

    def on_raised(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        if not is_failed_free(kind, trace):
            raised(kind, error, trace)

    def on_unraisable(lost: "sys.UnraisableHookArgs") -> None:
        if not is_failed_free(lost.exc_type, lost.exc_traceback):
            unraisable(lost)

    sys.excepthook, sys.unraisablehook = on_raised, on_unraisable


def _room_for(n_runs: int, free_before: int) -> int:
    """How many more runs fit into memory, if each takes as much as the average of these."""
    free = devices.free_gpu_bytes()
    return int(free // max(1, (free_before - free) / n_runs))


class ConcurrentRuns:
    """The runs of a share that this process trains at the same time.

    Attributes
    ----------
    active
        Those that are started and have not ended.
    """

    def __init__(self, share: Share, stop: Stop) -> None:
        self.active: list[ConcurrentRun] = []
        self._share, self._stop = share, stop

    def start(self, n_runs: int) -> int:
        """Start runs until `n_runs` are active; returns how many were held by other processes."""
        n_held_elsewhere = 0
        active_keys = {run.planned.run_key for run in self.active}
        for planned in self._share.runs if len(self.active) < n_runs else []:
            if len(self.active) >= n_runs or self._stop():
                break
            if planned.run_key in active_keys or not self._share.is_open(planned):
                continue
            n_held_elsewhere += not self._start(planned)
        return n_held_elsewhere

    def _start(self, planned: PlannedRun) -> bool:
        """Start one run, unless another process holds it (False)."""
        from runner.train.run import train_run

        share = self._share
        with contextlib.ExitStack() as lock:
            if not lock.enter_context(share.held(planned)):
                return False
            if not share.is_open(planned):
                return False  # another process ended it a moment ago
            records = train_run(
                planned, share.root, share.launch, self._stop, lambda: len(self.active) < 2
            )
            self.active.append(ConcurrentRun(planned, records, lock.pop_all()))
        return True

    def advance(self, search: "ConcurrencySearch") -> int:
        """Advance each active run once; returns the number of images that were trained.

        Raises
        ------
        CardLost
            When a run failed and left the GPU unusable; all runs are closed.
        """
        n_images = 0
        for run in list(self.active):
            try:
                n_images += run.advance()
            except GaveWay:
                search.limit(len(self.active) - 1)
            except KeyboardInterrupt:
                raise
            except BaseException:  # recorded in its journal; the other runs go on
                record = self._share.journals.read(run.planned.run_key)
                if not record.settled(self._share.launch):
                    raise  # not even the journal could be written
                if run.planned.config.runner.fail_fast:
                    self._stop.tell_workers()
                if devices.card_is_lost():
                    _hush_failed_frees()
                    self._abandon()
                    raise CardLost(
                        f"{run.planned.name} failed and left the GPU unusable for this process"
                    ) from None
            if run.ended:
                self.active.remove(run)
                run.close()
                # The run's arrays are in reference cycles.
                gc.collect()
                devices.free_gpu_memory()
        return n_images

    def close(self) -> None:
        """End every active run where it is."""
        for run in self.active:
            run.close()

    def _abandon(self) -> None:
        """Close runs whose memory cannot even be freed any more."""
        for run in self.active:
            with contextlib.suppress(Exception):
                run.close()


class ConcurrentRun:
    """One run, advanced epoch by epoch.

    Parameters
    ----------
    records
        What `train_run` yields.
    lock
        The lock of the run, which `close` releases.

    Attributes
    ----------
    ended
        Whether there is nothing left to advance.
    """

    def __init__(
        self, planned: PlannedRun, records: Iterator[EpochRecord | None], lock: contextlib.ExitStack
    ) -> None:
        self.planned, self.ended = planned, False
        self._records, self._lock = records, lock
        limit = planned.config.runner.time_limit_s
        self._deadline = time.monotonic() + limit if limit else None
        # What is thrown before the journal has its first line is recorded nowhere.
        self._has_begun = False

    def advance(self) -> int:
        """Read the results of the last epoch and launch the next; returns the images trained.

        Raises
        ------
        GaveWay
            When the run does not fit into memory beside the others.
        Exception
            Any failure of the run, which its journal records.
        """
        n_images = 0
        self.ended = True  # unless the run yields below
        if self._has_begun and self._deadline and time.monotonic() > self._deadline:
            cause = time_limit_cause(self.planned.config.runner.time_limit_s)
            self._records.throw(TimedOut(cause))  # type: ignore[attr-defined]
        self._has_begun = True
        for record in self._records:
            if record is None:
                self.ended = False
                break
            n_images += round(record.images_per_s * record.train_s)
        return n_images

    def close(self) -> None:
        """End the run where it is, unless it has ended, and release its lock."""
        self._records.close()  # type: ignore[attr-defined]
        self._lock.close()


class ConcurrencySearch:
    """The number of concurrent runs: as configured, or searched for while they train.

    The search starts with a few runs and doubles their number as long as this increases the images
    trained per second by a tenth.

    Parameters
    ----------
    configured
        `engine.streams`; 0 starts a search.

    Attributes
    ----------
    n_runs
        How many runs should be active now.
    """

    _FIRST, _MOST = 4, 16
    _GAIN = 1.1
    #: A number is judged after so many rounds and seconds. Its first round captures graphs and does
    #: not count.
    _ROUNDS, _SECONDS = 3, 0.5

    def __init__(self, configured: int) -> None:
        self.n_runs = configured or self._FIRST
        self._is_searching = not configured
        self._last_rate = 0.0
        self._begin()

    def _begin(self) -> None:
        self._n_rounds, self._n_images, self._seconds = 0, 0, 0.0

    def record_round(
        self, n_runs: int, n_images: int, seconds: float, room_for: Callable[[], int]
    ) -> None:
        """Record that so many runs were advanced once each, and perhaps change `n_runs`.

        Parameters
        ----------
        n_images, seconds
            Images trained in the round, and the time that it took.
        room_for
            How many more runs fit into the memory of the GPU.
        """
        if not self._is_searching or n_runs != self.n_runs:
            return
        self._n_rounds += 1
        if self._n_rounds == 1:
            return
        self._n_images, self._seconds = self._n_images + n_images, self._seconds + seconds
        if self._n_rounds < self._ROUNDS or self._seconds < self._SECONDS:
            return
        rate = self._n_images / self._seconds
        if self._last_rate and rate < self._GAIN * self._last_rate:
            self.n_runs, self._is_searching = self.n_runs // 2, False
        elif 2 * self.n_runs > self._MOST or room_for() < self.n_runs:
            self._is_searching = False
        else:
            self._last_rate, self.n_runs = rate, 2 * self.n_runs
        self._begin()

    def limit(self, n_runs: int) -> None:
        """End the search: no more than `n_runs` runs fit into the memory of the GPU."""
        self.n_runs, self._is_searching = max(1, n_runs), False
