"""Matrix products by several threads, each of which has NumPy's BLAS compute a part of the result.

A BLAS may round a product otherwise where it has fewer rows or columns, since other loops compute
it then. So for each shape the parts are first compared with the product itself, bit for bit.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from runner.engine.cpu.threads import team
from runner.engine.device import Array

#: Computes rows, or columns, start to stop of a @ b into an array of their shape.
_Part = Callable[[Array, Array, Array, int, int], None]

#: Floating-point operations a nanosecond, about, of one thread.
_RATE = 100.0
#: What the first row of a part is a multiple of, and the first column. A BLAS computes so many rows
#: at once, and what is left at the end by other loops, which round otherwise: OpenBLAS takes 12
#: rows where there is no AVX-512, and 4 where there is. So the last part ends as the product does.
_BLOCKS = (12, 16)

#: By what each product that is worth a thread is split, by shapes, orders and number of parts: its
#: rows, its columns, or neither.
_axes: dict[tuple[Any, ...], int | None] = {}


def dot(a: Array, b: Array, out: Array | None = None) -> Array:
    """`np.dot(a, b, out)` of two matrices; `out` is in C order."""
    ns = 2.0 * a.shape[0] * a.shape[1] * b.shape[1] / _RATE
    n_parts = team.parts(team.size(), ns / team.size())
    if n_parts == 1:
        return np.dot(a, b, out=out)
    of = n_parts, a.dtype, a.shape, b.shape, a.flags.c_contiguous, b.flags.c_contiguous
    if of not in _axes:
        result = np.dot(a, b, out=out)
        if shows_rounding(result):
            _axes[of] = _axis(a, b, result, n_parts)
        return result
    axis = _axes[of]
    if axis is None:
        return np.dot(a, b, out=out)
    result = np.empty((len(a), b.shape[1]), dtype=a.dtype) if out is None else out

    def part(start: int, stop: int) -> None:
        _PARTS[axis](a, b, _of(result, axis, start, stop), start, stop)

    team.run(part, result.shape[axis], *_split(result, axis, n_parts))
    return result


def shows_rounding(result: Array) -> bool:
    """Whether another way of computing a product can be told by its bits from this one.

    A sum of zeros is rounded by nobody.
    """
    return bool(2 * np.count_nonzero(result) > result.size)


def undivided() -> list[str]:
    """The products of this process that parts would round otherwise: `100x1000 by 1000x10`."""
    shapes = [(of[2], of[3]) for of, axis in _axes.items() if axis is None]
    return [f"{a[0]}x{a[1]} by {b[0]}x{b[1]}" for a, b in dict.fromkeys(shapes)]


def _axis(a: Array, b: Array, expected: Array, n_parts: int) -> int | None:
    """The first axis by which a product can be split with the bits that are expected."""
    # The BLAS packs the matrix that is not split once for each part: the smaller one, mostly.
    for axis in (1, 0) if a.flags.c_contiguous else (0, 1):
        n, (k, block) = expected.shape[axis], _split(expected, axis, n_parts)
        stops = team.stops(n, k, block)
        if k > 1 and all(
            _has_bits(a, b, _of(expected, axis, start, stop), axis, start, stop)
            for start, stop in zip([0, *stops], stops, strict=False)
        ):
            return axis
    return None


def _has_bits(a: Array, b: Array, expected: Array, axis: int, start: int, stop: int) -> bool:
    """Whether a part has the bits that are expected."""
    found = np.empty(expected.shape, dtype=expected.dtype)
    _PARTS[axis](a, b, found, start, stop)
    as_bits = f"u{expected.itemsize}"
    # Row by row: a large product is not kept a third time.
    return all(map(np.array_equal, found.view(as_bits), expected.view(as_bits)))


def _split(result: Array, axis: int, n_parts: int) -> tuple[int, int]:
    """The number of parts of an axis, and what they begin at multiples of."""
    block = _BLOCKS[axis]
    return max(1, min(n_parts, result.shape[axis] // block)), block


def _of(result: Array, axis: int, start: int, stop: int) -> Array:
    return result[:, start:stop] if axis else result[start:stop]


def _rows(a: Array, b: Array, out: Array, start: int, stop: int) -> None:
    np.dot(a[start:stop], b, out=out)


def _columns(a: Array, b: Array, out: Array, start: int, stop: int) -> None:
    # `np.dot` writes into arrays in C order alone.
    np.matmul(a, b[:, start:stop], out=out)


_PARTS: tuple[_Part, _Part] = (_rows, _columns)
