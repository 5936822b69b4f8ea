"""A convolution with bias, ReLU and pool: by the direct kernel, or by matrix products."""

import numpy as np

from runner.engine.cpu import activation
from runner.engine.cpu.images import direct, general, pool, windows
from runner.engine.cpu.images.general import Pair
from runner.engine.device import Array

_STRIDE_1: Pair = (1, 1)


def conv_relu_pool(x: Array, W: Array, b: Array) -> tuple[Array, Array]:
    """max-pool(relu(x * W + b)), and the winning corner of each window.

    Parameters
    ----------
    x
        (n, in channels, height, width).
    W
        (out channels, in channels, k, k), k odd; stride 1, padded by k // 2.
    b
        (out channels,).

    Returns
    -------
    tuple of y (n, out channels, height // 2, width // 2) and the winners, int8 of that shape
    (runner/engine/cpu/images/pool.py)
    """
    shape = (len(x), len(W), x.shape[2] // 2, x.shape[3] // 2)
    y = np.empty((*shape[:2], shape[2] * shape[3]), dtype=x.dtype)
    winners = np.empty(y.shape, dtype=np.int8)
    if _is_direct(W):
        direct.forward(x, W, b, y, winners)
    else:
        pool.bias_relu_pool(general.product(x, W, _STRIDE_1, _same(W)), b, y, winners)
    return y.reshape(shape), winners.reshape(shape)


def conv_relu_pool_gradients(
    x: Array, W: Array, winners: Array, gy: Array, gW: Array, gb: Array, want_gx: bool
) -> Array | None:
    """Fill gW and gb; return the gradient of x, or None if it is not wanted."""
    flat = (*gy.shape[:2], gy.shape[2] * gy.shape[3])
    gy, winners = gy.reshape(flat), winners.reshape(flat)
    if _is_direct(W) and not want_gx:
        direct.backward(x, gy, winners, gW, gb)
        return None
    gz = np.empty((len(x), len(W), *x.shape[2:]), dtype=x.dtype)
    pool.gradients(gy, winners, gz, gb)
    return general.gradients(x, W, gz, gW, want_gx, _STRIDE_1, _same(W))


def conv_relu(x: Array, W: Array, b: Array) -> Array:
    """relu(x * W + b), (n, out channels, height, width); x, W and b as for `conv_relu_pool`."""
    return conv_then_relu(x, W, b, _STRIDE_1, _same(W))


def conv_relu_gradients(
    x: Array, W: Array, y: Array, gy: Array, gW: Array, gb: Array, want_gx: bool
) -> Array | None:
    """Fill gW and gb; return the gradient of x, or None if it is not wanted."""
    gz = activation.image_gradients(gy, y, gb)
    return general.gradients(x, W, gz, gW, want_gx, _STRIDE_1, _same(W))


def conv(x: Array, W: Array, b: Array | None, stride: Pair, pad: Pair) -> Array:
    """x * W + b, (n, out channels, out height, out width), for any kernel, stride and padding."""
    z = general.product(x, W, stride, pad)
    if b is not None:
        activation.add_bias_images(z, b)
    return z


def conv_gradients(
    x: Array,
    W: Array,
    gy: Array,
    gW: Array,
    gb: Array | None,
    want_gx: bool,
    stride: Pair,
    pad: Pair,
) -> Array | None:
    """Fill gW and gb (None without bias); return the gradient of x, or None if not wanted."""
    if gb is not None:
        activation.sum_images(gy, gb)
    return general.gradients(x, W, gy, gW, want_gx, stride, pad)


def conv_then_relu(x: Array, W: Array, b: Array, stride: Pair, pad: Pair) -> Array:
    """`relu(conv(x, W, b, stride, pad))`, bit for bit."""
    z = general.product(x, W, stride, pad)
    activation.bias_relu_images(z, b)
    return z


def conv_then_relu_pool(
    x: Array, W: Array, b: Array, stride: Pair, pad: Pair
) -> tuple[Array, Array]:
    """`max_pool(relu(conv(x, W, b, stride, pad)), (2, 2), (2, 2), (0, 0))`, bit for bit."""
    return windows.relu_max_pool(general.product(x, W, stride, pad), b)


def _same(W: Array) -> Pair:
    """The padding that keeps the size of an image."""
    return W.shape[2] // 2, W.shape[3] // 2


def _is_direct(W: Array) -> bool:
    return bool(W.shape[1:] == (1, 3, 3))
