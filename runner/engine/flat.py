"""The parameters of a model in one flat array, and DeZero's optimizers on it, one pass a step."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runner.engine.device import Array
from runner.engine.dezero import dezero, named_parameters
from runner.engine.optimizers import Entry

#: Each parameter starts at a multiple of so many numbers: 64 bytes of float32, a cache line.
_ALIGNMENT = 16


class FlatParameters:
    """Parameters of a model, sorted by name, as views of one array; gradients likewise.

    `data`, `gradients` and the arrays that `zeros` gives have the shape (n_numbers,). Between two
    parameters they hold zeros.
    """

    def __init__(self, model: Any) -> None:
        self.parameters = list(named_parameters(model).values())
        starts, end = [], 0
        for parameter in self.parameters:
            starts.append(end)
            end += -(-parameter.data.size // _ALIGNMENT) * _ALIGNMENT
        self._spans = [(s, s + p.data.size) for s, p in zip(starts, self.parameters, strict=True)]
        self._n_numbers = end
        self.data, self.gradients = self.zeros(), self.zeros()
        self._data_views, self._gradient_views = self.views(self.data), self.views(self.gradients)
        for parameter, data, gradient in zip(
            self.parameters, self._data_views, self._gradient_views, strict=True
        ):
            data[...] = parameter.data
            parameter.data, parameter.gradient_place = data, gradient

    def zeros(self) -> Array:
        """A flat array of zeros, with the type of the parameters and on their device."""
        first = self.parameters[0].data
        return dezero.cuda.get_array_module(first).zeros(self._n_numbers, dtype=first.dtype)

    def views(self, flat: Array) -> list[Array]:
        """The part of a flat array that belongs to each parameter, in its shape."""
        spans = zip(self._spans, self.parameters, strict=True)
        return [flat[start:stop].reshape(p.data.shape) for (start, stop), p in spans]

    def spans_to_update(self) -> Iterator[slice]:
        """Bring weights and gradients into the flat arrays; spans of those that have a gradient.

        There is one span, of everything, when every parameter has one.
        """
        all_have_one = True
        for parameter, data, gradient in zip(
            self.parameters, self._data_views, self._gradient_views, strict=True
        ):
            # `load_weights`, or a user's model, may have given the parameter a new array with new
            # values.
            if parameter.data is not data:
                data[...] = parameter.data
                parameter.data = data
            if parameter.grad is None:
                all_have_one = False
            elif parameter.grad.data is not gradient:
                gradient[...] = parameter.grad.data
        if all_have_one:
            yield slice(None)
            return
        for (start, stop), parameter in zip(self._spans, self.parameters, strict=True):
            if parameter.grad is not None:
                yield slice(start, stop)


class _Flat:
    """What the optimizers here share: flat parameters, weight decay, and DeZero's hooks."""

    kernels: Any
    decay: float
    lr: float
    hooks: list[Any]

    def setup(self, target: Any) -> Any:
        super().setup(target)  # type: ignore[misc]
        self.flat = FlatParameters(target)
        return self

    def new_slot(self) -> tuple[Array, dict[int, Array]]:
        """A flat array of zeros for the optimizer's state, and the part of each parameter by id."""
        flat = self.flat.zeros()
        views = self.flat.views(flat)
        return flat, {id(p): view for p, view in zip(self.flat.parameters, views, strict=True)}

    def update(self) -> None:
        parameters = [p for p in self.flat.parameters if p.grad is not None]
        decay = self.decay
        if self.hooks:
            # In DeZero the weight decay is the first hook, so that later ones see gradients with
            # it.
            dezero.optimizers.WeightDecay(decay)(parameters)
            decay = 0.0
        for hook in self.hooks:
            hook(parameters)
        for span in self.flat.spans_to_update():
            self.apply(span, decay)

    def warm_up(self) -> None:
        """Compile the kernel of `update`, by an update of no numbers."""
        self.apply(slice(0, 0), self.decay)

    def rates(self, n: int) -> NDArray[np.float64]:
        """The learning rate of each of the next n steps, of shape (n,)."""
        return np.full(n, self.lr)

    def count(self, n: int) -> None:
        """Count n steps that a CUDA graph took without a call of `update`."""

    def apply(self, span: slice, decay: float) -> None:
        """Update these numbers of the flat parameters, the decay added to their gradients."""
        raise NotImplementedError


class Adam(_Flat, dezero.optimizers.Adam):  # type: ignore[misc]  # DeZero is untyped
    """DeZero's Adam and weight decay in one pass."""

    def __init__(self, kernels: Any, lr: float, decay: float) -> None:
        super().__init__(lr)
        self.kernels, self.decay = kernels, decay

    def setup(self, target: Any) -> Any:
        super().setup(target)
        self.m, self.ms = self.new_slot()
        self.v, self.vs = self.new_slot()
        return self

    def update(self) -> None:
        self.t += 1
        super().update()

    def warm_up(self) -> None:
        self.t += 1  # DeZero's rate of step 0 divides by 0
        super().warm_up()
        self.t -= 1

    def rates(self, n: int) -> NDArray[np.float64]:
        rates = np.empty(n)
        for i in range(n):
            self.t += 1
            rates[i] = self.lr  # DeZero's corrected rate of step t
        self.t -= n
        return rates

    def count(self, n: int) -> None:
        self.t += n

    def apply(self, span: slice, decay: float) -> None:
        p, g, m, v = (flat[span] for flat in (self.flat.data, self.flat.gradients, self.m, self.v))
        betas = self.beta1, self.beta2
        self.kernels.adam(p, g, m, v, self.lr, betas, self.eps, decay)


class MomentumSGD(_Flat, dezero.optimizers.MomentumSGD):  # type: ignore[misc]
    """DeZero's momentum and weight decay in one pass."""

    def __init__(self, kernels: Any, lr: float, momentum: float, decay: float) -> None:
        super().__init__(lr, momentum)
        self.kernels, self.decay = kernels, decay

    def setup(self, target: Any) -> Any:
        super().setup(target)
        self.v, self.vs = self.new_slot()
        return self

    def apply(self, span: slice, decay: float) -> None:
        p, g, v = (flat[span] for flat in (self.flat.data, self.flat.gradients, self.v))
        self.kernels.momentum(p, g, v, self.lr, self.momentum, decay)


class SGD(_Flat, dezero.optimizers.SGD):  # type: ignore[misc]
    """DeZero's SGD and weight decay in one pass."""

    def __init__(self, kernels: Any, lr: float, decay: float) -> None:
        super().__init__(lr)
        self.kernels, self.decay = kernels, decay

    def apply(self, span: slice, decay: float) -> None:
        self.kernels.sgd(self.flat.data[span], self.flat.gradients[span], self.lr, decay)


#: The optimizers of the fast engine by name. Their names are also in runner/config/names.py.
OPTIMIZERS: dict[str, Entry] = {
    "adam": Entry(
        lambda config, kernels: Adam(kernels, config.lr, config.weight_decay), slots=("ms", "vs")
    ),
    "momentum": Entry(
        lambda config, kernels: MomentumSGD(
            kernels, config.lr, config.momentum, config.weight_decay
        ),
        slots=("vs",),
    ),
    "sgd": Entry(lambda config, kernels: SGD(kernels, config.lr, config.weight_decay)),
}
