"""Activations of one array, and their gradients: one pass each, and NumPy's where it has one.

Arrays are of any shape, in C order; gradients are given that of y.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import uint64

from runner.engine.cpu.jit import as_numpy
from runner.engine.cpu.threads.team import BLOCK, share
from runner.engine.device import Array

#: Nanoseconds a number.
_NS, _TANH_NS = 0.4, 2.0


def relu(x: Array) -> Array:
    """`max(x, 0)`; NaN passes."""
    return _of_parts(_NS, lambda x, y: np.maximum(x, x.dtype.type(0), out=y), x)


def relu_gradient(gy: Array, y: Array) -> Array:
    """The gradient of x, given y = relu(x)."""
    return leaky_relu_gradient(gy, y, 0.0)


def leaky_relu(x: Array, slope: float) -> Array:
    """x where it is positive, else `slope * x`."""
    return _of_parts(_NS, lambda x, y: _leaky_relu(x, x.dtype.type(slope), y), x)


def leaky_relu_gradient(gy: Array, x: Array, slope: float) -> Array:
    """The gradient of x, given x or anything that is positive where x is."""

    def part(gy: Array, x: Array, gx: Array) -> None:
        _leaky_relu_gradient(gy, x, x.dtype.type(slope), gx)

    return _of_parts(_NS, part, gy, x)


def tanh(x: Array) -> Array:
    """The hyperbolic tangent."""
    return _of_parts(_TANH_NS, lambda x, y: np.tanh(x, out=y), x)


def tanh_gradient(gy: Array, y: Array) -> Array:
    """The gradient of x, given y = tanh(x)."""
    return _of_parts(_NS, _tanh_gradient, gy, y)


def sigmoid(x: Array) -> Array:
    """`1 / (1 + exp(-x))` in DeZero's form, which does not overflow."""

    def part(x: Array, y: Array) -> None:
        half = x.dtype.type(0.5)
        np.multiply(x, half, out=y)
        np.tanh(y, out=y)
        y *= half
        y += half

    return _of_parts(_TANH_NS, part, x)


def sigmoid_gradient(gy: Array, y: Array) -> Array:
    """The gradient of x, given y = sigmoid(x)."""
    return _of_parts(_NS, _sigmoid_gradient, gy, y)


def _of_parts(ns: float, compute: Callable[..., Any], *arrays: Array) -> Array:
    """What `compute(*arrays, result)` makes of flat arrays, of the shape of the last one."""
    result = np.empty(arrays[-1].shape, dtype=arrays[-1].dtype)
    flat = [array.reshape(-1) for array in (*arrays, result)]

    def part(start: int, stop: int) -> None:
        compute(*(array[start:stop] for array in flat))

    share(part, result.size, ns, BLOCK)
    return result


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
