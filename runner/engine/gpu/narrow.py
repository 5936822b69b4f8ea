"""Layers of so few units that a matrix product could not fill a card with them: the last layer."""

from typing import Any

import numpy as np

from runner.engine.gpu.module import THREADS, blocks, launch

#: FEW in kernels.cu.
_FEW = 16
#: A row of so many numbers is a warp's; a longer one is shared by all warps of a block.
_LONG = 512


def is_few(W: Any) -> bool:
    """Whether the layer with these weights (n_in, n_out) is one."""
    return bool(W.shape[1] <= _FEW)


def linear(x: Any, W: Any, b: Any, y: Any) -> None:
    """Fill y (n, n_out) with x @ W + b."""
    n_parts = 1 if len(W) <= _LONG else THREADS // 32
    grid = (-(-len(x) * n_parts // (THREADS // 32)),)
    launch("few_linear", grid, x, W, b, *_sizes(x, W), np.int32(n_parts), y)


def gradients(x: Any, W: Any, gy: Any, gW: Any, gb: Any, want_gx: bool) -> Any:
    """Fill gW and gb; return the gradient of x, or None when nobody wants it."""
    import cupy

    n_in, n_out = W.shape
    gx = cupy.empty_like(x) if want_gx else None
    n_blocks = -(-n_in // 32) + 1 + (blocks(x.size)[0] if want_gx else 0)
    # Without blocks for it, gx is not written.
    place = cupy.empty(1, dtype=x.dtype) if gx is None else gx
    launch("few_linear_gradients", (n_blocks,), x, W, gy, *_sizes(x, W), gW, gb, place)
    return gx


def relu_gradients(x: Any, W: Any, kept: np.float32, gy: Any, gW: Any, gb: Any, gb_before: Any) -> tuple[Any, Any]:
    """`gradients`, and for x = relu(z + b_before), of which the share `kept` was kept, that of z; fills gb_before."""
    import cupy

    gx, gz = cupy.empty_like(x), cupy.empty_like(x)
    grid = (-(-W.shape[0] // 32) + 1,)
    launch("few_linear_relu_gradients", grid, x, W, gy, kept, *_sizes(x, W), gW, gb, gx, gz, gb_before)
    return gx, gz


def _sizes(x: Any, W: Any) -> tuple[np.int32, ...]:
    return np.int32(len(x)), np.int32(W.shape[0]), np.int32(W.shape[1])
