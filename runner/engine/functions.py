"""The fast engine's DeZero functions: what is computed, what is kept for the way back, and for whom.

Each is called with arrays or Variables and the kernels of a device (`runner.engine.cpu`). An input given as a
plain array, such as the images of a batch, gets no gradient: nobody could ask for it. First derivatives only;
the stock engine has higher ones.
"""

from collections.abc import Iterator
from typing import Any

from runner.engine.dezero import Function, Variable, dezero
from runner.seeding import Draw


class _Parametric(Function):  # type: ignore[misc]  # DeZero is untyped
    """A function of (x, W, b)."""

    def __init__(self, kernels: Any) -> None:
        super().__init__()
        self.kernels = kernels
        self.want_gx = True

    def __call__(self, x: Any, W: Any, b: Any) -> Any:
        self.want_gx = isinstance(x, Variable)
        return super().__call__(x, W, b)

    def forward(self, x: Any, W: Any, b: Any) -> Any:
        return self.compute(*_in_order(x, W, b))

    def compute(self, x: Any, W: Any, b: Any) -> Any:
        """The output for arrays in C order."""
        raise NotImplementedError

    def backward(self, gy: Any) -> tuple[Any, Any, Any]:
        _refuse_second_derivatives()
        x, W, b = self.inputs
        gW, gb = _gradient_array(W), _gradient_array(b)
        x_data, W_data, gy_data = _in_order(x.data, W.data, gy.data)
        gx = self.gradients(x_data, W_data, gy_data, gW, gb)
        return None if gx is None else Variable(gx), Variable(gW), Variable(gb)

    def gradients(self, x: Any, W: Any, gy: Any, gW: Any, gb: Any) -> Any:
        """Fill gW and gb, return the gradient of x or None."""
        raise NotImplementedError


class ConvReluPool(_Parametric):
    """max-pool(relu(convolution(x, W) + b)): odd kernel, stride 1, same size, 2x2 windows side by side."""

    def compute(self, x: Any, W: Any, b: Any) -> Any:
        y, self.winners = self.kernels.conv_relu_pool(x, W, b)
        return y

    def gradients(self, x: Any, W: Any, gy: Any, gW: Any, gb: Any) -> Any:
        return self.kernels.conv_relu_pool_gradients(x, W, self.winners, gy, gW, gb, self.want_gx)


class ConvRelu(_Parametric):
    """relu(convolution(x, W) + b): odd kernel, stride 1, same size."""

    def compute(self, x: Any, W: Any, b: Any) -> Any:
        self.y = self.kernels.conv_relu(x, W, b)
        return self.y

    def gradients(self, x: Any, W: Any, gy: Any, gW: Any, gb: Any) -> Any:
        return self.kernels.conv_relu_gradients(x, W, self.y, gy, gW, gb, self.want_gx)


class LinearRelu(_Parametric):
    """relu(x @ W + b), with dropout when there is a draw."""

    def __init__(self, kernels: Any, draw: Draw | None) -> None:
        super().__init__(kernels)
        self.draw = draw
        #: Gradient of y, gradient of what the ReLU is applied to and gradient of b, if the function that y went to
        #: computed them with its own.
        self.ready: tuple[Any, Any, Any] | None = None

    @property
    def ratio(self) -> float | None:
        return self.draw.ratio if self.draw else None

    def compute(self, x: Any, W: Any, b: Any) -> Any:
        self.y = self.kernels.linear_relu(x, W, b, self.draw)
        return self.y

    def gradients(self, x: Any, W: Any, gy: Any, gW: Any, gb: Any) -> Any:
        ready, self.ready = self.ready, None
        # DeZero makes a new array of the gradients that y has from several functions: then this is another one.
        if ready is not None and gy is ready[0] and gb is ready[2]:
            return self.kernels.product_gradients(x, W, ready[1], gW, self.want_gx)
        return self.kernels.linear_relu_gradients(x, W, self.y, self.ratio, gy, gW, gb, self.want_gx)


class Linear(_Parametric):
    """x @ W + b."""

    def compute(self, x: Any, W: Any, b: Any) -> Any:
        return self.kernels.linear(x, W, b)

    def gradients(self, x: Any, W: Any, gy: Any, gW: Any, gb: Any) -> Any:
        before, both = self.inputs[0].creator, getattr(self.kernels, "linear_and_relu_gradients", None)
        if both and isinstance(before, LinearRelu) and x is before.y:
            gb_before = _place(before.inputs[2])
            if gb_before is not None and (found := both(x, W, before.ratio, gy, gW, gb, gb_before)):
                before.ready = *found, gb_before
                return found[0]
        return self.kernels.linear_gradients(x, W, gy, gW, gb, self.want_gx)


class SoftmaxCrossEntropy(Function):  # type: ignore[misc]
    """Mean softmax cross-entropy of scores y (n, n_classes) against labels t (n,); `correct` says which are right."""

    def __init__(self, kernels: Any) -> None:
        super().__init__()
        self.kernels = kernels

    def forward(self, y: Any, t: Any) -> Any:
        loss, self.correct, self.gradient = self.kernels.softmax_cross_entropy(*_in_order(y, t))
        return loss

    def backward(self, gy: Any) -> tuple[Any, None]:
        _refuse_second_derivatives()
        gradient = self.gradient
        # Training starts with the gradient 1, and need not multiply by it.
        return Variable(gradient if self.kernels.is_one(gy.data) else gradient * gy.data), None


def _refuse_second_derivatives() -> None:
    # DeZero leaves this on during `backward(create_graph=True)` alone.
    if dezero.Config.enable_backprop:
        raise NotImplementedError("the fast engine gives first derivatives only; train with engine=stock")


def _in_order(*arrays: Any) -> Iterator[Any]:
    """The arrays in C order, as the kernels want them: themselves, unless a user's model transposed or cut them."""
    return (array if array.flags.c_contiguous else array.copy(order="C") for array in arrays)


def _place(parameter: Any) -> Any:
    """The optimizer's own place for the gradient of a parameter, if that is free, or None.

    It is not when the parameter has had a gradient since `cleargrads`, for DeZero adds the two.
    """
    return getattr(parameter, "gradient_place", None) if parameter.grad is None else None


def _gradient_array(parameter: Any) -> Any:
    """Where the gradient of a parameter is written: the optimizer's place, or else an array of its own."""
    place, data = _place(parameter), parameter.data
    return dezero.cuda.get_array_module(data).empty(data.shape, dtype=data.dtype) if place is None else place
