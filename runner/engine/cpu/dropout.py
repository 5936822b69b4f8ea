"""Dropout of any array by the run's masks."""

import numpy as np
from numba import uint64

from runner.engine.cpu import philox
from runner.engine.cpu.jit import as_numpy
from runner.engine.cpu.threads.team import share
from runner.engine.device import Array
from runner.seeding import Draw

#: Nanoseconds a unit.
_NS = 2.0


def dropout(x: Array, draw: Draw) -> Array:
    """x (n, ...) where it is kept, divided by the kept share; else 0.

    A unit is an element of a row. The gradient of x is `dropout(gy, draw)`.
    """
    rows = x.reshape(len(x), -1)
    y = np.empty_like(rows)
    counter = (np.uint64(draw.time), np.uint64(draw.layer), np.uint64(draw.purpose))
    key = (np.uint64(draw.key[0]), np.uint64(draw.key[1]))
    rule = np.uint32(draw.threshold), x.dtype.type(draw.kept)

    def part(start: int, stop: int) -> None:
        words = np.empty(rows.shape[1] + 8, dtype=np.uint32)
        first = np.uint64(draw.first_row + start)
        _dropout(rows[start:stop], y[start:stop], words, *rule, first, counter, key)

    share(part, len(rows), _NS * rows.shape[1])
    return y.reshape(x.shape)


@as_numpy
def _dropout(x, y, words, threshold, kept, first_row, counter, key):  # type: ignore[no-untyped-def]
    zero = x.dtype.type(0)
    n_units = uint64(x.shape[1])
    four = uint64(4)
    for n in range(uint64(x.shape[0])):
        x_row, y_row = x[n], y[n]
        # As in activation.py: unit j is word (first + j) % 4 of counter (first + j) // 4.
        first = (first_row + n) * n_units
        philox.fill(words, first // four, counter[0], counter[1], counter[2], key[0], key[1])
        word = words[first % four :]
        for j in range(n_units):
            # A product, as in DeZero: the 0 of a negative number is -0, that of a NaN is NaN.
            y_row[j] = x_row[j] / kept if word[j] >= threshold else x_row[j] * zero
