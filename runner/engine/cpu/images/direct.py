"""3x3 convolution of one-channel images with bias, ReLU and 2x2 max-pool, in one pass and without
im2col.

A pooled pixel is the largest of four convolutions, at the corners (0, 0), (0, 1), (1, 0), (1, 1) of
its window. Together they read 4x4 pixels of the padded image: tap (i, j) of corner (a, b) reads the
pixel (i + a, j + b) of these. `_lay_out` lays the image out such that each of the 16 pixels is one
flat array over the pooled pixels, and the two loops over them below are vectorised.
"""

import numpy as np
from numba import uint64

from runner.engine.cpu.images.pool import CLOSED
from runner.engine.cpu.jit import as_numpy, fused, summing
from runner.engine.cpu.threads.team import share
from runner.engine.device import Array

#: Nanoseconds a pooled pixel of a channel.
_NS = 2.0


def forward(x: Array, W: Array, b: Array, y: Array, winners: Array) -> None:
    """Fill y (n, out channels, pooled pixels), and `winners` with the corner of each value.

    Parameters
    ----------
    x
        (n, 1, height, width).
    W
        (out channels, 1, 3, 3).
    winners
        int8, shape of y: 0 to 3, row-major, the first of equal ones; CLOSED where ReLU gives 0.
    """

    def part(start: int, stop: int) -> None:
        of = slice(start, stop)
        scratch = _scratch(x)
        _forward(x[of, 0], W.reshape(len(W), 9), b, y[of], winners[of], *scratch)

    share(part, len(x), _NS * y[0].size)


def backward(x: Array, gy: Array, winners: Array, gW: Array, gb: Array) -> None:
    """Fill gW (out channels, 1, 3, 3) and gb (out channels,); gy has the shape of `forward`'s y."""
    gW[...] = 0
    gb[...] = 0
    gW_rows = gW.reshape(len(gW), 9)

    def part(start: int, stop: int) -> None:
        _backward(x[:, 0], gy, winners, gW_rows, gb, start, stop, *_scratch(x))

    share(part, len(gb), _NS * gy[:, 0].size)


def _scratch(x: Array) -> tuple[Array, Array]:
    """Room for the rows of a padded image and for their columns; rows outside the image stay 0."""
    n_rows, n_columns = x.shape[2] // 2 + 1, x.shape[3] // 2
    rows = np.zeros((2, n_rows, 2 * n_columns), dtype=x.dtype)
    return rows, np.empty((2, 4, n_rows * n_columns + 2), dtype=x.dtype)


@as_numpy
def _lay_out(image, rows, columns):  # type: ignore[no-untyped-def]
    """Fill `columns`: pixel (u, v) of window p is columns[u % 2, v, 1 + u // 2 * n_columns + p].

    `rows` are the even rows of the padded image, then the odd ones. All of them are split by
    columns in one long loop, because a loop over a row of an image is too short to be fast.
    """
    height, width = image.shape
    n_columns = width // 2
    for r in range(height):
        # The padding is one row high: even rows of the image are odd ones of the padded image.
        row, target = image[r], rows[(r + 1) % 2, (r + 1) // 2]
        for c in range(uint64(2 * n_columns)):
            target[c] = row[c]
    for u in range(2):
        flat, n = rows[u].ravel(), uint64(rows[u].size // 2)
        first, second = columns[u, 0][2:], columns[u, 1][1:]
        third, fourth = columns[u, 2][1:], columns[u, 3]
        # The padding is one column wide: the first pixel of a window is the third of the window
        # before, and the fourth is the second of the window after.
        for p in range(n):
            even, odd = flat[uint64(2) * p], flat[uint64(2) * p + uint64(1)]
            first[p], second[p], third[p], fourth[p] = odd, even, odd, even
        # At the ends of a row these were pixels of other rows.
        for s in range(rows.shape[1]):
            r = 2 * s + u - 1
            columns[u, 0, 1 + s * n_columns] = 0
            is_inside = width % 2 == 1 and 0 <= r < height
            columns[u, 3, (s + 1) * n_columns] = image[r, width - 1] if is_inside else 0


@fused
def _forward(x, W, b, y, winners, rows, columns):  # type: ignore[no-untyped-def]
    zero = y.dtype.type(0)
    one, three, width = uint64(1), uint64(3), uint64(x.shape[2] // 2)
    for n in range(x.shape[0]):
        _lay_out(x[n], rows, columns)
        for c in range(b.size):
            w, y_row, winner_row = W[c], y[n, c], winners[n, c]
            for p in range(uint64(y_row.size)):
                z0 = z1 = z2 = z3 = b[c]
                # The compiler unrolls these loops and vectorises the one over p: 36 operations a
                # vector.
                for i in range(three):
                    upper, upper_p = i & one, one + (i >> one) * width + p
                    lower, lower_p = (i + one) & one, one + ((i + one) >> one) * width + p
                    for j in range(three):
                        tap = w[three * i + j]
                        z0 += tap * columns[upper, j, upper_p]
                        z1 += tap * columns[upper, j + one, upper_p]
                        z2 += tap * columns[lower, j, lower_p]
                        z3 += tap * columns[lower, j + one, lower_p]
                best, corner = z0, np.int8(0)
                corner, best = (np.int8(1), z1) if (z1 > best) | (z1 != z1) else (corner, best)
                corner, best = (np.int8(2), z2) if (z2 > best) | (z2 != z2) else (corner, best)
                corner, best = (np.int8(3), z3) if (z3 > best) | (z3 != z3) else (corner, best)
                closed = best <= zero
                y_row[p] = zero if closed else best
                winner_row[p] = CLOSED if closed else corner


@summing
def _backward(x, gy, winners, gW, gb, first, stop, rows, columns):  # type: ignore[no-untyped-def]
    # The gradients of channels first to stop.
    zero = gy.dtype.type(0)
    one, width = uint64(1), uint64(x.shape[2] // 2)
    for n in range(x.shape[0]):
        _lay_out(x[n], rows, columns)
        for c in range(first, stop):
            g_row, winner_row = gy[n, c], winners[n, c]
            s = s00 = s01 = s02 = s10 = s11 = s12 = s20 = s21 = s22 = zero
            for p in range(uint64(g_row.size)):
                corner = winner_row[p]
                g = g_row[p]
                g = zero if corner == CLOSED else g
                # The 3x3 pixels under the winning corner. All 16 are read, and rows and columns
                # chosen from them: a read at a place that depends on the corner would keep the loop
                # from being vectorised.
                here, below = one + p, one + width + p
                a00, a01 = columns[0, 0, here], columns[0, 1, here]
                a02, a03 = columns[0, 2, here], columns[0, 3, here]
                a10, a11 = columns[1, 0, here], columns[1, 1, here]
                a12, a13 = columns[1, 2, here], columns[1, 3, here]
                a20, a21 = columns[0, 0, below], columns[0, 1, below]
                a22, a23 = columns[0, 2, below], columns[0, 3, below]
                a30, a31 = columns[1, 0, below], columns[1, 1, below]
                a32, a33 = columns[1, 2, below], columns[1, 3, below]
                lower = corner >= 2
                r00, r01 = a10 if lower else a00, a11 if lower else a01
                r02, r03 = a12 if lower else a02, a13 if lower else a03
                r10, r11 = a20 if lower else a10, a21 if lower else a11
                r12, r13 = a22 if lower else a12, a23 if lower else a13
                r20, r21 = a30 if lower else a20, a31 if lower else a21
                r22, r23 = a32 if lower else a22, a33 if lower else a23
                right = (corner == 1) | (corner == 3)
                s += g
                s00 += g * (r01 if right else r00)
                s01 += g * (r02 if right else r01)
                s02 += g * (r03 if right else r02)
                s10 += g * (r11 if right else r10)
                s11 += g * (r12 if right else r11)
                s12 += g * (r13 if right else r12)
                s20 += g * (r21 if right else r20)
                s21 += g * (r22 if right else r21)
                s22 += g * (r23 if right else r22)
            gb[c] += s
            w = gW[c]
            w[0] += s00
            w[1] += s01
            w[2] += s02
            w[3] += s10
            w[4] += s11
            w[5] += s12
            w[6] += s20
            w[7] += s21
            w[8] += s22
