"""Max-pool and average pool with any window, stride and padding.

Padding is zeros, and they count, as in DeZero: a maximum of negative numbers at the border is 0.
"""

from typing import Any

import numpy as np
from numba import uint64

from runner.engine.cpu.images.general import Pair
from runner.engine.cpu.jit import as_numpy
from runner.engine.cpu.threads.team import share
from runner.engine.device import Array

#: The size of the windows that have kernels of their own.
_TWO = (2, 2)


def is_by_two(kernel: Pair, stride: Pair, pad: Pair) -> bool:
    """Whether windows are 2x2 and do not overlap: most are."""
    return kernel == stride == _TWO and pad == (0, 0)


def max_pool(x: Array, kernel: Pair, stride: Pair, pad: Pair) -> tuple[Array, Array]:
    """The largest number of each window of x (n, channels, height, width), and its pixel.

    Returns
    -------
    tuple of y (n, channels, out height, out width) and winners, int32 of that shape: the first of
    the largest pixels, as an index into the flat padded image; NaN wins, as in DeZero.
    """
    y = np.empty(_shape(x, kernel, stride, pad), dtype=x.dtype)
    winners = np.empty(y.shape, dtype=np.int32)
    height, width = _padded(x.shape, pad)

    def part(start: int, stop: int) -> None:
        if is_by_two(kernel, stride, pad):
            _max_pool_by_two(x[start:stop], y[start:stop], winners[start:stop])
            return
        phases = np.zeros((stride[1], height, -(-width // stride[1])), dtype=x.dtype)
        of = slice(start, stop)
        _max_pool(x[of], kernel, stride, pad, np.int32(width), phases, y[of], winners[of])

    share(part, len(x), _ns(y, kernel))
    return y, winners


def max_pool_gradient(gy: Array, winners: Array, shape: tuple[int, ...], pad: Pair) -> Array:
    """The gradient of x, which has this shape."""
    return _pixels_gradient(_max_pool_gradient, shape, pad, gy, winners)


def relu_max_pool(z: Array, b: Array) -> tuple[Array, Array]:
    """`max_pool` of relu(z + b), b (channels,), by 2x2 windows that do not overlap."""
    y = np.empty(_shape(z, _TWO, _TWO, (0, 0)), dtype=z.dtype)
    winners = np.empty(y.shape, dtype=np.int32)

    def part(start: int, stop: int) -> None:
        _relu_max_pool_by_two(z[start:stop], b, y[start:stop], winners[start:stop])

    share(part, len(z), _ns(y, _TWO))
    return y, winners


def relu_max_pool_gradient(
    gy: Array, winners: Array, y: Array, shape: tuple[int, ...], pad: Pair
) -> Array:
    """The gradient of z + b, which has this shape, given y of `relu_max_pool`."""
    return _pixels_gradient(_relu_max_pool_gradient, shape, pad, gy, winners, y)


def _pixels_gradient(kernel: Any, shape: tuple[int, ...], pad: Pair, *arrays: Array) -> Array:
    """The gradient of images of this shape, which a kernel adds up from arrays over the windows."""
    height, width = _padded(shape, pad)
    padded = np.zeros((*shape[:2], height * width), dtype=arrays[0].dtype)
    flat = [array.reshape(*array.shape[:2], -1) for array in arrays]

    def part(start: int, stop: int) -> None:
        kernel(*(array[start:stop] for array in flat), padded[start:stop])

    share(part, len(padded), _ns(arrays[0], (1, 1)))
    images = padded.reshape(*shape[:2], height, width)
    return images[:, :, pad[0] : height - pad[0], pad[1] : width - pad[1]]


def average_pool(x: Array, kernel: Pair, stride: Pair, pad: Pair) -> Array:
    """The mean of each window of x, (n, channels, out height, out width)."""
    y = np.empty(_shape(x, kernel, stride, pad), dtype=x.dtype)

    def part(start: int, stop: int) -> None:
        _average_pool(x[start:stop], kernel, stride, pad, y[start:stop])

    share(part, len(x), _ns(y, kernel))
    return y


def average_pool_gradient(
    gy: Array, shape: tuple[int, ...], kernel: Pair, stride: Pair, pad: Pair
) -> Array:
    """The gradient of x, which has this shape."""
    gx = np.zeros(shape, dtype=gy.dtype)

    def part(start: int, stop: int) -> None:
        _average_pool_gradient(gy[start:stop], kernel, stride, pad, gx[start:stop])

    share(part, len(gy), _ns(gy, kernel))
    return gx


def _shape(x: Array, kernel: Pair, stride: Pair, pad: Pair) -> tuple[int, ...]:
    sizes = ((x.shape[2 + i] + 2 * pad[i] - kernel[i]) // stride[i] + 1 for i in range(2))
    return (*x.shape[:2], *sizes)


def _ns(y: Array, kernel: Pair) -> float:
    """About how many nanoseconds the windows of an image take."""
    return float(y[0].size * kernel[0] * kernel[1])


def _padded(shape: tuple[int, ...], pad: Pair) -> Pair:
    return shape[2] + 2 * pad[0], shape[3] + 2 * pad[1]


# Column c of the padded image is at column c // stride of phase c % stride: what one tap of the
# windows of a row reads lies side by side, and the loop over the windows is vectorised.


@as_numpy
def _max_pool(x, kernel, stride, pad, padded_width, phases, y, winners):  # type: ignore[no-untyped-def]
    n_images, n_channels, height, width = x.shape
    step = np.int32(stride[1])
    for n in range(n_images):
        for c in range(n_channels):
            for q in range(stride[1]):
                # The first column of the image that belongs to this phase.
                first = (q - pad[1]) % stride[1]
                for i in range(height):
                    source = x[n, c, i, first:]
                    target = phases[q, i + pad[0], (first + pad[1]) // stride[1] :]
                    for k in range(uint64((source.size + stride[1] - 1) // stride[1])):
                        target[k] = source[k * uint64(stride[1])]
            for row in range(y.shape[2]):
                best, winner = y[n, c, row], winners[n, c, row]
                for i in range(kernel[0]):
                    top = row * stride[0] + i
                    for j in range(kernel[1]):
                        source = phases[j % stride[1], top, j // stride[1] :]
                        pixel = np.int32(top * padded_width + j)
                        is_first = i == 0 and j == 0
                        for k in range(uint64(best.size)):
                            z, b = source[k], best[k]
                            wins = is_first | (z > b) | ((z != z) & (b == b))
                            best[k] = z if wins else b
                            winner[k] = pixel + np.int32(k) * step if wins else winner[k]


@as_numpy
def _largest(z0, z1, z2, z3, width):  # type: ignore[no-untyped-def]
    """The largest of 2x2 pixels and how far it is from the first; the first one of equal ones."""
    best, steps = z0, np.int32(0)
    wins = (z1 > best) | ((z1 != z1) & (best == best))
    best, steps = (z1, np.int32(1)) if wins else (best, steps)
    wins = (z2 > best) | ((z2 != z2) & (best == best))
    best, steps = (z2, width) if wins else (best, steps)
    wins = (z3 > best) | ((z3 != z3) & (best == best))
    best, steps = (z3, width + np.int32(1)) if wins else (best, steps)
    return best, steps


@as_numpy
def _max_pool_by_two(x, y, winners):  # type: ignore[no-untyped-def]
    """`_max_pool` of windows that are 2x2 and do not overlap, in one pass."""
    width = np.int32(x.shape[3])
    for n in range(x.shape[0]):
        for c in range(x.shape[1]):
            for row in range(y.shape[2]):
                upper, lower = x[n, c, 2 * row], x[n, c, 2 * row + 1]
                best, winner, first = y[n, c, row], winners[n, c, row], np.int32(2 * row) * width
                for k in range(uint64(best.size)):
                    left, right = uint64(2) * k, uint64(2) * k + uint64(1)
                    z, steps = _largest(upper[left], upper[right], lower[left], lower[right], width)
                    best[k] = z
                    winner[k] = first + np.int32(left) + steps


@as_numpy
def _relu_max_pool_by_two(z, b, y, winners):  # type: ignore[no-untyped-def]
    width, zero = np.int32(z.shape[3]), z.dtype.type(0)
    for n in range(z.shape[0]):
        for c in range(z.shape[1]):
            bias = b[c]
            for row in range(y.shape[2]):
                upper, lower = z[n, c, 2 * row], z[n, c, 2 * row + 1]
                best, winner, first = y[n, c, row], winners[n, c, row], np.int32(2 * row) * width
                for k in range(uint64(best.size)):
                    left, right = uint64(2) * k, uint64(2) * k + uint64(1)
                    # The bias comes first: numbers that differ may be equal with it.
                    x, steps = _largest(
                        upper[left] + bias, upper[right] + bias,
                        lower[left] + bias, lower[right] + bias, width,
                    )  # fmt: skip
                    best[k] = zero if x <= zero else x
                    winner[k] = first + np.int32(left) + steps


@as_numpy
def _max_pool_gradient(gy, winners, gx):  # type: ignore[no-untyped-def]
    for n in range(gy.shape[0]):
        for c in range(gy.shape[1]):
            g_image, winner_image, gx_image = gy[n, c], winners[n, c], gx[n, c]
            for p in range(uint64(g_image.size)):
                gx_image[uint64(winner_image[p])] += g_image[p]


@as_numpy
def _relu_max_pool_gradient(gy, winners, y, gx):  # type: ignore[no-untyped-def]
    zero = y.dtype.type(0)
    for n in range(gy.shape[0]):
        for c in range(gy.shape[1]):
            g_image, winner_image, y_image, gx_image = gy[n, c], winners[n, c], y[n, c], gx[n, c]
            for p in range(uint64(g_image.size)):
                if y_image[p] > zero:
                    gx_image[uint64(winner_image[p])] += g_image[p]


@as_numpy
def _average_pool(x, kernel, stride, pad, y):  # type: ignore[no-untyped-def]
    n_images, n_channels, height, width = x.shape
    size = x.dtype.type(kernel[0] * kernel[1])
    for n in range(n_images):
        for c in range(n_channels):
            image = x[n, c]
            for row in range(y.shape[2]):
                top = row * stride[0] - pad[0]
                for column in range(y.shape[3]):
                    left = column * stride[1] - pad[1]
                    total = x.dtype.type(0)
                    for i in range(max(0, top), min(height, top + kernel[0])):
                        for j in range(max(0, left), min(width, left + kernel[1])):
                            total += image[i, j]
                    y[n, c, row, column] = total / size


@as_numpy
def _average_pool_gradient(gy, kernel, stride, pad, gx):  # type: ignore[no-untyped-def]
    n_images, n_channels, height, width = gx.shape
    size = gy.dtype.type(kernel[0] * kernel[1])
    for n in range(n_images):
        for c in range(n_channels):
            image = gx[n, c]
            for row in range(gy.shape[2]):
                top = row * stride[0] - pad[0]
                for column in range(gy.shape[3]):
                    left = column * stride[1] - pad[1]
                    g = gy[n, c, row, column] / size
                    for i in range(max(0, top), min(height, top + kernel[0])):
                        for j in range(max(0, left), min(width, left + kernel[1])):
                            image[i, j] += g
