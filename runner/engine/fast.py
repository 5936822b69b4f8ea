"""The fast engine: DeZero's model, loop and optimizers, with fused functions and kernels."""

from typing import Any

import numpy as np

from runner.engine import flat, functions, layers
from runner.engine.device import Array
from runner.engine.dezero import no_grad, test_mode
from runner.engine.loop import Eager
from runner.engine.optimizers import Optimizer
from runner.engine.protocol import Data, Loop
from runner.engine.recipe import Recipe
from runner.seeding import Masks


class Fast:
    """Fused forward and backward passes, and one pass over all weights for an update, on the CPU.

    Parameters
    ----------
    kernels
        What computes the parts: `runner.engine.cpu`, or an object with the same names for another
        device.
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

    def loss(self, y: Any, t: Array) -> tuple[Any, Array]:
        function = functions.SoftmaxCrossEntropy(self.kernels)
        return function(y, t), function.correct

    def optimizer(self, recipe: Recipe, model: Any) -> Optimizer:
        return Optimizer(recipe, model, flat.fused(self.kernels))

    def asarray(self, array: Array) -> Array:
        return np.asarray(array)

    def pixels(self, images: Array, rows: Array, scale: float) -> Array:
        return self.kernels.pixels(images, rows, scale)

    def loop(self, model: Any, optimizer: Any, data: Data, batch_size: int) -> Loop:
        return Eager(model, optimizer, self, data, batch_size)

    def to_device(self, model: Any) -> None:
        pass

    def warm_up(self, model: Any, optimizer: Any, x: Array, t: Array) -> None:
        with no_grad(), test_mode():
            model(x)
        loss, _ = self.loss(model(x), t)
        self.fallbacks = _functions_of_dezero(loss)
        if not optimizer.is_fused:
            self.fallbacks += (type(optimizer.rule).__name__,)
        model.cleargrads()
        loss.backward()
        model.cleargrads()
        optimizer.warm_up()


def _functions_of_dezero(loss: Any) -> tuple[str, ...]:
    """Names of DeZero's own functions that a loss was computed by.

    `Reshape` computes nothing and does not count.
    """
    names, seen, variables = set(), set(), [loss]
    while variables:
        function = variables.pop().creator
        if function is None or id(function) in seen:
            continue
        seen.add(id(function))
        if type(function).__module__ != functions.__name__ and type(function).__name__ != "Reshape":
            names.add(type(function).__name__)
        variables += function.inputs
    return tuple(sorted(names))
