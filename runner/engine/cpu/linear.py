"""Linear layers: matrix products by the BLAS, and one pass for what precedes or follows them."""

from runner.engine.cpu import activation
from runner.engine.cpu.threads.products import dot
from runner.engine.device import Array
from runner.seeding import Draw


def linear(x: Array, W: Array, b: Array | None) -> Array:
    """x @ W + b: (n, n_in) by (n_in, n_out), (n_out,)."""
    y = dot(x, W)
    if b is not None:
        activation.add_bias(y, b)
    return y


def linear_gradients(
    x: Array, W: Array, gy: Array, gW: Array, gb: Array | None, want_gx: bool
) -> Array | None:
    """Fill gW and gb (None without bias); return the gradient of x, or None if not wanted."""
    if gb is not None:
        activation.sum_rows(gy, gb)
    return _product_gradients(x, W, gy, gW, want_gx)


def linear_relu(x: Array, W: Array, b: Array, draw: Draw | None) -> Array:
    """relu(x @ W + b), and with a draw dropout: kept units are divided by the kept share."""
    y = dot(x, W)
    activation.bias_relu(y, b, draw)
    return y


def linear_relu_gradients(
    x: Array, W: Array, y: Array, draw: Draw | None, gy: Array, gW: Array, gb: Array, want_gx: bool
) -> Array | None:
    """Fill gW and gb; return the gradient of x, or None if it is not wanted."""
    return _product_gradients(x, W, activation.relu_gradients(gy, y, draw, gb), gW, want_gx)


def _product_gradients(x: Array, W: Array, gz: Array, gW: Array, want_gx: bool) -> Array | None:
    dot(x.T, gz, out=gW)
    return dot(gz, W.T) if want_gx else None
