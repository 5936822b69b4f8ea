"""The fast engine: DeZero's model, loop and optimizers, with fused functions and kernels of our own."""

from typing import TYPE_CHECKING, Any

import numpy as np

from runner.engine import flat, functions, layers, optimizers
from runner.engine.dezero import no_grad, test_mode
from runner.engine.loop import Eager
from runner.engine.protocol import Data, Loop
from runner.seeding import Masks

if TYPE_CHECKING:
    from runner.config.schema import OptimizerConfig


class Fast:
    """Fused forward and backward, one pass an optimizer step, on the CPU.

    Parameters
    ----------
    kernels
        How the parts are computed: `runner.engine.cpu`, or what has the same names.
    """

    name = "fast"

    def __init__(self, masks: Masks, kernels: Any) -> None:
        self.masks, self.kernels = masks, kernels
        self.fallbacks: tuple[str, ...] = ()

    def conv_block(self, channels: list[int], kernel_size: int = 3) -> Any:
        return layers.ConvBlock(self.kernels, channels, kernel_size)

    def hidden(self, name: str, size: int, dropout_ratio: float | None) -> Any:
        return layers.Hidden(self.kernels, name, size, dropout_ratio, self.masks)

    def output(self, n_classes: int) -> Any:
        return layers.Linear(self.kernels, n_classes)

    def loss(self, y: Any, t: Any) -> tuple[Any, Any]:
        function = functions.SoftmaxCrossEntropy(self.kernels)
        return function(y, t), function.correct

    def optimizer(self, config: "OptimizerConfig", model: Any) -> Any:
        return optimizers.create(flat.OPTIMIZERS, self.name, config, self.kernels).setup(model)

    def asarray(self, array: Any) -> Any:
        return np.asarray(array)

    def pixels(self, images: Any, rows: Any, scale: float) -> Any:
        return self.kernels.pixels(images, rows, scale)

    def loop(self, model: Any, optimizer: Any, data: Data, batch_size: int) -> Loop:
        return Eager(model, optimizer, self, data, batch_size)

    def to_device(self, model: Any) -> None:
        pass

    def warm_up(self, model: Any, optimizer: Any, x: Any, t: Any) -> None:
        with no_grad(), test_mode():
            model(x)
        loss, _ = self.loss(model(x), t)
        self.fallbacks = _foreign(loss)
        model.cleargrads()
        loss.backward()
        model.cleargrads()
        optimizer.warm_up()


def _foreign(loss: Any) -> tuple[str, ...]:
    """Names of the functions behind a loss that are DeZero's own; reshaping computes nothing and is not counted."""
    found, waiting = set(), [loss]
    seen = set()
    while waiting:
        function = waiting.pop().creator
        if function is None or id(function) in seen:
            continue
        seen.add(id(function))
        if type(function).__module__ != functions.__name__ and type(function).__name__ != "Reshape":
            found.add(type(function).__name__)
        waiting += function.inputs
    return tuple(sorted(found))
