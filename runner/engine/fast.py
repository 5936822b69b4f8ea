"""The fast engine: DeZero's model, loop and optimizers, with fused functions and kernels."""

from collections.abc import Collection
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from runner.engine.captured.loop import Captured
from runner.engine.captured.tape import Recorder, Tape
from runner.engine.captured.unchanging import why_it_may_change
from runner.engine.device import Array
from runner.engine.dezero import computed_by, no_grad, test_mode
from runner.engine.forward import forward
from runner.engine.functions import fused, layers
from runner.engine.functions.substitutes import Substitutes, is_fallback
from runner.engine.loop import NO_UPDATE, Eager, step
from runner.engine.protocol import Data, Loop
from runner.engine.recipe import Recipe
from runner.engine.update import flat
from runner.engine.update.optimizers import Optimizer
from runner.seeding import Masks


class Fast:
    """Fused forward and backward passes, and one pass over all weights for an update, on the CPU.

    Parameters
    ----------
    kernels
        What computes the parts: `runner.engine.cpu`, or an object with the same names for another
        device.
    records
        Whether steps on the CPU are captured: recorded as calls of these kernels, and replayed.
    """

    name = "fast"

    def __init__(self, masks: Masks, kernels: Any, records: bool = False) -> None:
        self.recorder = Recorder(kernels) if records else None
        self.masks = masks
        self.kernels: Any = self.recorder or kernels
        #: A replayed step is updated as any other, by the optimizer itself.
        self._of_updates = kernels
        self.fallbacks: tuple[str, ...] = ()
        self.not_captured = ""
        self.substitutes = Substitutes(self.kernels)

    def active(self) -> AbstractContextManager[None]:
        return computed_by(self.substitutes)

    def conv_block(self, channels: list[int], kernel_size: int = 3) -> Any:
        return layers.ConvBlock(self.kernels, channels, kernel_size)

    def hidden(self, name: str, size: int, dropout_ratio: float | None) -> Any:
        return layers.Hidden(self.kernels, name, size, dropout_ratio, self.masks)

    def output(self, n_classes: int) -> Any:
        return layers.Linear(self.kernels, n_classes)

    def dropout(self, x: Any, ratio: float) -> Any:
        draw = self.masks.draw(self.masks.next_name(), ratio)
        return fused.Dropout(self.kernels, draw)(x)

    def loss(self, y: Any, t: Array) -> tuple[Any, Array]:
        function = fused.SoftmaxCrossEntropy(self.kernels)
        return function(y, t), function.correct

    def optimizer(self, recipe: Recipe, model: Any) -> Optimizer:
        return Optimizer(recipe, model, flat.fused(self._of_updates))

    def asarray(self, array: Array) -> Array:
        return np.asarray(array)

    def pixels(self, images: Array, rows: Array, scale: float) -> Array:
        return self.kernels.pixels(images, rows, scale)

    def loop(
        self,
        model: Any,
        optimizer: Any,
        data: Data,
        batch_size: int,
        with_scores: Collection[str] = (),
    ) -> Loop:
        self.kernels.keep_freed_memory()
        parts = model, optimizer, self, data, batch_size
        # A user's own code for batches or updates might change what the next forward pass does.
        is_ours = optimizer.is_fused and not data.augment
        if self.recorder is None or not is_ours:
            return Eager(*parts)
        return Captured(self.recorder, self.substitutes, *parts)

    def to_device(self, model: Any) -> None:
        pass

    def warm_up(self, model: Any, optimizer: Any, x: Array, t: Array) -> None:
        self._first_scores(model, x, t)
        self.fallbacks = _functions_of_dezero(self._first_loss(model, x, t))
        if not optimizer.is_fused:
            self.fallbacks += (type(optimizer.rule).__name__,)
        model.cleargrads()
        optimizer.warm_up()

    def _first_loss(self, model: Any, x: Array, t: Array) -> Any:
        """The loss of a step without its update; sets `not_captured`."""
        if self.recorder is None:
            return step(model, NO_UPDATE, self, x, t)[0]
        tape = Tape(model, self.substitutes, x, t)
        with self.recorder.recording(tape):
            loss, correct = step(model, NO_UPDATE, self, x, t)
        if tape.end(loss.data, correct):
            tape.replay(x, t, self.masks)  # by kernels that are its own
        self.not_captured = why_it_may_change(model) or tape.why_not
        return loss

    def _first_scores(self, model: Any, x: Array, t: Array) -> None:
        """A forward pass in test mode."""
        with self.active(), no_grad(), test_mode():
            if self.recorder is None:
                forward(model, x, self)
                return
            tape = Tape(model, self.substitutes, x, t)
            with self.recorder.recording(tape):
                y = forward(model, x, self)
            if tape.end(y.data):
                tape.replay(x, t, self.masks)


def _functions_of_dezero(loss: Any) -> tuple[str, ...]:
    """Names of DeZero's own functions, and of a user's, that a loss was computed by."""
    names, seen, variables = set(), set(), [loss]
    while variables:
        function = variables.pop().creator
        if function is None or id(function) in seen:
            continue
        seen.add(id(function))
        if is_fallback(function):
            names.add(type(function).__name__)
        variables += function.inputs
    return tuple(sorted(names))
