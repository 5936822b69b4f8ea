"""Linear layers: products by the BLAS, and what surrounds them in one pass."""

from typing import Any

import numpy as np

from runner.engine.cpu import activation
from runner.seeding import Draw


def linear(x: Any, W: Any, b: Any) -> Any:
    """x @ W + b: (n, n_in) by (n_in, n_out), (n_out,)."""
    y = np.dot(x, W)
    activation.add_bias(y, b)
    return y


def linear_gradients(x: Any, W: Any, gy: Any, gW: Any, gb: Any, want_gx: bool) -> Any:
    """Fill gW and gb; return the gradient of x, or None when nobody wants it."""
    activation.sum_rows(gy, gb)
    return _product_gradients(x, W, gy, gW, want_gx)


def linear_relu(x: Any, W: Any, b: Any, draw: Draw | None) -> Any:
    """relu(x @ W + b), and with a draw the units that it keeps, divided by their share."""
    y = np.dot(x, W)
    activation.bias_relu(y, b, draw)
    return y


def linear_relu_gradients(x: Any, W: Any, y: Any, ratio: float | None, gy: Any, gW: Any, gb: Any, want_gx: bool) -> Any:
    """Fill gW and gb; return the gradient of x, or None. `ratio` is that of the draw; None: no dropout."""
    return _product_gradients(x, W, activation.relu_gradients(gy, y, ratio, gb), gW, want_gx)


def _product_gradients(x: Any, W: Any, gz: Any, gW: Any, want_gx: bool) -> Any:
    np.dot(x.T, gz, out=gW)
    return np.dot(gz, W.T) if want_gx else None
