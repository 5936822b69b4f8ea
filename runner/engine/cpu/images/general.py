"""Convolution with any kernel, stride and padding, as matrix products (im2col).

It works on as many images at a time as have columns that fit into the processor's cache. The
columns of a whole batch would take a hundred megabytes.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import uint64

from runner.engine.cpu.jit import as_numpy
from runner.engine.cpu.threads import team
from runner.engine.cpu.threads.products import shows_rounding
from runner.engine.cpu.threads.team import share
from runner.engine.device import Array

#: (vertical, horizontal).
Pair = tuple[int, int]

#: Numbers in the columns of the images that are worked on at a time: 1 MiB of float32, the cache of
#: one core.
_N_NUMBERS = 1 << 18
#: Nanoseconds a number of the columns, and an output channel of its products.
_COLUMN_NS, _PRODUCT_NS = 0.3, 0.03
#: Chunks of a thread between two additions to the gradient of W, and numbers that they may keep.
_N_AT_ONCE, _N_KEPT = 16, 1 << 20

#: Whether products of these shapes are computed transposed.
_is_turned: dict[tuple[Any, ...], bool] = {}


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
    chunks = _Chunks.of(x, W, stride, pad)

    def part(first: int, stop: int) -> None:
        room = chunks.room()
        for images in chunks.slices[first:stop]:
            columns = chunks.columns(images, room)
            np.matmul(weights, columns, out=z[images])

    share(part, len(chunks.slices), chunks.ns(len(W)))
    return z.reshape(shape)


def gradients(
    x: Array, W: Array, gz: Array, gW: Array, want_gx: bool, stride: Pair, pad: Pair
) -> Array | None:
    """Fill gW, given gz, the gradient of `product`; return that of x, or None if unwanted."""
    weights, gradient = W.reshape(len(W), -1), gW.reshape(len(W), -1)
    gz = gz.reshape(len(gz), len(W), -1)
    gx = np.zeros_like(x) if want_gx else None
    chunks = _Chunks.of(x, W, stride, pad)
    gradient[...] = 0
    # Many chunks are worked on at once, and what they add to gW is added up in their order.
    n_kept = max(team.size(), _N_KEPT // gradient.size)
    n_at_once = min(_N_AT_ONCE * team.size(), n_kept, len(chunks.slices))
    sums = np.empty((n_at_once, *gradient.shape), dtype=gradient.dtype)
    for at in range(0, len(chunks.slices), n_at_once):
        group = chunks.slices[at : at + n_at_once]

        def part(first: int, stop: int, group: list[slice] = group) -> None:
            room = chunks.room()
            for images, total in zip(group[first:stop], sums[first:stop], strict=True):
                columns = chunks.columns(images, room)
                np.add.reduce(_by_transposed(gz[images], columns), axis=0, out=total)
                if gx is not None:
                    np.matmul(weights.T, gz[images], out=columns)
                    chunks.add_columns(columns, gx[images])

        share(part, len(group), chunks.ns(len(W)) * (3 if want_gx else 2))
        for total in sums[: len(group)]:
            gradient += total
    return gx


def _by_transposed(gz: Array, columns: Array) -> Array:
    """`gz @ columns.T` of each image, (images, out channels, rows of the columns).

    Many a BLAS takes half the time for the transposed product where columns have more rows than gz.
    It is taken if it has the same bits, which is tried once for each shape.
    """
    of = gz.dtype, gz.shape[1:], columns.shape[1]
    if not _is_turned.get(of, True) or len(columns[0]) < len(gz[0]):
        return np.matmul(gz, columns.transpose(0, 2, 1))
    turned = np.matmul(columns, gz.transpose(0, 2, 1)).transpose(0, 2, 1)
    if of in _is_turned:
        return turned
    products = np.matmul(gz, columns.transpose(0, 2, 1))
    if shows_rounding(products):
        _is_turned[of] = products.tobytes() == turned.tobytes()
    return products


def _out_size(x: Array, W: Array, stride: Pair, pad: Pair) -> Pair:
    height, width = (
        (x.shape[2 + i] + 2 * pad[i] - W.shape[2 + i]) // stride[i] + 1 for i in range(2)
    )
    return height, width


@dataclass(frozen=True)
class _Chunks:
    """A batch in slices of images whose columns fit into the cache."""

    x: Array
    slices: list[slice]
    #: Of the columns of the first slice, which has the most images: images, rows, pixels.
    shape: tuple[int, int, int]
    #: Kernel size, stride and padding, and the width of an image of the result.
    how: tuple[Pair, Pair, Pair, int]

    @classmethod
    def of(cls, x: Array, W: Array, stride: Pair, pad: Pair) -> "_Chunks":
        out_height, out_width = _out_size(x, W, stride, pad)
        n_rows, n_pixels = W[0].size, out_height * out_width
        size = min(len(x), max(1, _N_NUMBERS // (n_rows * n_pixels)))
        slices = [slice(first, min(first + size, len(x))) for first in range(0, len(x), size)]
        return cls(x, slices, (size, n_rows, n_pixels), (W.shape[2:], stride, pad, out_width))

    def room(self) -> Array:
        """An array for the columns of one slice."""
        return np.empty(self.shape, dtype=self.x.dtype)

    def columns(self, images: slice, room: Array) -> Array:
        """The columns of a slice, (images, in channels * kernel size, out pixels), in its room."""
        columns = room[: images.stop - images.start]
        _fill_columns(self.x[images], *self.how, columns)
        return columns

    def add_columns(self, columns: Array, gx: Array) -> None:
        """Add the gradients of the columns of a slice to that of its images, `gx`."""
        _add_columns(columns, *self.how, gx)

    def ns(self, n_out: int) -> float:
        """About how many nanoseconds the columns of a slice and one product of them take."""
        return float(math.prod(self.shape)) * (_COLUMN_NS + n_out * _PRODUCT_NS)


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
