"""The door to DeZero: here, and only here, it is imported, and what today's NumPy and CuPy break is
repaired.

DeZero 0.0.13 is of 2020. Each repair names the function of DeZero's that it replaces;
docs/engine.md lists what fails without it. runner/system/dezero_import.py lets it be imported.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import dezero as _dezero
import numpy as np

from runner.engine.device import Array, gpu_is_available, to_numpy

dezero: Any = _dezero

F: Any = dezero.functions
L: Any = dezero.layers
Model: Any = dezero.Model
Function: Any = dezero.Function
Parameter: Any = dezero.Parameter
Variable: Any = dezero.Variable
no_grad: Any = dezero.no_grad
test_mode: Any = dezero.test_mode
using_config: Any = dezero.using_config


#: DeZero's layers that make a weight W.
_WITH_W = (L.Linear, L.Conv2d, L.Deconv2d)


def _as_array(x: Any, array_module: Any = np) -> Array:
    """`core.as_array` that makes a Python float a float32 array.

    As shipped it makes a float64 array. NumPy 2 keeps that type in an operation with float32, so
    that `gy *= 1 / N` in the loss makes every gradient float64.
    """
    if type(x) is float:
        return array_module.array(x, dtype=array_module.float32)
    return array_module.array(x) if np.isscalar(x) else x


def _float32_weights(layer_class: Any) -> None:
    """Have a layer make its weights in its own dtype and, on a GPU, keep its bias with them.

    As shipped the weights are float64 under NumPy 2 (`float32 * np.sqrt(...)`), and a bias stays on
    the CPU when the weights are made on a GPU in the first forward pass.
    """
    as_shipped = layer_class._init_W

    def _init_W(self: Any, xp: Any = np) -> None:
        as_shipped(self, xp)
        self.W.data = self.W.data.astype(self.dtype)
        # The constructor makes the weights before the bias, when it knows the input size.
        if getattr(self, "b", None) is not None:
            self.b.data = xp.asarray(self.b.data)

    layer_class._init_W = _init_W


def _get_item_grad(self: Any, gy: Array) -> Array:
    """`GetItemGrad.forward` with `add.at`; today's CuPy has no `scatter_add`."""
    xp = dezero.cuda.get_array_module(gy)
    gx = xp.zeros(self.in_shape, dtype=gy.dtype)
    xp.add.at(gx, self.slices, gy)
    return gx


def _params(self: Any) -> Any:
    """`Layer.params` in the order of names; as shipped, in the order of a set.

    What is summed over all parameters, such as the norm by which `ClipGrad` clips, would have other
    bits in another process.
    """
    for name in sorted(self._params):
        part = self.__dict__[name]
        if isinstance(part, dezero.layers.Layer):
            yield from part.params()
        else:
            yield part


def _reshape_sum_backward(gy: Any, x_shape: tuple[int, ...], axis: Any, keepdims: bool) -> Any:
    """`utils.reshape_sum_backward` that takes tuples of axes; as shipped it raises TypeError."""
    if not x_shape or axis is None or keepdims:
        return gy.reshape(gy.shape)
    axes = axis if isinstance(axis, tuple) else (axis,)
    summed = {a % len(x_shape) for a in axes}
    return gy.reshape(tuple(1 if a in summed else n for a, n in enumerate(x_shape)))


# =============================================================================
# Dropout
# =============================================================================
# Where these stand is DeZero's own mechanism: `using_config` sets them for a block.
#: Whether dropout is left on in test mode.
dezero.Config.dropout = False
#: Computes `functions.dropout` of an array or Variable and a ratio; None outside of a run.
dezero.Config.computed_dropout = None


def dropout_is_on() -> bool:
    """Whether dropout drops: in training, and in `masked_test_mode`."""
    return bool(dezero.Config.train or dezero.Config.dropout)


@contextlib.contextmanager
def masked_test_mode() -> Iterator[None]:
    """Test mode with dropout left on: whatever else training does, such as averages, is off."""
    with test_mode(), dezero.using_config("dropout", True):
        yield


def dropout_by(computed: Callable[[Any, float], Any]) -> Any:
    """A context in which `functions.dropout` is computed so, while it is on."""
    return dezero.using_config("computed_dropout", computed)


_dropout_as_shipped = F.dropout


def _dropout(x: Any, dropout_ratio: float = 0.5) -> Any:
    """`functions.dropout` whose mask is the run's while one is computing; see forward.py.

    As shipped it draws from the global generator, so that the same seed gives other numbers.
    """
    computed = dezero.Config.computed_dropout
    if computed is None:
        return _dropout_as_shipped(x, dropout_ratio)
    return computed(x, dropout_ratio) if dropout_is_on() else dezero.as_variable(x)


def _save_weights(self: Any, path: Any) -> None:
    """`Layer.save_weights` that does not move the model to the CPU."""
    arrays = {name: to_numpy(p.data) for name, p in named_parameters(self).items()}
    np.savez_compressed(path, **arrays)


def _load_weights(self: Any, path: Any) -> None:
    """`Layer.load_weights` that puts each array on the device of its parameter."""
    with np.load(path, allow_pickle=False) as arrays:
        for name, parameter in all_parameters(self).items():
            if parameter.data is None and name not in arrays:
                continue  # of a layer that had not been used either when they were saved
            xp = np if parameter.data is None else dezero.cuda.get_array_module(parameter.data)
            parameter.data = xp.asarray(arrays[name])


def _repair() -> None:
    dezero.core.as_array = dezero.functions.as_array = dezero.as_array = _as_array
    for layer_class in _WITH_W:
        _float32_weights(layer_class)
    F.GetItemGrad.forward = _get_item_grad
    F.dropout = _dropout
    dezero.utils.reshape_sum_backward = _reshape_sum_backward
    dezero.layers.Layer.params = _params
    dezero.layers.Layer.save_weights = _save_weights
    dezero.layers.Layer.load_weights = _load_weights
    # As shipped this is True wherever CuPy can be imported, GPU or not.
    dezero.cuda.gpu_enable = gpu_is_available()


#: Computes a call of any DeZero function, given the function and its inputs; None: DeZero does.
_compute: Callable[..., Any] | None = None
#: `Function.__call__` of DeZero.
call_as_shipped: Any = Function.__call__


def _call(self: Any, *inputs: Any) -> Any:
    if _compute is None:
        return call_as_shipped(self, *inputs)
    return _compute(self, *inputs)


Function.__call__ = _call


@contextlib.contextmanager
def computed_by(compute: Callable[..., Any] | None) -> Iterator[None]:
    """Have `compute(function, *inputs)` do what each call of a DeZero function does, in the block.

    All calls of functions and layers, such as `F.relu(x)`, end there, however a model names them.
    None stands for DeZero itself.
    """
    global _compute
    before, _compute = _compute, compute
    try:
        yield
    finally:
        _compute = before


def makes_its_weight_later(layer: Any) -> bool:
    """Whether a layer has no weight yet, and DeZero's own rule will make it."""
    make = getattr(type(layer), "_init_W", None)
    own = {layer_class._init_W for layer_class in _WITH_W}
    return make in own and layer.W.data is None


def fan_in(layer: Any) -> int:
    """How many numbers each output of a linear or convolutional layer adds up."""
    n_outputs = layer.out_size if isinstance(layer, L.Linear) else layer.out_channels
    return int(layer.W.data.size // n_outputs)


def named_parameters(layer: Any) -> dict[str, Any]:
    """The parameters of a model by name (`fc1/linear/W`), sorted: DeZero keeps them in a set.

    A layer that no forward pass has used has no weights yet, and is left out.
    """
    return {name: p for name, p in all_parameters(layer).items() if p.data is not None}


def all_parameters(layer: Any) -> dict[str, Any]:
    """`named_parameters`, and those without data."""
    parameters: dict[str, Any] = {}
    layer._flatten_params(parameters)
    return {name: parameters[name] for name in sorted(parameters)}


_repair()
