"""Bias, ReLU and 2x2 max-pool of a convolution's product in one pass, and their gradients.

NaN (`z != z`) wins its window, as in DeZero: a maximum that passed over it would hide it.
"""

import numpy as np
from numba import uint64

from runner.engine.cpu.jit import as_numpy
from runner.engine.cpu.threads.team import share
from runner.engine.device import Array

#: Stands in the place of a winning corner where ReLU gives 0 and no gradient passes.
CLOSED = np.int8(4)
#: Nanoseconds a pooled pixel.
_NS = 2.0


def bias_relu_pool(z: Array, b: Array, y: Array, winners: Array) -> None:
    """Fill y = max-pool(relu(z + b)), and `winners` with the corner that each value came from.

    Parameters
    ----------
    z
        (n, channels, height, width).
    y, winners
        (n, channels, height // 2 * (width // 2)). Winners are int8: 0 to 3 in row-major order, the
        first of equal ones, or CLOSED.
    """

    def part(start: int, stop: int) -> None:
        _bias_relu_pool(z[start:stop], b, y[start:stop], winners[start:stop])

    share(part, len(z), _NS * y[0].size)


def gradients(gy: Array, winners: Array, gz: Array, gb: Array) -> None:
    """Fill gb, and gz (n, channels, height, width).

    The gradient of a pooled value goes to its winning corner.
    """
    share(
        lambda *channels: _gradients(gy, winners, gz, gb, *channels), len(gb), _NS * gy[:, 0].size
    )


@as_numpy
def _bias_relu_pool(z, b, y, winners):  # type: ignore[no-untyped-def]
    zero = z.dtype.type(0)
    n_images, n_channels, height, width = z.shape
    pooled_width = width // 2
    for n in range(n_images):
        for c in range(n_channels):
            for i in range(height // 2):
                upper, lower = z[n, c, 2 * i], z[n, c, 2 * i + 1]
                y_row = y[n, c, i * pooled_width : (i + 1) * pooled_width]
                winner_row = winners[n, c, i * pooled_width : (i + 1) * pooled_width]
                for j in range(uint64(pooled_width)):
                    left, right = uint64(2) * j, uint64(2) * j + uint64(1)
                    z1, z2, z3 = upper[right], lower[left], lower[right]
                    best, corner = upper[left], np.int8(0)
                    corner, best = (np.int8(1), z1) if (z1 > best) | (z1 != z1) else (corner, best)
                    corner, best = (np.int8(2), z2) if (z2 > best) | (z2 != z2) else (corner, best)
                    corner, best = (np.int8(3), z3) if (z3 > best) | (z3 != z3) else (corner, best)
                    best += b[c]
                    closed = best <= zero
                    y_row[j] = zero if closed else best
                    winner_row[j] = CLOSED if closed else corner


@as_numpy
def _gradients(gy, winners, gz, gb, first, stop):  # type: ignore[no-untyped-def]
    # Channels first to stop.
    gz[:, first:stop] = 0
    gb[first:stop] = 0
    pooled_width = gz.shape[3] // 2
    for n in range(gz.shape[0]):
        for c in range(first, stop):
            for p in range(gy.shape[2]):
                corner = winners[n, c, p]
                if corner != CLOSED:
                    g = gy[n, c, p]
                    gz[
                        n,
                        c,
                        2 * (p // pooled_width) + corner // 2,
                        2 * (p % pooled_width) + corner % 2,
                    ] = g
                    gb[c] += g
