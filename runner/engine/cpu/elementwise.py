"""Activations of one array, and their gradients: one pass each, and NumPy's where it has one.

Arrays are of any shape, in C order; gradients are given that of y.
"""

import numpy as np
from numba import uint64

from runner.engine.cpu.jit import as_numpy
from runner.engine.device import Array


def relu(x: Array) -> Array:
    """`max(x, 0)`; NaN passes."""
    return np.maximum(x, x.dtype.type(0))


def relu_gradient(gy: Array, y: Array) -> Array:
    """The gradient of x, given y = relu(x)."""
    return leaky_relu_gradient(gy, y, 0.0)


def leaky_relu(x: Array, slope: float) -> Array:
    """x where it is positive, else `slope * x`."""
    y = np.empty_like(x)
    _leaky_relu(x.reshape(-1), x.dtype.type(slope), y.reshape(-1))
    return y


def leaky_relu_gradient(gy: Array, x: Array, slope: float) -> Array:
    """The gradient of x, given x or anything that is positive where x is."""
    gx = np.empty_like(x)
    _leaky_relu_gradient(gy.reshape(-1), x.reshape(-1), x.dtype.type(slope), gx.reshape(-1))
    return gx


def tanh(x: Array) -> Array:
    """The hyperbolic tangent."""
    return np.tanh(x)


def tanh_gradient(gy: Array, y: Array) -> Array:
    """The gradient of x, given y = tanh(x)."""
    gx = np.empty_like(y)
    _tanh_gradient(gy.reshape(-1), y.reshape(-1), gx.reshape(-1))
    return gx


def sigmoid(x: Array) -> Array:
    """`1 / (1 + exp(-x))` in DeZero's form, which does not overflow."""
    half = x.dtype.type(0.5)
    y = x * half
    np.tanh(y, out=y)
    y *= half
    y += half
    return y


def sigmoid_gradient(gy: Array, y: Array) -> Array:
    """The gradient of x, given y = sigmoid(x)."""
    gx = np.empty_like(y)
    _sigmoid_gradient(gy.reshape(-1), y.reshape(-1), gx.reshape(-1))
    return gx


@as_numpy
def _leaky_relu(x, slope, y):  # type: ignore[no-untyped-def]
    zero = x.dtype.type(0)
    for i in range(uint64(x.size)):
        y[i] = x[i] * slope if x[i] <= zero else x[i]


@as_numpy
def _leaky_relu_gradient(gy, x, slope, gx):  # type: ignore[no-untyped-def]
    zero = x.dtype.type(0)
    for i in range(uint64(x.size)):
        gx[i] = gy[i] if x[i] > zero else gy[i] * slope


@as_numpy
def _tanh_gradient(gy, y, gx):  # type: ignore[no-untyped-def]
    one = y.dtype.type(1)
    for i in range(uint64(y.size)):
        gx[i] = gy[i] * (one - y[i] * y[i])


@as_numpy
def _sigmoid_gradient(gy, y, gx):  # type: ignore[no-untyped-def]
    one = y.dtype.type(1)
    for i in range(uint64(y.size)):
        gx[i] = gy[i] * y[i] * (one - y[i])
