"""Convolution of any odd kernel and any number of channels as matrix products, a few images at a time.

The columns of a few images fit into the processor's cache; those of a whole batch are a hundred megabytes.
"""

from typing import Any

import numpy as np
from numba import uint64

from runner.engine.cpu.jit import as_numpy

#: Numbers in the columns that are worked on at a time: 1 MiB of float32, what one core's cache holds.
_N_NUMBERS = 1 << 18


def product(x: Any, W: Any) -> Any:
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


def gradients(x: Any, W: Any, gz: Any, gW: Any, want_gx: bool) -> Any:
    """Fill gW for gz, the gradient of `product(x, W)`; return that of x, or None when nobody wants it."""
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


def _chunks(x: Any, W: Any) -> Any:
    """(slice, columns) of a few images at a time; columns (images, in channels * k * k, height * width)."""
    n_rows, n_pixels = W[0].size, x.shape[2] * x.shape[3]
    size = max(1, _N_NUMBERS // (n_rows * n_pixels))
    columns = np.empty((min(size, len(x)), n_rows, n_pixels), dtype=x.dtype)
    for first in range(0, len(x), size):
        images = slice(first, min(first + size, len(x)))
        some = columns[: images.stop - first]
        _fill_columns(x[images], W.shape[2], some)
        yield images, some


@as_numpy
def _fill_columns(x, k, columns):  # type: ignore[no-untyped-def]
    n_images, n_channels, height, width = x.shape
    columns[:] = 0
    for n in range(n_images):
        for c in range(n_channels):
            for i in range(k):
                for j in range(k):
                    column = columns[n, (c * k + i) * k + j]
                    # Pixel (r, s) of the product reads (r + down, s + right), where that is in the image.
                    down, right = i - k // 2, j - k // 2
                    left, n_inside = max(0, -right), width - abs(right)
                    for r in range(max(0, -down), min(height, height - down)):
                        source = x[n, c, r + down, left + right :]
                        target = column[r * width + left :]
                        for s in range(uint64(max(0, n_inside))):
                            target[s] = source[s]


@as_numpy
def _add_columns(columns, k, gx):  # type: ignore[no-untyped-def]
    n_images, n_channels, height, width = gx.shape
    for n in range(n_images):
        for c in range(n_channels):
            for i in range(k):
                for j in range(k):
                    column = columns[n, (c * k + i) * k + j]
                    down, right = i - k // 2, j - k // 2
                    left, n_inside = max(0, -right), width - abs(right)
                    for r in range(max(0, -down), min(height, height - down)):
                        source = column[r * width + left :]
                        target = gx[n, c, r + down, left + right :]
                        for s in range(uint64(max(0, n_inside))):
                            target[s] += source[s]
