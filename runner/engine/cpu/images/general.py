"""Convolution with any kernel, stride and padding, as matrix products (im2col).

It works on as many images at a time as have columns that fit into the processor's cache. The
columns of a whole batch would take a hundred megabytes.
"""

from collections.abc import Iterator

import numpy as np
from numba import uint64

from runner.engine.cpu.jit import as_numpy
from runner.engine.device import Array

#: (vertical, horizontal).
Pair = tuple[int, int]

#: Numbers in the columns of the images that are worked on at a time: 1 MiB of float32, the cache of
#: one core.
_N_NUMBERS = 1 << 18


def product(x: Array, W: Array, stride: Pair, pad: Pair) -> Array:
    """The convolution of x, padded with zeros, with W; no bias.

    Parameters
    ----------
    x
        (n, in channels, height, width).
    W
        (out channels, in channels, kernel height, kernel width).

    Returns
    -------
    ndarray of shape (n, out channels, out height, out width), where an out size is
    (size + 2 pad - kernel) // stride + 1
    """
    shape = len(x), len(W), *_out_size(x, W, stride, pad)
    z = np.empty((*shape[:2], shape[2] * shape[3]), dtype=x.dtype)
    weights = W.reshape(len(W), -1)
    for images, columns in _chunks(x, W, stride, pad):
        np.matmul(weights, columns, out=z[images])
    return z.reshape(shape)


def gradients(
    x: Array, W: Array, gz: Array, gW: Array, want_gx: bool, stride: Pair, pad: Pair
) -> Array | None:
    """Fill gW, given gz, the gradient of `product`; return that of x, or None if unwanted."""
    weights, gradient = W.reshape(len(W), -1), gW.reshape(len(W), -1)
    out_width, gz = gz.shape[3], gz.reshape(len(gz), len(W), -1)
    gx = np.zeros_like(x) if want_gx else None
    gradient[...] = 0
    for images, columns in _chunks(x, W, stride, pad):
        gradient += np.matmul(gz[images], columns.transpose(0, 2, 1)).sum(axis=0)
        if gx is not None:
            np.matmul(weights.T, gz[images], out=columns)
            _add_columns(columns, W.shape[2:], stride, pad, out_width, gx[images])
    return gx


def _out_size(x: Array, W: Array, stride: Pair, pad: Pair) -> Pair:
    height, width = (
        (x.shape[2 + i] + 2 * pad[i] - W.shape[2 + i]) // stride[i] + 1 for i in range(2)
    )
    return height, width


def _chunks(x: Array, W: Array, stride: Pair, pad: Pair) -> Iterator[tuple[slice, Array]]:
    """Slices of images with their columns (images, in channels * kernel size, out pixels)."""
    out_height, out_width = _out_size(x, W, stride, pad)
    n_rows, n_pixels = W[0].size, out_height * out_width
    size = max(1, _N_NUMBERS // (n_rows * n_pixels))
    columns = np.empty((min(size, len(x)), n_rows, n_pixels), dtype=x.dtype)
    for first in range(0, len(x), size):
        images = slice(first, min(first + size, len(x)))
        of_images = columns[: images.stop - first]
        _fill_columns(x[images], W.shape[2:], stride, pad, out_width, of_images)
        yield images, of_images


# Row (c, i, j) of the columns is channel c of an image, shifted by i - pad rows and j - pad pixels.
# With stride 1 and rows that stay as long as they are that is one shift of the flat image, after
# which the pixels that came from a neighbouring row are set to zero. Else it is done row by row.


@as_numpy
def _fill_columns(x, kernel, stride, pad, out_width, columns):  # type: ignore[no-untyped-def]
    n_images, n_channels, height, width = x.shape
    n_pixels = height * width
    images = x.reshape(n_images, n_channels, n_pixels)
    is_a_shift = stride[0] == 1 and stride[1] == 1 and out_width == width
    for n in range(n_images):
        for c in range(n_channels):
            for i in range(kernel[0]):
                for j in range(kernel[1]):
                    column = columns[n, (c * kernel[0] + i) * kernel[1] + j]
                    down, right = i - pad[0], j - pad[1]
                    if is_a_shift:
                        shift = down * width + right
                        first = max(0, -shift)
                        stop = max(0, min(column.size, n_pixels - shift))
                        column[: min(first, column.size)] = 0
                        column[stop:] = 0
                        source, target = images[n, c, max(0, shift) :], column[first:]
                        for p in range(uint64(max(0, stop - first))):
                            target[p] = source[p]
                        _zero_border(column, width, right)
                    else:
                        _take_rows(x[n, c], down, right, stride, out_width, column)


@as_numpy
def _add_columns(columns, kernel, stride, pad, out_width, gx):  # type: ignore[no-untyped-def]
    n_images, n_channels, height, width = gx.shape
    n_pixels = height * width
    images = gx.reshape(n_images, n_channels, n_pixels)
    is_a_shift = stride[0] == 1 and stride[1] == 1 and out_width == width
    for n in range(n_images):
        for c in range(n_channels):
            for i in range(kernel[0]):
                for j in range(kernel[1]):
                    column = columns[n, (c * kernel[0] + i) * kernel[1] + j]
                    down, right = i - pad[0], j - pad[1]
                    if is_a_shift:
                        _zero_border(column, width, right)
                        shift = down * width + right
                        first, stop = max(0, -shift), min(column.size, n_pixels - shift)
                        source, target = column[first:], images[n, c, max(0, shift) :]
                        for p in range(uint64(max(0, stop - first))):
                            target[p] += source[p]
                    else:
                        _add_rows(column, down, right, stride, out_width, gx[n, c])


@as_numpy
def _zero_border(column, width, right):  # type: ignore[no-untyped-def]
    """Zero the pixels of each row that lie outside of the image after a shift by `right` pixels."""
    start, stop = (0, min(-right, width)) if right < 0 else (max(0, width - right), width)
    for row in range(0, column.size, width):
        for s in range(start, stop):
            column[row + s] = 0


@as_numpy
def _take_rows(image, down, right, stride, out_width, column):  # type: ignore[no-untyped-def]
    first, stop = _inside(image.shape[1], right, stride[1], out_width)
    step = uint64(stride[1])
    for out_row in range(column.size // out_width):
        target, row = column[out_row * out_width :][:out_width], out_row * stride[0] + down
        if row < 0 or row >= image.shape[0]:
            target[:] = 0
            continue
        target[:first] = 0
        target[stop:] = 0
        source, inner = image[row, first * stride[1] + right :], target[first:]
        for p in range(uint64(stop - first)):
            inner[p] = source[p * step]


@as_numpy
def _add_rows(column, down, right, stride, out_width, image):  # type: ignore[no-untyped-def]
    first, stop = _inside(image.shape[1], right, stride[1], out_width)
    step = uint64(stride[1])
    for out_row in range(column.size // out_width):
        row = out_row * stride[0] + down
        if row < 0 or row >= image.shape[0]:
            continue
        source = column[out_row * out_width + first :]
        target = image[row, first * stride[1] + right :]
        for p in range(uint64(stop - first)):
            target[p * step] += source[p]


@as_numpy
def _inside(width, right, step, out_width):  # type: ignore[no-untyped-def]
    """First and stop of the p in range(out_width) for which p * step + right is in the image."""
    first = min(out_width, max(0, -(right // step)))
    return first, max(first, min(out_width, (width - 1 - right) // step + 1))
