"""The DeZero functions of the fast engine: what is computed, and what is kept for the backward
pass.

Each is called with arrays or Variables and is given the kernels of a device (`runner.engine.cpu`).
An input that is a plain array, such as the images of a batch, gets no gradient, because nobody
could ask for it. There are first derivatives only. A function that stands in the place of one of
DeZero's has that compute higher ones; for the others, the stock engine has them.
"""

from collections.abc import Iterator
from typing import Any

from runner.engine import shapes
from runner.engine.device import Array
from runner.engine.dezero import Function, Variable, call_as_shipped, dezero
from runner.seeding import Draw


class Constant(Variable):  # type: ignore[misc]  # DeZero is untyped
    """What was computed from plain arrays alone, and therefore gets no gradient either."""


def wants_gradient(x: Any) -> bool:
    """Whether an input of a function may be asked for its gradient."""
    return isinstance(x, Variable) and not isinstance(x, Constant)


class FirstDerivatives(Function):  # type: ignore[misc]
    """A function with a backward pass of its own kernels.

    Parameters
    ----------
    kernels
        `runner.engine.cpu`, or an object with the same names for another device.
    own
        The function of DeZero's in whose place this one stands, if any.
    """

    def __init__(self, kernels: Any, own: Any = None) -> None:
        super().__init__()
        self.kernels, self.own = kernels, own
        self.want_gx = True

    def __call__(self, *inputs: Any) -> Any:
        self.want_gx = wants_gradient(inputs[0])
        return call_as_shipped(self, *inputs)

    def backward(self, gy: Any) -> Any:
        # DeZero leaves this on in the backward pass only for `backward(create_graph=True)`.
        if dezero.Config.enable_backprop:
            return self.by_dezero().backward(gy)
        y = self.outputs[0]()
        if gy.dtype != y.dtype:  # y went into a sum with float64 numbers of a user's model
            gy = Variable(gy.data.astype(y.dtype))
        return self.first_derivatives(gy)

    def first_derivatives(self, gy: Any) -> Any:
        """The gradients of the inputs, as `backward` returns them."""
        raise NotImplementedError

    def by_dezero(self) -> Any:
        """DeZero's own function, in the state in which it would have computed this one's output."""
        if self.own is None:
            raise NotImplementedError(
                "the fast engine gives first derivatives only; train with engine=stock"
            )
        self.own.inputs, self.own.outputs = self.inputs, self.outputs
        return self.own


class Parametric(FirstDerivatives):
    """A function of (x, W, b); b may be None where `compute` takes that."""

    def forward(self, x: Array, W: Array, b: Array) -> Array:
        self.check(x, W, b)
        x, W = in_order(x, W)
        return self.compute(x, W, b if b is None else next(in_order(b)))

    def check(self, x: Array, W: Array, b: Array) -> None:
        """Refuse arrays that the kernels would read past, by ModelError.

        Nothing is refused where whoever makes the function has looked at them (substitutes.py).
        """

    def compute(self, x: Array, W: Array, b: Array) -> Array:
        """The output for arrays in C order."""
        raise NotImplementedError

    def first_derivatives(self, gy: Any) -> tuple[Any, Any, Any]:
        x, W, b = self.inputs
        shapes.check_gradient(gy, self.outputs[0]())
        gW, gb = gradient_array(W), None if b.data is None else gradient_array(b)
        x_data, W_data, gy_data = in_order(x.data, W.data, gy.data)
        gx = self.gradients(x_data, W_data, gy_data, gW, gb)
        return variable(gx), Variable(gW), variable(gb)

    def gradients(self, x: Array, W: Array, gy: Array, gW: Array, gb: Any) -> Array | None:
        """Fill gW and gb; return the gradient of x, or None where `want_gx` is False."""
        raise NotImplementedError


class ConvReluPool(Parametric):
    """max-pool(relu(convolution(x, W) + b)): odd kernel, stride 1, same size, 2x2 windows."""

    def check(self, x: Array, W: Array, b: Array) -> None:
        shapes.check_convolution(x, W, b, smallest=2)

    def compute(self, x: Array, W: Array, b: Array) -> Array:
        y, self.winners = self.kernels.conv_relu_pool(x, W, b)
        return y

    def gradients(self, x: Array, W: Array, gy: Array, gW: Array, gb: Array) -> Array | None:
        return self.kernels.conv_relu_pool_gradients(x, W, self.winners, gy, gW, gb, self.want_gx)


class ConvRelu(Parametric):
    """relu(convolution(x, W) + b): odd kernel, stride 1, same size."""

    def check(self, x: Array, W: Array, b: Array) -> None:
        shapes.check_convolution(x, W, b)

    def compute(self, x: Array, W: Array, b: Array) -> Array:
        self.y = self.kernels.conv_relu(x, W, b)
        return self.y

    def gradients(self, x: Array, W: Array, gy: Array, gW: Array, gb: Array) -> Array | None:
        return self.kernels.conv_relu_gradients(x, W, self.y, gy, gW, gb, self.want_gx)


class LinearRelu(Parametric):
    """relu(x @ W + b), with dropout when there is a draw."""

    def __init__(self, kernels: Any, draw: Draw | None) -> None:
        super().__init__(kernels)
        self.draw = draw
        #: The gradients of y, of the ReLU's input and of b, where `Linear` computed them together
        #: with its own.
        self.computed: tuple[Array, Array, Array] | None = None

    def check(self, x: Array, W: Array, b: Array) -> None:
        shapes.check_linear(x, W, b)

    def compute(self, x: Array, W: Array, b: Array) -> Array:
        self.y = self.kernels.linear_relu(x, W, b, self.draw)
        return self.y

    def gradients(self, x: Array, W: Array, gy: Array, gW: Array, gb: Array) -> Array | None:
        computed, self.computed = self.computed, None
        # Where y went to several functions, DeZero adds their gradients in a new array, and gy is
        # not the computed one.
        if computed is not None and gy is computed[0] and gb is computed[2]:
            return self.kernels.product_gradients(x, W, computed[1], gW, self.want_gx)
        return self.kernels.linear_relu_gradients(x, W, self.y, self.draw, gy, gW, gb, self.want_gx)


class Linear(Parametric):
    """x @ W + b."""

    def check(self, x: Array, W: Array, b: Array) -> None:
        shapes.check_linear(x, W, b)

    def compute(self, x: Array, W: Array, b: Array) -> Array:
        return self.kernels.linear(x, W, b)

    def gradients(self, x: Array, W: Array, gy: Array, gW: Array, gb: Array) -> Array | None:
        # A device may have one kernel for these gradients and those of the LinearRelu before.
        before = self.inputs[0].creator
        kernel = getattr(self.kernels, "linear_and_relu_gradients", None)
        if kernel and isinstance(before, LinearRelu) and x is before.y:
            gb_before = _place(before.inputs[2])
            if gb_before is not None and (
                gradients := kernel(x, W, before.draw, gy, gW, gb, gb_before)
            ):
                before.computed = *gradients, gb_before
                return gradients[0]
        return self.kernels.linear_gradients(x, W, gy, gW, gb, self.want_gx)


class Dropout(FirstDerivatives):
    """x of shape (n, ...) where it is kept, divided by the kept share; else 0."""

    def __init__(self, kernels: Any, draw: Draw) -> None:
        super().__init__(kernels)
        self.draw = draw
        #: Where a device draws by a counter that the loss moves on, what it kept.
        self.kept: Array | None = None

    def forward(self, x: Array) -> Array:
        (x,) = in_order(x)
        keep = getattr(self.kernels, "keep", None)
        if keep is None:
            return self.kernels.dropout(x, self.draw)
        self.kept = keep(x, self.draw)
        return x * self.kept / x.dtype.type(self.draw.kept)

    def first_derivatives(self, gy: Any) -> Any:
        (gy_data,) = in_order(gy.data)
        if self.kept is None:
            return Variable(self.kernels.dropout(gy_data, self.draw))
        return Variable(gy_data / gy_data.dtype.type(self.draw.kept) * self.kept)


class SoftmaxCrossEntropy(FirstDerivatives):
    """Mean softmax cross-entropy of scores y (n, n_classes) and labels t (n,).

    After the call `correct`, bool (n,), says which rows are classified right.
    """

    def forward(self, y: Array, t: Array) -> Array:
        shapes.check_scores(y, t)
        loss, self.correct, self.gradient = self.kernels.softmax_cross_entropy(*in_order(y, t))
        return loss

    def first_derivatives(self, gy: Any) -> tuple[Any, None]:
        gradient = self.gradient
        # The gradient of a loss that is not part of a larger one is 1: no need to multiply by it.
        return Variable(gradient if self.kernels.is_one(gy.data) else gradient * gy.data), None


def variable(gradient: Array | None) -> Any:
    """A gradient as `backward` returns it: None where there is none."""
    return None if gradient is None else Variable(gradient)


def in_order(*arrays: Array) -> Iterator[Array]:
    """The arrays in C order: copies of those that a user's model transposed or sliced."""
    return (array if array.flags.c_contiguous else array.copy(order="C") for array in arrays)


def _place(parameter: Any) -> Array | None:
    """The array of `FlatParameters` for the gradient of a parameter, or None.

    It may not be written when the parameter has had a gradient since `cleargrads`, because DeZero
    adds the two.
    """
    return getattr(parameter, "gradient_place", None) if parameter.grad is None else None


def gradient_array(parameter: Any) -> Array:
    """The array to write the gradient of a parameter into: the optimizer's, or a new one."""
    place, data = _place(parameter), parameter.data
    if place is not None:
        return place
    return dezero.cuda.get_array_module(data).empty(data.shape, dtype=data.dtype)
