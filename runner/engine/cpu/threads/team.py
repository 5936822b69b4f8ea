"""Threads that share the work of a kernel.

Work is split by what it computes, never within a sum: each number comes from the same operations in
the same order, and has the bits that one thread would give it.
"""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np

#: Does its part, from a start to a stop, of what is to be done.
Work = Callable[[int, int], None]

#: The least work of a thread, in nanoseconds: to wake one takes up to 60 µs.
LEAST_NS = 100_000.0
#: How much work is looked at, and how much one thread then does alone, the first time and at most.
_N_LOOKED, _N_ALONE, _N_ALONE_MOST = 32, 1_000, 64_000
#: Elements of an array that are taken together: as many as several vector registers have, so that
#: the end of an array is computed as it is by one thread.
BLOCK = 64


class _Helper(threading.Thread):
    """A thread that does one piece of work at a time."""

    def __init__(self) -> None:
        super().__init__(name="kernels", daemon=True)
        self._begun, self._ended = threading.Lock(), threading.Lock()
        self._begun.acquire()
        self._ended.acquire()
        self._part: tuple[Work, int, int] | None = None
        self._error: BaseException | None = None
        self.start()

    def begin(self, work: Work, start: int, stop: int) -> None:
        self._part = work, start, stop
        self._begun.release()

    def end(self) -> BaseException | None:
        """Wait for the end of what was begun; what it raised."""
        self._ended.acquire()
        self._part, error, self._error = None, self._error, None
        return error

    def run(self) -> None:
        # As for the thread that trains (worker.py): a loss that overflows ends its run.
        with np.errstate(all="ignore"):
            while True:
                self._begun.acquire()
                assert self._part
                work, start, stop = self._part
                try:
                    work(start, stop)
                except BaseException as error:
                    self._error = error
                del work
                self._ended.release()


class _Processors:
    """Each thread has a processor of its own, where they have all that this process may use.

    Linux often leaves a thread on the processor of the one that woke it, to wait there while
    another processor idles: the threads of a step then take turns.
    """

    def __init__(self, n_threads: int) -> None:
        self._allowed: set[int] = set()
        if not hasattr(os, "sched_setaffinity"):  # on macOS
            return
        allowed = os.sched_getaffinity(0)
        if 1 < n_threads == len(allowed):
            self._allowed = allowed
            first, *others = sorted(allowed)
            self._bind([{first}, *({processor} for processor in others)])

    def give_back(self) -> None:
        """Have Linux decide again where each thread is."""
        self._bind([self._allowed] * len(self._allowed))
        self._allowed = set()

    def _bind(self, to: list[set[int]]) -> None:
        # 0 is the thread that calls.
        threads = (0, *(helper.native_id or 0 for helper in _helpers))
        for thread, processors in zip(threads, to, strict=False):
            os.sched_setaffinity(thread, processors)


class _Gain:
    """Whether threads gain anything: where others use the processors, each waits for its turn.

    After some work in parts that took longer than one thread would have, one thread does what
    follows, for a while that doubles each time, on whichever processor is free.
    """

    def __init__(self, processors: _Processors) -> None:
        self.processors = processors
        self._n_alone, self._n_left = _N_ALONE, 0
        self._n, self._spent_s, self._alone_s = 0, 0.0, 0.0

    def is_there(self) -> bool:
        """Whether the next work is to be done in parts."""
        self._n_left = max(0, self._n_left - 1)
        return self._n_left == 0

    def note(self, spent_s: float, alone_s: float) -> None:
        """Note how long a work took in parts, and would have taken one thread."""
        self._n += 1
        self._spent_s += spent_s
        self._alone_s += alone_s
        if self._n == _N_LOOKED:
            if self._spent_s > self._alone_s:
                self.processors.give_back()
                self._n_left = self._n_alone
                self._n_alone = min(2 * self._n_alone, _N_ALONE_MOST)
            else:
                self._n_alone = _N_ALONE
            self._n, self._spent_s, self._alone_s = 0, 0.0, 0.0


_helpers: list[_Helper] = []
_n_threads = 1
_gain = _Gain(_Processors(1))


@contextlib.contextmanager
def of(n_threads: int) -> Iterator[None]:
    """So many threads, with the one that enters the block, share the work in it."""
    global _n_threads, _gain
    _helpers.extend(_Helper() for _ in range(n_threads - 1 - len(_helpers)))
    _n_threads, _gain = n_threads, _Gain(_Processors(n_threads))
    try:
        yield
    finally:
        _gain.processors.give_back()
        _n_threads = 1


def size() -> int:
    """How many threads share the work."""
    return _n_threads


def parts(n: int, ns: float, block: int = 1) -> int:
    """In how many parts `share` would do range(n) now; 1 where that is not worth it."""
    n_parts = min(_n_threads, n // block, int(n * ns / LEAST_NS))
    return n_parts if n_parts > 1 and _gain.is_there() else 1


def share(work: Work, n: int, ns: float, block: int = 1) -> None:
    """Do all of range(n), in parts and at once where that is worth it.

    Parameters
    ----------
    work
        Releases the GIL for most of its time. Each part has outputs of its own.
    ns
        About how many nanoseconds one item takes.
    block
        Parts begin at multiples of it.
    """
    run(work, n, parts(n, ns, block), block)


def stops(n: int, n_parts: int, block: int) -> list[int]:
    """Where the parts of range(n) end."""
    return [n * part // n_parts // block * block for part in range(1, n_parts)] + [n]


def run(work: Work, n: int, n_parts: int, block: int = 1) -> None:
    """Do all of range(n) in so many parts, one of them in this thread."""
    if n_parts == 1:
        work(0, n)
        return
    ends = stops(n, n_parts, block)
    begun, began = [], time.perf_counter()
    try:
        for helper, start, stop in zip(_helpers, ends, ends[1:], strict=False):
            helper.begin(work, start, stop)
            begun.append(helper)
        work(0, ends[0])
        own_s = time.perf_counter() - began
    finally:
        errors = [helper.end() for helper in begun]
    for error in filter(None, errors):
        raise error
    _gain.note(time.perf_counter() - began, own_s * n / ends[0])
