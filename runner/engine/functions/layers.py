"""The layers of the fast engine: DeZero's own hold the parameters, fused functions compute."""

from typing import Any

from runner.engine.dezero import L, Variable, dezero, dropout_is_on
from runner.engine.functions import fused
from runner.seeding import Masks


class ConvBlock(L.Layer):  # type: ignore[misc]  # DeZero is untyped
    """A convolution (stride 1, same size) and ReLU for each of `channels`, then a 2x2 max-pool."""

    def __init__(self, kernels: Any, channels: list[int], kernel_size: int) -> None:
        super().__init__()
        self.kernels = kernels
        self.convs = [L.Conv2d(n, kernel_size, stride=1, pad=kernel_size // 2) for n in channels]
        for i, conv in enumerate(self.convs, start=1):
            setattr(self, f"conv{i}", conv)

    def forward(self, x: Any) -> Any:
        for conv in self.convs[:-1]:
            x = fused.ConvRelu(self.kernels)(*_inputs(conv, x))
        return fused.ConvReluPool(self.kernels)(*_inputs(self.convs[-1], x))


class Hidden(L.Layer):  # type: ignore[misc]
    """Linear, ReLU, dropout."""

    def __init__(
        self, kernels: Any, name: str, size: int, dropout_ratio: float | None, masks: Masks
    ) -> None:
        super().__init__()
        self.kernels, self.name = kernels, name
        self.dropout_ratio, self.masks = dropout_ratio, masks
        self.linear = L.Linear(size)

    def forward(self, x: Any) -> Any:
        draw = None
        if self.dropout_ratio is not None and dropout_is_on():
            draw = self.masks.draw(self.name, self.dropout_ratio)
        return fused.LinearRelu(self.kernels, draw)(*_inputs(self.linear, x))


class Linear(L.Linear):  # type: ignore[misc]
    """DeZero's linear layer, computed by the engine's function."""

    def __init__(self, kernels: Any, size: int) -> None:
        super().__init__(size)
        self.kernels = kernels

    def forward(self, x: Any) -> Any:
        return fused.Linear(self.kernels)(*_inputs(self, x))


def _inputs(layer: Any, x: Any) -> tuple[Any, Any, Any]:
    """x, W and b of a DeZero layer; W is made when the first input shows its size, as in DeZero."""
    if layer.W.data is None:
        xp = dezero.cuda.get_array_module(x)
        if hasattr(layer, "in_channels"):
            layer.in_channels = x.shape[1]
        else:
            layer.in_size = x.shape[1]
        layer._init_W(xp)
        if not dezero.Config.enable_backprop:
            # Weights that numpy.random drew are float64 until `models.build` has seen all of them.
            x = (x.data if isinstance(x, Variable) else x).astype(layer.W.dtype, copy=False)
    return x, layer.W, layer.b
