"""Narrow linear layers, such as the last one: a matrix product would leave most of a GPU idle."""

from typing import Any

import numpy as np

from runner.engine.gpu.module import THREADS, blocks, launch

#: NARROW in kernels.cu: the most units of such a layer.
_NARROW = 16
#: A longer row of x is shared by all warps of a block; up to this length one warp adds it up.
_LONG_ROW = 512


def is_narrow(W: Any) -> bool:
    """Whether a layer with weights W (n_in, n_out) has kernels here."""
    return bool(W.shape[1] <= _NARROW)


def linear(x: Any, W: Any, b: Any, y: Any) -> None:
    """Fill y (n, n_out) with x @ W + b."""
    n_warps = THREADS // 32
    warps_per_row = 1 if len(W) <= _LONG_ROW else n_warps
    grid = (-(-len(x) * warps_per_row // n_warps),)
    launch("narrow_linear", grid, x, W, b, *_sizes(x, W), np.int32(warps_per_row), y)


def gradients(x: Any, W: Any, gy: Any, gW: Any, gb: Any, want_gx: bool) -> Any:
    """Fill gW and gb; return the gradient of x, or None unless `want_gx`."""
    import cupy

    n_in, n_out = W.shape
    gx = cupy.empty_like(x) if want_gx else None
    n_blocks = -(-n_in // 32) + 1 + (blocks(x.size)[0] if want_gx else 0)
    # Without blocks for gx nothing is written there, but the kernel needs an address.
    gx_or_unused = cupy.empty(1, dtype=x.dtype) if gx is None else gx
    launch("narrow_linear_gradients", (n_blocks,), x, W, gy, *_sizes(x, W), gW, gb, gx_or_unused)
    return gx


def relu_gradients(
    x: Any, W: Any, kept: np.float32, gy: Any, gW: Any, gb: Any, gb_before: Any
) -> tuple[Any, Any]:
    """`gradients` for x = relu(z + b_before), of which dropout kept the share `kept`.

    Fills gb_before too, and returns the gradients of x and of z.
    """
    import cupy

    gx, gz = cupy.empty_like(x), cupy.empty_like(x)
    grid = (-(-W.shape[0] // 32) + 1,)
    launch(
        "narrow_linear_relu_gradients",
        grid,
        x,
        W,
        gy,
        kept,
        *_sizes(x, W),
        gW,
        gb,
        gx,
        gz,
        gb_before,
    )
    return gx, gz


def _sizes(x: Any, W: Any) -> tuple[np.int32, ...]:
    return np.int32(len(x)), np.int32(W.shape[0]), np.int32(W.shape[1])
