"""Matrix products by several threads, each of which has NumPy's BLAS compute a part of the result.

A BLAS may round a product otherwise where it has fewer rows or columns, since other loops compute
it then. So for each shape both ways to split it are compared with the product itself, bit for bit,
and the fastest of those that are equal is kept.
"""

import time
from collections.abc import Callable

import numpy as np

from runner.engine.cpu.threads import team
from runner.engine.device import Array

#: Computes a @ b into an array.
_Way = Callable[[Array, Array, Array], None]

#: Floating-point operations a nanosecond, about, of one thread.
_RATE = 100.0
#: How often each way is timed.
_N_TIMED = 3

#: The way of each product that is worth a thread, by shapes, orders and number of threads.
_ways: dict[tuple[object, ...], _Way] = {}


def dot(a: Array, b: Array, out: Array | None = None) -> Array:
    """`np.dot(a, b, out)` of two matrices; `out` is in C order."""
    ns = 2.0 * a.shape[0] * a.shape[1] * b.shape[1] / _RATE
    if team.size() == 1 or ns < 2 * team.LEAST_NS:
        return np.dot(a, b, out=out)
    if out is None:
        out = np.empty((len(a), b.shape[1]), dtype=a.dtype)
    of = team.size(), a.dtype, a.shape, b.shape, a.flags.c_contiguous, b.flags.c_contiguous
    way = _ways.get(of)
    if way is None:
        way = _ways[of] = _best(a, b)
    way(a, b, out)
    return out


def _best(a: Array, b: Array) -> _Way:
    """The fastest way to the very bits of `np.dot`."""
    expected, out = np.dot(a, b), np.empty((len(a), b.shape[1]), dtype=a.dtype)
    seconds = {}
    for way in (_alone, _by_rows, _by_columns):
        out.fill(np.nan)
        way(a, b, out)
        if out.tobytes() == expected.tobytes():
            seconds[way] = min(_timed(way, a, b, out) for _ in range(_N_TIMED))
    return min(seconds, key=lambda way: seconds[way])


def _timed(way: _Way, a: Array, b: Array, out: Array) -> float:
    began = time.perf_counter()
    way(a, b, out)
    return time.perf_counter() - began


def _alone(a: Array, b: Array, out: Array) -> None:
    np.dot(a, b, out=out)


def _by_rows(a: Array, b: Array, out: Array) -> None:
    def part(start: int, stop: int) -> None:
        np.dot(a[start:stop], b, out=out[start:stop])

    team.share(part, len(a), team.LEAST_NS)


def _by_columns(a: Array, b: Array, out: Array) -> None:
    def part(start: int, stop: int) -> None:
        np.matmul(a, b[:, start:stop], out=out[:, start:stop])

    team.share(part, b.shape[1], team.LEAST_NS, block=16)
