"""An epoch as in the book: each step is taken, and its loss looked at, before the next. And what any loop has to do."""

import math
import time
from collections.abc import Callable, Generator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runner.engine.device import to_numpy
from runner.engine.dezero import no_grad, test_mode
from runner.engine.protocol import Data, Engine, Evaluation, Measured, Position

# Images a batch when evaluating: the published batch, whatever the training batch of a cell is, so that
# a knob of training cannot change how a result is rounded.
EVAL_BATCH = 100
# How many of the training images are evaluated in test mode after each epoch.
N_TRAIN_EVAL = 10_000


class Diverged(Exception):
    """The loss is not finite any more; training further would only produce numbers without meaning."""


def step(model: Any, optimizer: Any, engine: Engine, x: Any, t: Any) -> tuple[Any, Any]:
    """One step of training on the batch (x, t): its loss, and which images were classified right."""
    y = model(x)
    loss, correct = engine.loss(y, t)
    model.cleargrads()
    loss.backward()
    optimizer.update()
    return loss, correct


class _NoUpdate:
    """An optimizer that leaves everything as it is."""

    def update(self) -> None:
        pass


NO_UPDATE = _NoUpdate()


def evaluate(
    model: Any, engine: Engine, images: Any, labels: Any, scale: float, masked_epoch: int | None = None
) -> Evaluation:
    """Mean loss and right or wrong of each image, in test mode.

    With `masked_epoch`, dropout stays on as in the published script (`no_grad()` alone does not switch it off), with
    the masks of that epoch.
    """
    loss_sum, correct = 0.0, []
    with no_grad():
        for first in range(0, len(images), EVAL_BATCH):
            rows = engine.asarray(np.arange(first, min(first + EVAL_BATCH, len(images))))
            x, t = engine.pixels(images, rows, scale), labels[rows]
            if masked_epoch is None:
                with test_mode():
                    y = model(x)
            else:
                engine.masks.evaluation(masked_epoch, first)
                y = model(x)
            loss, right = engine.loss(y, t)
            loss_sum += float(loss.data) * len(t)
            correct.append(to_numpy(right))
    return loss_sum / len(images), np.concatenate(correct)


def finite(loss: float, position: Position) -> float:
    """The loss, which must be a finite number."""
    if not math.isfinite(loss):
        raise Diverged(f"loss {loss} at epoch {position.epoch}, batch {position.step}")
    return loss


class Eager:
    """Step by step."""

    def __init__(self, model: Any, optimizer: Any, engine: Engine, data: Data, batch_size: int) -> None:
        self.model, self.optimizer, self.engine, self.data = model, optimizer, engine, data
        self.batch_size = batch_size
        self.has_dropout = has_dropout(model, engine, data)

    def epoch(
        self, order: NDArray[np.int64], position: Position, should_stop: Callable[[], bool]
    ) -> Generator[None, None, Measured | None]:
        yield from ()  # nothing computes while this does
        data, n_steps = self.data, math.ceil(len(order) / self.batch_size)
        order_on_device = self.engine.asarray(order)
        while position.step < n_steps:
            if should_stop():
                return None
            started = time.perf_counter()
            rows = order_on_device[position.step * self.batch_size : (position.step + 1) * self.batch_size]
            x, t = self.engine.pixels(data.train_images, rows, data.scale), data.train_labels[rows]
            position.step += 1
            self.engine.masks.training((position.epoch - 1) * n_steps + position.step)
            loss, correct = step(self.model, self.optimizer, self.engine, x, t)
            position.loss_sum += finite(float(loss.data), position) * len(t)
            position.n_correct += int(correct.sum())
            position.train_s += time.perf_counter() - started

        started = time.perf_counter()
        train_eval = self._evaluate(data.train_images[:N_TRAIN_EVAL], data.train_labels[:N_TRAIN_EVAL])
        if should_stop():
            return None
        test = self.test()
        if should_stop():
            return None
        masked = self._evaluate(data.test_images, data.test_labels, position.epoch) if self.has_dropout else test
        return Measured(train_eval, test, masked, time.perf_counter() - started)

    def test(self) -> Evaluation:
        return self._evaluate(self.data.test_images, self.data.test_labels)

    def _evaluate(self, images: Any, labels: Any, masked_epoch: int | None = None) -> Evaluation:
        return evaluate(self.model, self.engine, images, labels, self.data.scale, masked_epoch)


def has_dropout(model: Any, engine: Engine, data: Data) -> bool:
    """Whether a forward pass asks for masks: without, `test_masked` is `test` and is not measured again."""
    before = engine.masks.n_asked
    with no_grad():
        model(engine.pixels(data.test_images, engine.asarray(np.arange(1)), data.scale))
    return engine.masks.n_asked > before
