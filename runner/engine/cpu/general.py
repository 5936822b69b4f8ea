"""Convolution with any odd kernel size and any number of channels, as matrix products (im2col).

It works on as many images at a time as have columns that fit into the processor's cache. The
columns of a whole batch would take a hundred megabytes.
"""

from collections.abc import Iterator

import numpy as np
from numba import uint64

from runner.engine.cpu.jit import as_numpy
from runner.engine.device import Array

#: Numbers in the columns of the images that are worked on at a time: 1 MiB of float32, the cache of
#: one core.
_N_NUMBERS = 1 << 18


def product(x: Array, W: Array) -> Array:
    """The convolution of x with W, stride 1, padded so that the images keep their size; no bias.

    Parameters
    ----------
    x
        (n, in channels, height, width).
    W
        (out channels, in channels, k, k), k odd.

    Returns
    -------
    ndarray of shape (n, out channels, height, width)
    """
    n_images, _, height, width = x.shape
    z = np.empty((n_images, len(W), height * width), dtype=x.dtype)
    weights = W.reshape(len(W), -1)
    for images, columns in _chunks(x, W):
        np.matmul(weights, columns, out=z[images])
    return z.reshape(n_images, len(W), height, width)


def gradients(x: Array, W: Array, gz: Array, gW: Array, want_gx: bool) -> Array | None:
    """Fill gW, given gz, the gradient of `product(x, W)`; return that of x, or None if unwanted."""
    weights, gradient = W.reshape(len(W), -1), gW.reshape(len(W), -1)
    gz = gz.reshape(len(gz), len(W), -1)
    gx = np.zeros_like(x) if want_gx else None
    gradient[...] = 0
    for images, columns in _chunks(x, W):
        gradient += np.matmul(gz[images], columns.transpose(0, 2, 1)).sum(axis=0)
        if gx is not None:
            np.matmul(weights.T, gz[images], out=columns)
            _add_columns(columns, W.shape[2], gx[images])
    return gx


def _chunks(x: Array, W: Array) -> Iterator[tuple[slice, Array]]:
    """Slices of images with their columns (images, in channels * k * k, height * width)."""
    n_rows, n_pixels = W[0].size, x.shape[2] * x.shape[3]
    size = max(1, _N_NUMBERS // (n_rows * n_pixels))
    columns = np.empty((min(size, len(x)), n_rows, n_pixels), dtype=x.dtype)
    for first in range(0, len(x), size):
        images = slice(first, min(first + size, len(x)))
        of_images = columns[: images.stop - first]
        _fill_columns(x[images], W.shape[2], of_images)
        yield images, of_images


# Row (c, i, j) of the columns is channel c of an image, shifted by i - k // 2 rows and j - k // 2
# pixels. On the flat image that is one shift, after which the pixels that came from a neighbouring
# row are set to zero.


@as_numpy
def _fill_columns(x, k, columns):  # type: ignore[no-untyped-def]
    n_images, n_channels, height, width = x.shape
    n_pixels = height * width
    images = x.reshape(n_images, n_channels, n_pixels)
    for n in range(n_images):
        for c in range(n_channels):
            for i in range(k):
                for j in range(k):
                    column = columns[n, (c * k + i) * k + j]
                    shift = (i - k // 2) * width + j - k // 2
                    first, stop = max(0, -shift), max(0, min(n_pixels, n_pixels - shift))
                    column[: min(first, n_pixels)] = 0
                    column[stop:] = 0
                    source, target = images[n, c, max(0, shift) :], column[first:]
                    for p in range(uint64(max(0, stop - first))):
                        target[p] = source[p]
                    _zero_border(column, width, j - k // 2)


@as_numpy
def _add_columns(columns, k, gx):  # type: ignore[no-untyped-def]
    n_images, n_channels, height, width = gx.shape
    n_pixels = height * width
    images = gx.reshape(n_images, n_channels, n_pixels)
    for n in range(n_images):
        for c in range(n_channels):
            for i in range(k):
                for j in range(k):
                    column = columns[n, (c * k + i) * k + j]
                    _zero_border(column, width, j - k // 2)
                    shift = (i - k // 2) * width + j - k // 2
                    first, stop = max(0, -shift), min(n_pixels, n_pixels - shift)
                    source, target = column[first:], images[n, c, max(0, shift) :]
                    for p in range(uint64(max(0, stop - first))):
                        target[p] += source[p]


@as_numpy
def _zero_border(column, width, right):  # type: ignore[no-untyped-def]
    """Zero the pixels of each row that lie outside of the image after a shift by `right` pixels."""
    start, stop = (0, min(-right, width)) if right < 0 else (max(0, width - right), width)
    for row in range(0, column.size, width):
        for s in range(start, stop):
            column[row + s] = 0
