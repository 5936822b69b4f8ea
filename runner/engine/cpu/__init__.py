"""How the parts of a network are computed on the CPU: Numba kernels, and NumPy's BLAS for matrix
products.

`runner.engine.functions` and `runner.engine.flat` say what is computed, and are given this package
as their `kernels`; another device offers the same names. Arrays are in C order and of one floating
type, float32 in training (the tests also check float64). There is one thread.
"""

from runner.engine.cpu.convolution import (
    conv_relu,
    conv_relu_gradients,
    conv_relu_pool,
    conv_relu_pool_gradients,
)
from runner.engine.cpu.dropout import keep
from runner.engine.cpu.linear import linear, linear_gradients, linear_relu, linear_relu_gradients
from runner.engine.cpu.loss import is_one, softmax_cross_entropy
from runner.engine.cpu.pixels import pixels
from runner.engine.cpu.update import adam, momentum, sgd

__all__ = [
    "adam",
    "conv_relu",
    "conv_relu_gradients",
    "conv_relu_pool",
    "conv_relu_pool_gradients",
    "is_one",
    "keep",
    "linear",
    "linear_gradients",
    "linear_relu",
    "linear_relu_gradients",
    "momentum",
    "pixels",
    "sgd",
    "softmax_cross_entropy",
]
