"""3x3 convolution of one-channel images with bias, ReLU and 2x2 max-pool, in one pass and without
im2col.

A pooled pixel is the largest of four convolutions, at the corners (0, 0), (0, 1), (1, 0), (1, 1) of
its window. Together they read 4x4 pixels of the padded image. `_views` lays these out as 16 flat
arrays over the pooled pixels, so that the two loops over pixels below are vectorised: tap (i, j) of
corner (a, b) reads view 4 (i + a) + j + b.
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
        scratch = _scratch(x, y.shape[2])
        _forward(x[of, 0], W.reshape(len(W), 9), b, y[of], winners[of], *scratch)

    share(part, len(x), _NS * y[0].size)


def backward(x: Array, gy: Array, winners: Array, gW: Array, gb: Array) -> None:
    """Fill gW (out channels, 1, 3, 3) and gb (out channels,); gy has the shape of `forward`'s y."""
    gW[...] = 0
    gb[...] = 0
    gW_rows = gW.reshape(len(gW), 9)

    def part(start: int, stop: int) -> None:
        _backward(x[:, 0], gy, winners, gW_rows, gb, start, stop, *_scratch(x, gy.shape[2]))

    share(part, len(gb), _NS * gy[:, 0].size)


def _scratch(x: Array, n_pooled: int) -> tuple[Array, Array]:
    """Room for the four phases of a padded image, with borders of zeros, and for its 16 views."""
    height, width = x.shape[2:]
    phases = np.zeros((2, 2, height // 2 + 2, width // 2 + 2), dtype=x.dtype)
    return phases, np.empty((16, n_pooled), dtype=x.dtype)


@as_numpy
def _views(image, phases, views):  # type: ignore[no-untyped-def]
    height, width = image.shape
    # Pixel (r, c) of the padded image is at phases[r % 2, c % 2, r // 2, c // 2].
    for r in range(uint64(height)):
        row = image[r]
        # The padding is one column wide, so that even columns of the image are odd ones of the
        # padded image.
        odd, even = phases[(r + 1) % 2, 1, (r + 1) // 2], phases[(r + 1) % 2, 0, (r + 1) // 2]
        for c in range(uint64((width + 1) // 2)):
            odd[c] = row[uint64(2) * c]
        for c in range(uint64(width // 2)):
            even[c + uint64(1)] = row[uint64(2) * c + uint64(1)]
    pooled_height, pooled_width = height // 2, width // 2
    for u in range(4):
        for v in range(4):
            phase, view = phases[u % 2, v % 2], views[4 * u + v]
            for i in range(pooled_height):
                source, target = phase[i + u // 2, v // 2 :], view[i * pooled_width :]
                for j in range(uint64(pooled_width)):
                    target[j] = source[j]


@fused
def _forward(x, W, b, y, winners, phases, views):  # type: ignore[no-untyped-def]
    zero = y.dtype.type(0)
    for n in range(x.shape[0]):
        _views(x[n], phases, views)
        for c in range(b.size):
            w, y_row, winner_row = W[c], y[n, c], winners[n, c]
            for p in range(uint64(y_row.size)):
                z0 = z1 = z2 = z3 = b[c]
                # The compiler unrolls these loops and vectorises the one over p: 36 operations a
                # vector.
                for i in range(3):
                    for j in range(3):
                        z0 += w[3 * i + j] * views[4 * i + j, p]
                        z1 += w[3 * i + j] * views[4 * i + j + 1, p]
                        z2 += w[3 * i + j] * views[4 * i + j + 4, p]
                        z3 += w[3 * i + j] * views[4 * i + j + 5, p]
                best, corner = z0, np.int8(0)
                corner, best = (np.int8(1), z1) if (z1 > best) | (z1 != z1) else (corner, best)
                corner, best = (np.int8(2), z2) if (z2 > best) | (z2 != z2) else (corner, best)
                corner, best = (np.int8(3), z3) if (z3 > best) | (z3 != z3) else (corner, best)
                closed = best <= zero
                y_row[p] = zero if closed else best
                winner_row[p] = CLOSED if closed else corner


@summing
def _backward(x, gy, winners, gW, gb, first, stop, phases, views):  # type: ignore[no-untyped-def]
    # The gradients of channels first to stop.
    zero = gy.dtype.type(0)
    for n in range(x.shape[0]):
        _views(x[n], phases, views)
        v00, v01, v02, v03 = views[0], views[1], views[2], views[3]
        v10, v11, v12, v13 = views[4], views[5], views[6], views[7]
        v20, v21, v22, v23 = views[8], views[9], views[10], views[11]
        v30, v31, v32, v33 = views[12], views[13], views[14], views[15]
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
                a00, a01, a02, a03 = v00[p], v01[p], v02[p], v03[p]
                a10, a11, a12, a13 = v10[p], v11[p], v12[p], v13[p]
                a20, a21, a22, a23 = v20[p], v21[p], v22[p], v23[p]
                a30, a31, a32, a33 = v30[p], v31[p], v32[p], v33[p]
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
