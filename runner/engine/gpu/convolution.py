"""Convolutions: a direct kernel for 3x3 on one channel, im2col and products for all others."""

from collections.abc import Iterator

import numpy as np

from runner.engine.device import Array
from runner.engine.gpu.blas import Blas
from runner.engine.gpu.module import blocks, launch

#: SLICES and CHANNELS of kernels.cu.
_SLICES, _CHANNELS = 16, 8
#: Bytes of shared memory that a block has on every GPU, less what the kernel declares statically.
_SHARED_BYTES = (48 << 10) - 512
#: The most elements of the columns of im2col at a time: 256 MiB of float32.
_MAX_COLUMN_ELEMENTS = 1 << 26


def is_direct(x: Array, W: Array) -> bool:
    """Whether the direct kernel applies: one channel, 3x3, and a padded image of 48 KiB at most."""
    return bool(W.shape[1:] == (1, 3, 3)) and _padded_bytes(x) <= _SHARED_BYTES


def direct(x: Array, W: Array, b: Array) -> tuple[Array, Array]:
    """max-pool(relu(convolution + b)), and the index of the maximum in each window.

    Both are (n, out channels, height // 2, width // 2).
    """
    import cupy

    n, _, height, width = x.shape
    shape = (n, len(W), height // 2, width // 2)
    y, winners = cupy.empty(shape, dtype=x.dtype), cupy.empty(shape, dtype=cupy.int8)
    numbers = np.int32(len(W)), np.int32(height), np.int32(width)
    grid = (n, -(-len(W) // _CHANNELS))
    launch("conv3x3_relu_pool", grid, x, W, b, *numbers, y, winners, shared=_padded_bytes(x))
    return y, winners


def direct_gradients(
    x: Array, winners: Array, gy: Array, gW: Array, gb: Array, tickets: Array
) -> None:
    """Fill gW and gb for `direct`; `tickets` int32 (out channels,) are 0 before and after."""
    import cupy

    n, _, height, width = x.shape
    partials = cupy.empty(len(gW) * _SLICES * 10, dtype=x.dtype)
    numbers = np.int32(n), np.int32(height), np.int32(width)
    launch(
        "conv3x3_gradients", (len(gW), _SLICES), x, gy, winners, *numbers, partials, tickets, gW, gb
    )


def product(blas: Blas, x: Array, W: Array) -> Array:
    """The convolution of x with W, (n, out channels, height, width)."""
    import cupy

    z = cupy.empty((len(x), len(W), *x.shape[2:]), dtype=x.dtype)
    flat = z.reshape(len(x), len(W), -1)
    weights = W.reshape(len(W), -1)
    for images, columns in _chunks(x, W):
        _im2col(x[images], W, columns)
        blas.product(weights, columns, flat[images])
    return z


def gradients(blas: Blas, x: Array, W: Array, gz: Array, gW: Array, want_gx: bool) -> Array | None:
    """Fill gW from gz, the gradient of `product(x, W)`; return gx if `want_gx`, else None."""
    import cupy

    weights = W.reshape(len(W), -1)
    gz = gz.reshape(len(gz), len(W), -1)
    gx = cupy.empty_like(x) if want_gx else None
    for images, columns in _chunks(x, W):
        _im2col(x[images], W, columns)
        parts = cupy.empty((len(columns), *weights.shape), dtype=x.dtype)
        blas.product(gz[images], columns, parts, transpose_b=True)
        size, first = weights.size, np.int32(images.start == 0)
        launch("sum_parts", blocks(size), parts, np.int32(len(parts)), np.int32(size), first, gW)
        if gx is not None:
            blas.product(weights, gz[images], columns, transpose_a=True)
            part = gx[images]
            numbers = (
                np.int64(part.size),
                np.int32(x.shape[2]),
                np.int32(x.shape[3]),
                np.int32(W.shape[2]),
            )
            launch("col2im", blocks(part.size), columns, *numbers, part)
    return gx


def bias_relu(z: Array, b: Array) -> None:
    """Replace z (n, channels, height, width) by relu(z + b)."""
    n_pixels = z.shape[2] * z.shape[3]
    launch(
        "bias_relu_images",
        blocks(z.size),
        z,
        b,
        np.int64(z.size),
        np.int32(z.shape[1]),
        np.int32(n_pixels),
    )


def relu_gradients(gy: Array, y: Array, gb: Array, tickets: Array) -> Array:
    """The gradient of z from that of y = relu(z + b); fills gb (channels,) with that of b.

    `tickets` int32 (channels,) are 0 before and after.
    """
    import cupy

    gz = cupy.empty_like(y)
    launch("relu_gradients_images", blocks(y.size), gy, y, np.int64(y.size), gz)
    _channel_sums(gz, gb, tickets)
    return gz


def bias_relu_pool(z: Array, b: Array) -> tuple[Array, Array]:
    """max-pool(relu(z + b)) for z (n, channels, height, width), and the index of each maximum."""
    import cupy

    n, n_channels, height, width = z.shape
    shape = (n, n_channels, height // 2, width // 2)
    y, winners = cupy.empty(shape, dtype=z.dtype), cupy.empty(shape, dtype=cupy.int8)
    numbers = np.int64(y.size), np.int32(n_channels), np.int32(height), np.int32(width)
    launch("bias_relu_pool", blocks(y.size), z, b, *numbers, y, winners)
    return y, winners


def pool_gradients(
    gy: Array, winners: Array, shape: tuple[int, ...], gb: Array, tickets: Array
) -> Array:
    """The gradient of z, of this shape, from that of `bias_relu_pool`; fills gb.

    `tickets` as for `relu_gradients`.
    """
    import cupy

    gz = cupy.empty(shape, dtype=gy.dtype)
    numbers = np.int64(gz.size), np.int32(shape[2]), np.int32(shape[3])
    launch("pool_gradients", blocks(gz.size), gy, winners, *numbers, gz)
    _channel_sums(gz, gb, tickets)
    return gz


def _channel_sums(gz: Array, gb: Array, tickets: Array) -> None:
    import cupy

    partials = cupy.empty(len(gb) * _SLICES, dtype=gz.dtype)
    numbers = np.int32(len(gz)), np.int32(gz.shape[2] * gz.shape[3])
    launch("channel_sums", (len(gb), _SLICES), gz, *numbers, partials, tickets, gb)


def _chunks(x: Array, W: Array) -> Iterator[tuple[slice, Array]]:
    """The images in slices, with memory for the columns of each slice.

    Columns are (images, in channels * k * k, height * width).
    """
    import cupy

    n_rows, n_pixels = int(np.prod(W.shape[1:])), x.shape[2] * x.shape[3]
    size = min(len(x), max(1, _MAX_COLUMN_ELEMENTS // (n_rows * n_pixels)))
    columns = cupy.empty((size, n_rows, n_pixels), dtype=x.dtype)
    for first in range(0, len(x), size):
        images = slice(first, min(first + size, len(x)))
        yield images, columns[: images.stop - first]


def _im2col(x: Array, W: Array, columns: Array) -> None:
    numbers = np.int64(columns.size), *(np.int32(i) for i in (*x.shape[1:], W.shape[2]))
    launch("im2col", blocks(columns.size), x, *numbers, columns)


def _padded_bytes(x: Array) -> int:
    return int((x.shape[2] + 2) * (x.shape[3] + 2) * 4)
