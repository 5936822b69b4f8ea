"""The parameters of a model in one flat array, and DeZero's optimizers on it, one pass a step."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runner.engine.device import Array
from runner.engine.dezero import dezero, named_parameters

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
        self._slots: dict[str, Array] = {}
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

    def slot(self, name: str) -> dict[int, Array]:
        """A new flat array of zeros under this name: the part of each parameter, by its id."""
        flat = self._slots[name] = self.zeros()
        return {id(p): view for p, view in zip(self.parameters, self.views(flat), strict=True)}

    def parts(self, span: slice, *slots: str) -> list[Array]:
        """These numbers of the parameters, of the gradients, and of the named slots."""
        return [flat[span] for flat in (self.data, self.gradients, *map(self._slots.get, slots))]

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
    """What the optimizers here share: flat parameters, and the two kinds of weight decay."""

    #: Their numbers are the model's, or those of the attributes by parameter.
    no_state = ("flat", "kernels", "decay", "decoupled_decay")

    kernels: Any
    #: The share of each weight that is added to its gradient.
    decay = 0.0
    #: The share of each weight that, times the learning rate, is taken off it before the update.
    decoupled_decay = 0.0

    def setup(self, target: Any) -> Any:
        super().setup(target)  # type: ignore[misc]
        self.flat = FlatParameters(target)
        return self

    def update(self) -> None:
        for span in self.flat.spans_to_update():
            self.apply(span)

    def warm_up(self) -> None:
        """Compile the kernel of `update`, by an update of no numbers."""
        self.apply(slice(0, 0))

    def rates(self, rates: NDArray[np.float64]) -> NDArray[np.float64]:
        """The learning rates of the next steps, of shape (n,), as the kernels take them."""
        return rates

    def keep(self, rate: Any) -> Any:
        """What decoupled decay multiplies a weight by, at these learning rates."""
        return 1 - rate * self.decoupled_decay

    def count(self, n: int) -> None:
        """Count n steps that a CUDA graph took without a call of `update`."""

    def apply(self, span: slice) -> None:
        """Update these numbers of the flat parameters."""
        raise NotImplementedError


class Adam(_Flat, dezero.optimizers.Adam):  # type: ignore[misc]  # DeZero is untyped
    """DeZero's Adam and weight decay in one pass."""

    alpha: float
    t: int

    def setup(self, target: Any) -> Any:
        super().setup(target)
        self.ms, self.vs = self.flat.slot("ms"), self.flat.slot("vs")
        return self

    def update(self) -> None:
        self.t += 1
        super().update()

    def warm_up(self) -> None:
        self.t += 1  # DeZero's rate of step 0 divides by 0
        super().warm_up()
        self.t -= 1

    def rates(self, rates: NDArray[np.float64]) -> NDArray[np.float64]:
        corrected, now = np.empty(len(rates)), (self.alpha, self.t)
        for i, rate in enumerate(rates.tolist()):
            self.alpha, self.t = rate, self.t + 1
            corrected[i] = self.lr  # DeZero's corrected rate of step t
        self.alpha, self.t = now
        return corrected

    def count(self, n: int) -> None:
        self.t += n

    def apply(self, span: slice) -> None:
        p, g, m, v = self.flat.parts(span, "ms", "vs")
        betas, keep = (self.beta1, self.beta2), self.keep(self.alpha)
        self.kernels.adam(p, g, m, v, self.lr, betas, self.eps, self.decay, keep)


class MomentumSGD(_Flat, dezero.optimizers.MomentumSGD):  # type: ignore[misc]
    """DeZero's momentum and weight decay in one pass."""

    def setup(self, target: Any) -> Any:
        super().setup(target)
        self.vs = self.flat.slot("vs")
        return self

    def apply(self, span: slice) -> None:
        p, g, v = self.flat.parts(span, "vs")
        self.kernels.momentum(p, g, v, self.lr, self.momentum, self.decay, self.keep(self.lr))


class SGD(_Flat, dezero.optimizers.SGD):  # type: ignore[misc]
    """DeZero's SGD and weight decay in one pass."""

    def apply(self, span: slice) -> None:
        p, g = self.flat.parts(span)
        self.kernels.sgd(p, g, self.lr, self.decay, self.keep(self.lr))


def fused(kernels: Any) -> dict[type, Callable[..., Any]]:
    """By DeZero's class, what makes its optimizer with these kernels, from the same arguments."""

    def made(of: type) -> Callable[..., Any]:
        def make(**arguments: Any) -> Any:
            optimizer = of(**arguments)
            optimizer.kernels = kernels
            return optimizer

        return make

    return {of.__mro__[2]: made(of) for of in (Adam, MomentumSGD, SGD)}
