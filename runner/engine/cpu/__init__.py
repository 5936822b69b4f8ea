"""How the parts of a network are computed on the CPU: Numba kernels, and NumPy's BLAS for matrix
products.

`runner.engine.functions` and `runner.engine.update.flat` say what is computed, and are given this
package as their `kernels`; another device offers the same names (those of `functions/fused.py` and
`flat`, where it leaves DeZero's own functions to DeZero). Arrays are in C order and of one floating
type, float32 in training (the tests also check float64). Beside other runs there is one thread, a
run alone has one for each core (`threads/`).
"""

from runner.engine.cpu.batch_norm import (
    normalise_batch,
    normalise_by_averages,
    normalise_gradients,
)
from runner.engine.cpu.dropout import dropout
from runner.engine.cpu.elementwise import (
    leaky_relu,
    leaky_relu_gradient,
    relu,
    relu_gradient,
    sigmoid,
    sigmoid_gradient,
    tanh,
    tanh_gradient,
)
from runner.engine.cpu.heap import keep_freed_memory
from runner.engine.cpu.images.convolution import (
    conv,
    conv_gradients,
    conv_relu,
    conv_relu_gradients,
    conv_relu_pool,
    conv_relu_pool_gradients,
    conv_then_relu,
    conv_then_relu_pool,
)
from runner.engine.cpu.images.windows import (
    average_pool,
    average_pool_gradient,
    max_pool,
    max_pool_gradient,
    relu_max_pool_gradient,
)
from runner.engine.cpu.linear import linear, linear_gradients, linear_relu, linear_relu_gradients
from runner.engine.cpu.loss import is_one, softmax_cross_entropy
from runner.engine.cpu.pixels import pixels
from runner.engine.cpu.update import adam, momentum, sgd

__all__ = [
    "adam",
    "average_pool",
    "average_pool_gradient",
    "conv",
    "conv_gradients",
    "conv_relu",
    "conv_relu_gradients",
    "conv_relu_pool",
    "conv_relu_pool_gradients",
    "conv_then_relu",
    "conv_then_relu_pool",
    "dropout",
    "is_one",
    "keep_freed_memory",
    "leaky_relu",
    "leaky_relu_gradient",
    "linear",
    "linear_gradients",
    "linear_relu",
    "linear_relu_gradients",
    "max_pool",
    "max_pool_gradient",
    "momentum",
    "normalise_batch",
    "normalise_by_averages",
    "normalise_gradients",
    "pixels",
    "relu",
    "relu_gradient",
    "relu_max_pool_gradient",
    "sgd",
    "sigmoid",
    "sigmoid_gradient",
    "softmax_cross_entropy",
    "tanh",
    "tanh_gradient",
]
