"""Functions that stand in the place of DeZero's own, one for one.

Each says in `fits` for which arguments it can: for arrays of one floating type, which whoever asks
has made sure of (substitutes.py). For all others, such as those that DeZero refuses, DeZero's own
function is called.
"""

from typing import Any

from runner.engine.device import Array
from runner.engine.dezero import Variable, dezero
from runner.engine.functions import fused
from runner.engine.functions.fused import FirstDerivatives, gradient_array, in_order, variable

_pair = dezero.utils.pair


class _Activation(FirstDerivatives):
    """A function of each number by itself."""

    @staticmethod
    def fits(own: Any, x: Array) -> bool:
        return bool(x.size)

    def forward(self, x: Array) -> Array:
        (x,) = in_order(x)
        #: What the gradient is computed from.
        self.kept = y = self.compute(x)
        return y

    def first_derivatives(self, gy: Any) -> Any:
        (gy_data,) = in_order(gy.data)
        return Variable(self.gradient(gy_data))

    def compute(self, x: Array) -> Array:
        """The output for an array in C order."""
        raise NotImplementedError

    def gradient(self, gy: Array) -> Array:
        """The gradient of x."""
        raise NotImplementedError


class Relu(_Activation):
    """max(x, 0)."""

    def compute(self, x: Array) -> Array:
        return self.kernels.relu(x)

    def gradient(self, gy: Array) -> Array:
        return self.kernels.relu_gradient(gy, self.kept)


class LeakyRelu(_Activation):
    """x, and `slope` times x where it is not positive."""

    def forward(self, x: Array) -> Array:
        (self.kept,) = in_order(x)
        return self.kernels.leaky_relu(self.kept, self.own.slope)

    def gradient(self, gy: Array) -> Array:
        return self.kernels.leaky_relu_gradient(gy, self.kept, self.own.slope)


class Tanh(_Activation):
    """The hyperbolic tangent."""

    def compute(self, x: Array) -> Array:
        return self.kernels.tanh(x)

    def gradient(self, gy: Array) -> Array:
        return self.kernels.tanh_gradient(gy, self.kept)


class Sigmoid(_Activation):
    """The logistic function."""

    def compute(self, x: Array) -> Array:
        return self.kernels.sigmoid(x)

    def gradient(self, gy: Array) -> Array:
        return self.kernels.sigmoid_gradient(gy, self.kept)


class Linear(fused.Linear):
    """x @ W + b, or without b."""

    @staticmethod
    def fits(own: Any, x: Array, W: Array, b: Array | None) -> bool:
        fit = x.ndim == W.ndim == 2 and x.shape[1] == W.shape[0] and x.size and W.size
        return bool(fit) and (b is None or b.shape == W.shape[1:])

    def check(self, x: Array, W: Array, b: Array | None) -> None:
        pass  # `fits` has looked at them, and allows for no b


class Conv2d(fused.Parametric):
    """The convolution of x with W, with or without b."""

    @staticmethod
    def fits(own: Any, x: Array, W: Array, b: Array | None) -> bool:
        fit = x.ndim == W.ndim == 4 and x.shape[1] == W.shape[1] and x.size and W.size
        return (
            bool(fit)
            and _has_windows(x, W.shape[2:], own.stride, own.pad)
            and (b is None or b.shape == W.shape[:1])
        )

    def compute(self, x: Array, W: Array, b: Array) -> Array:
        return self.kernels.conv(x, W, b, self.own.stride, self.own.pad)

    def gradients(self, x: Array, W: Array, gy: Array, gW: Array, gb: Any) -> Array | None:
        window = self.own.stride, self.own.pad
        return self.kernels.conv_gradients(x, W, gy, gW, gb, self.want_gx, *window)


class _Pool(FirstDerivatives):
    """A number for each window of an image."""

    def __init__(self, kernels: Any, own: Any) -> None:
        super().__init__(kernels, own)
        self.window = tuple(_pair(size) for size in (own.kernel_size, own.stride, own.pad))

    @staticmethod
    def fits(own: Any, x: Array) -> bool:
        return (
            x.ndim == 4 and bool(x.size) and _has_windows(x, own.kernel_size, own.stride, own.pad)
        )

    def by_dezero(self) -> Any:
        own = super().by_dezero()
        own.forward(self.inputs[0].data)  # keeps what its `backward` needs
        return own


class MaxPool(_Pool):
    """The largest number of each window."""

    def forward(self, x: Array) -> Array:
        y, self.winners = self.kernels.max_pool(*in_order(x), *self.window)
        return y

    def first_derivatives(self, gy: Any) -> Any:
        (gy_data,) = in_order(gy.data)
        shape = self.inputs[0].shape
        return Variable(
            self.kernels.max_pool_gradient(gy_data, self.winners, shape, self.window[2])
        )


class AveragePool(_Pool):
    """The mean of each window."""

    def forward(self, x: Array) -> Array:
        return self.kernels.average_pool(*in_order(x), *self.window)

    def first_derivatives(self, gy: Any) -> Any:
        (gy_data,) = in_order(gy.data)
        shape = self.inputs[0].shape
        return Variable(self.kernels.average_pool_gradient(gy_data, shape, *self.window))


class BatchNorm(FirstDerivatives):
    """Batch normalisation; in training mode it moves `own.avg_mean` and `own.avg_var`, in place."""

    @staticmethod
    def fits(own: Any, x: Array, gamma: Array, beta: Array) -> bool:
        per_channel = gamma, beta, own.avg_mean, own.avg_var
        return (
            x.ndim in (2, 4)
            and bool(x.size)
            and all(a.shape == x.shape[1:2] and a.dtype == x.dtype for a in per_channel)
        )

    def forward(self, x: Array, gamma: Array, beta: Array) -> Array:
        own, arrays = self.own, tuple(in_order(x, gamma, beta))
        if not dezero.Config.train:
            self.moments = None
            in_test = *in_order(own.avg_mean, own.avg_var), own.eps
            return self.kernels.normalise_by_averages(*arrays, *in_test)
        in_training = own.avg_mean, own.avg_var, own.eps, own.decay
        y, mean, inv_std = self.kernels.normalise_batch(*arrays, *in_training)
        self.moments = mean, inv_std
        return y

    def first_derivatives(self, gy: Any) -> Any:
        if self.moments is None:  # of an output of test mode; DeZero has none and says so
            return self.by_dezero().backward(gy)
        x, gamma, beta = self.inputs
        x_data, gamma_data, gy_data = in_order(x.data, gamma.data, gy.data)
        places = gradient_array(gamma), gradient_array(beta)
        gx = self.kernels.normalise_gradients(
            x_data, *self.moments, gamma_data, gy_data, *places, self.want_gx
        )
        return variable(gx), *(Variable(place) for place in places)

    def by_dezero(self) -> Any:
        own = super().by_dezero()
        own.inv_std = self.moments and self.moments[1]
        return own


class SoftmaxCrossEntropy(fused.SoftmaxCrossEntropy):
    """Mean softmax cross-entropy of scores (n, n_classes) and labels (n,)."""

    @staticmethod
    def fits(own: Any, y: Array, t: Array) -> bool:
        return (
            y.ndim == 2
            and bool(y.size)
            and t.shape == y.shape[:1]
            and 0 <= int(t.min())
            and int(t.max()) < y.shape[1]
        )


def _has_windows(x: Array, kernel: Any, stride: Any, pad: Any) -> bool:
    """Whether at least one window fits into the padded image."""
    kernel, stride, pad = _pair(kernel), _pair(stride), _pair(pad)
    return all(
        pad[i] >= 0 and stride[i] > 0 and 0 < kernel[i] <= x.shape[2 + i] + 2 * pad[i]
        for i in range(2)
    )
