"""The one door to DeZero: what is broken on today's NumPy and CuPy is repaired here, once.

DeZero 0.0.13 is of 2020. Every repair below names the place it mends; docs/design.md lists what each of
them breaks without it. Nothing leaks out: NumPy itself is left as it was.
"""

import types
from typing import Any

import numpy as np

from runner.engine.device import gpu_is_available, to_numpy

_MISSING = object()


class _NumpyWithInt(types.ModuleType):
    """NumPy as `dezero.datasets` and `dezero.transforms` expect it, `np.int` included."""

    int = int

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)


def _import_dezero() -> Any:
    # dezero/transforms.py evaluates `np.int` while it is imported; NumPy lost that name in 1.24.
    before = np.__dict__.get("int", _MISSING)
    np.__dict__["int"] = int
    try:
        import dezero
    finally:
        if before is _MISSING:
            del np.__dict__["int"]
        else:
            np.__dict__["int"] = before
    for module in (dezero.datasets, dezero.transforms):
        module.np = _NumpyWithInt("numpy")
    return dezero


dezero = _import_dezero()

F: Any = dezero.functions
L: Any = dezero.layers
Model: Any = dezero.Model
Function: Any = dezero.Function
Variable: Any = dezero.Variable
no_grad: Any = dezero.no_grad
test_mode: Any = dezero.test_mode


def _as_array(x: Any, array_module: Any = np) -> Any:
    """`core.as_array`, but a Python float becomes float32.

    As shipped it becomes a float64 array, which NumPy 2 no longer narrows: `gy *= 1 / N` in the loss then
    makes every gradient float64.
    """
    if type(x) is float:
        return array_module.array(x, dtype=array_module.float32)
    return array_module.array(x) if np.isscalar(x) else x


def _float32_weights(layer_class: Any) -> None:
    """Keep the weights in the layer's own dtype: `float32 * np.sqrt(...)` is float64 under NumPy 2.

    Also takes the bias to the weight's device: as shipped it stays on the CPU when a lazy W is made on a GPU.
    """
    as_shipped = layer_class._init_W

    def _init_W(self: Any, xp: Any = np) -> None:
        as_shipped(self, xp)
        self.W.data = self.W.data.astype(self.dtype)
        # `b` does not exist yet when the constructor knows the input size.
        if getattr(self, "b", None) is not None:
            self.b.data = xp.asarray(self.b.data)

    layer_class._init_W = _init_W


def _get_item_grad(self: Any, gy: Any) -> Any:
    """`GetItemGrad.forward` with `add.at`: `cupy.scatter_add` is gone."""
    xp = dezero.cuda.get_array_module(gy)
    gx = xp.zeros(self.in_shape, dtype=gy.dtype)
    xp.add.at(gx, self.slices, gy)
    return gx


def _reshape_sum_backward(gy: Any, x_shape: tuple[int, ...], axis: Any, keepdims: bool) -> Any:
    """`utils.reshape_sum_backward`, for tuples of axes too: as shipped it tests `hasattr(axis, 'len')`."""
    if not x_shape or axis is None or keepdims:
        return gy.reshape(gy.shape)
    axes = axis if isinstance(axis, tuple) else (axis,)
    summed = {a % len(x_shape) for a in axes}
    return gy.reshape(tuple(1 if a in summed else n for a, n in enumerate(x_shape)))


def _save_weights(self: Any, path: Any) -> None:
    """`Layer.save_weights` that leaves the model on its device."""
    np.savez_compressed(path, **{name: to_numpy(p.data) for name, p in named_parameters(self).items()})


def _load_weights(self: Any, path: Any) -> None:
    """`Layer.load_weights` that puts every array on the device of the parameter it replaces."""
    with np.load(path, allow_pickle=False) as stored:
        for name, parameter in named_parameters(self).items():
            xp = np if parameter.data is None else dezero.cuda.get_array_module(parameter.data)
            parameter.data = xp.asarray(stored[name])


def _repair() -> None:
    dezero.core.as_array = dezero.functions.as_array = dezero.as_array = _as_array
    for layer_class in (L.Linear, L.Conv2d, L.Deconv2d):
        _float32_weights(layer_class)
    F.GetItemGrad.forward = _get_item_grad
    dezero.utils.reshape_sum_backward = _reshape_sum_backward
    dezero.layers.Layer.save_weights = _save_weights
    dezero.layers.Layer.load_weights = _load_weights
    # As shipped this is True wherever CuPy can be imported, GPU or not.
    dezero.cuda.gpu_enable = gpu_is_available()


def named_parameters(layer: Any) -> dict[str, Any]:
    """Every parameter of a model by name (`fc1/linear/W`), sorted: DeZero keeps them in a set."""
    found: dict[str, Any] = {}
    layer._flatten_params(found)
    return {name: found[name] for name in sorted(found)}


_repair()
