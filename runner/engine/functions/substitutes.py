"""Which function of ours is called in the place of one of DeZero's."""

from typing import Any

import numpy as np

from runner.engine.dezero import F, Variable, call_as_shipped, dezero
from runner.engine.functions import unfused
from runner.engine.functions.fused import Constant, FirstDerivatives, wants_gradient

_functions_conv = dezero.functions_conv

#: By the class of DeZero's; a user's subclass of one is left as it is.
SUBSTITUTES: dict[Any, Any] = {
    F.ReLU: unfused.Relu,
    F.LeakyReLU: unfused.LeakyRelu,
    F.Tanh: unfused.Tanh,
    F.Sigmoid: unfused.Sigmoid,
    F.Linear: unfused.Linear,
    F.BatchNorm: unfused.BatchNorm,
    F.SoftmaxCrossEntropy: unfused.SoftmaxCrossEntropy,
    _functions_conv.Conv2d: unfused.Conv2d,
    _functions_conv.Pooling: unfused.MaxPool,
    _functions_conv.AveragePooling: unfused.AveragePool,
}


def is_fallback(function: Any) -> bool:
    """Whether a function is computed by its own class and not by our kernels.

    `Reshape` computes nothing and does not count.
    """
    return not isinstance(function, (FirstDerivatives, F.Reshape))


class Substitutes:
    """Computes calls of DeZero's functions (`runner.engine.dezero.computed_by`) by our kernels.

    Parameters
    ----------
    kernels
        `runner.engine.cpu`.
    dtypes
        The floating types of the inputs for which there are kernels. Each more would be compiled in
        the middle of training.
    """

    def __init__(self, kernels: Any, dtypes: tuple[Any, ...] = (np.float32,)) -> None:
        self.kernels, self.dtypes = kernels, dtypes
        #: How many calls were left to DeZero's or a user's own code.
        self.n_left = 0

    def __call__(self, function: Any, *inputs: Any) -> Any:
        y = self._call(function, inputs)
        is_dezeros = type(function).__module__.startswith("dezero.")
        if is_dezeros and isinstance(y, Variable) and not any(map(wants_gradient, inputs)):
            return Constant(y.data)
        return y

    def _call(self, function: Any, inputs: tuple[Any, ...]) -> Any:
        substitute = SUBSTITUTES.get(type(function))
        if substitute is not None:
            arrays = [x.data if isinstance(x, Variable) else x for x in inputs]
            if self._are_of_one_type(substitute, arrays) and substitute.fits(function, *arrays):
                return substitute(self.kernels, function)(*inputs)
        self.n_left += is_fallback(function)
        return call_as_shipped(function, *inputs)

    def _are_of_one_type(self, substitute: Any, arrays: list[Any]) -> bool:
        first, *others = arrays
        if type(first) is not np.ndarray or first.dtype not in self.dtypes:
            return False
        if substitute is unfused.SoftmaxCrossEntropy:
            (t,) = others
            return type(t) is np.ndarray and t.dtype.kind in "iu"
        return all(a is None or type(a) is np.ndarray and a.dtype == first.dtype for a in others)
