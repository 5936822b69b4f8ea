"""Linear layers: what follows a matrix product, and kernels for narrow ones; and the loss.

A narrow layer, such as the last one, has so few units that a matrix product would leave most of a
GPU idle.
"""

import numpy as np

from runner.engine.device import Array
from runner.engine.gpu.batches import Batches
from runner.engine.gpu.module import THREADS, blocks, launch
from runner.seeding import Draw

#: NARROW in kernels.cu: the most units of a narrow layer.
_NARROW = 16
#: A longer row of x is shared by all warps of a block; up to this length one warp adds it up.
_LONG_ROW = 512


def add_bias(z: Array, b: Array) -> None:
    """Add b (n_units,) to z (n, n_units), in place."""
    launch("add_bias", blocks(z.size), z, b, np.int64(z.size), np.int32(len(b)))


def bias_relu(z: Array, b: Array) -> None:
    """Replace z (n, n_units) by relu(z + b)."""
    launch("bias_relu", blocks(z.size), z, b, np.int64(z.size), np.int32(len(b)))


def bias_relu_dropout(z: Array, b: Array, draw: Draw, batches: Batches) -> None:
    """`bias_relu` with dropout; step or epoch, and row, are those of the batches."""
    sizes = np.int32(len(z)), np.int32(len(b))
    rule = np.uint32(draw.threshold), np.float32(draw.kept)
    words = [np.uint32(word) for word in (draw.layer, draw.purpose, *draw.key)]
    position = batches.state, np.int32(batches.is_training)
    grid = blocks(z.size // 4 + 2)
    launch("bias_relu_dropout", grid, z, b, *sizes, *rule, *words, *position)


def keep(x: Array, draw: Draw, batches: Batches) -> Array:
    """Which numbers of x (n, ...) dropout keeps, bool; as for `bias_relu_dropout`."""
    import cupy

    kept = cupy.empty(x.shape, dtype=cupy.uint8)
    sizes = np.int32(len(x)), np.int32(x.size // len(x))
    words = [np.uint32(word) for word in (draw.threshold, draw.layer, draw.purpose, *draw.key)]
    position = batches.state, np.int32(batches.is_training)
    launch("keep", blocks(x.size // 4 + 2), kept, *sizes, *words, *position)
    return kept.view(cupy.bool_)


def relu_gradients(gy: Array, y: Array, draw: Draw | None, gb: Array) -> Array:
    """The gradient of z from that of y = relu(z + b), and dropout with a draw; fills gb."""
    import cupy

    gz, kept = cupy.empty_like(y), _kept(draw)
    sizes = np.int32(len(y)), np.int32(len(gb))
    launch("relu_gradients", (-(-len(gb) // 32),), gy, y, kept, *sizes, gz, gb)
    return gz


def sum_rows(gy: Array, gb: Array) -> None:
    """Fill gb (n_units,) with the sum of gy (n, n_units) over its rows."""
    launch("row_sums", (-(-len(gb) // 32),), gy, np.int32(len(gy)), np.int32(len(gb)), gb)


# =============================================================================
# Narrow layers
# =============================================================================
def is_narrow(W: Array) -> bool:
    """Whether a layer with weights W (n_in, n_out) is narrow."""
    return bool(W.shape[1] <= _NARROW)


def narrow(x: Array, W: Array, b: Array, y: Array) -> None:
    """Fill y (n, n_out) with x @ W + b."""
    n_warps = THREADS // 32
    warps_per_row = 1 if len(W) <= _LONG_ROW else n_warps
    grid = (-(-len(x) * warps_per_row // n_warps),)
    launch("narrow_linear", grid, x, W, b, *_sizes(x, W), np.int32(warps_per_row), y)


def narrow_gradients(
    x: Array, W: Array, gy: Array, gW: Array, gb: Array, want_gx: bool
) -> Array | None:
    """Fill gW and gb; return the gradient of x, or None unless `want_gx`."""
    import cupy

    gx = cupy.empty_like(x) if want_gx else None
    n_blocks = -(-len(W) // 32) + 1 + (blocks(x.size)[0] if want_gx else 0)
    # Without blocks for gx nothing is written there, but the kernel needs an address.
    gx_or_unused = cupy.empty(1, dtype=x.dtype) if gx is None else gx
    launch("narrow_linear_gradients", (n_blocks,), x, W, gy, *_sizes(x, W), gW, gb, gx_or_unused)
    return gx


def narrow_and_relu_gradients(
    x: Array, W: Array, draw: Draw | None, gy: Array, gW: Array, gb: Array, gb_before: Array
) -> tuple[Array, Array]:
    """`narrow_gradients`, and `relu_gradients` of the layer before, whose output is x.

    Fills gb_before too, and returns the gradient of x and that of the input of the ReLU.
    """
    import cupy

    gx, gz = cupy.empty_like(x), cupy.empty_like(x)
    inputs = x, W, gy, _kept(draw), *_sizes(x, W)
    grid = (-(-len(W) // 32) + 1,)
    launch("narrow_linear_relu_gradients", grid, *inputs, gW, gb, gx, gz, gb_before)
    return gx, gz


def _kept(draw: Draw | None) -> np.float32:
    """The share of units that are kept: all of them without dropout."""
    return np.float32(draw.kept if draw else 1.0)


def _sizes(x: Array, W: Array) -> tuple[np.int32, ...]:
    return np.int32(len(x)), np.int32(W.shape[0]), np.int32(W.shape[1])


def softmax_cross_entropy(
    y: Array, t: Array, batches: Batches, is_alone: bool
) -> tuple[Array, Array, Array]:
    """As `Kernels.softmax_cross_entropy`; `is_alone` where the batch belongs to no pass."""
    import cupy

    n, n_classes = y.shape
    gradient, loss = cupy.empty_like(y), cupy.empty((), dtype=y.dtype)
    t = t.astype(cupy.int32, copy=False)
    batches.n_classes = n_classes
    predicted = batches.predicted
    if is_alone:
        predicted = cupy.empty(n, dtype=cupy.uint16)
        batches.set_state()
    sizes, is_training = (np.int32(n), np.int32(n_classes)), np.int32(batches.is_training)
    outputs = gradient, predicted, loss, batches.state
    launch("softmax_cross_entropy", (1,), y, t, *sizes, *outputs, is_training)
    return loss, predicted == t if is_alone else predicted, gradient
