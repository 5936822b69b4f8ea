"""The training loop of the book, step by step, and the parts that any other loop needs too."""

import math
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runner.engine import shapes
from runner.engine.device import Array, to_numpy
from runner.engine.dezero import masked_test_mode, no_grad, test_mode
from runner.engine.forward import forward
from runner.engine.protocol import Data, Engine, Evaluation, Measured, Position, as_classes

#: Images a batch in an evaluation. It is the published batch size, whatever the training batch is:
#: a knob of training must not change how a result is rounded.
EVAL_BATCH = 100
#: How many training images are evaluated in test mode after each epoch.
N_TRAIN_EVAL = 10_000


#: `test_mode` or `masked_test_mode`.
Mode = Callable[[], AbstractContextManager[None]]


class Diverged(Exception):
    """The loss is not finite any more, and training on would give numbers without meaning."""


def gradients(model: Any, engine: Engine, x: Array, t: Array) -> tuple[Any, Array]:
    """Compute the gradients of one batch: its loss, and which images were classified right."""
    with engine.active():
        y = forward(model, x, engine)
        loss, correct = engine.loss(y, t)
        model.cleargrads()
        loss.backward()
    return loss, correct


def step(model: Any, optimizer: Any, engine: Engine, x: Array, t: Array) -> tuple[Any, Array]:
    """Train on one batch: its loss, and which of its images were classified right."""
    loss, correct = gradients(model, engine, x, t)
    with engine.active():
        optimizer.update()
    return loss, correct


class _NoUpdate:
    """An optimizer that leaves the weights as they are."""

    def update(self) -> None:
        pass


NO_UPDATE = _NoUpdate()


def finite(loss: float, position: Position) -> float:
    """The loss.

    Raises
    ------
    Diverged
        When it is not a finite number.
    """
    if not math.isfinite(loss):
        raise Diverged(f"loss {loss} at epoch {position.epoch}, batch {position.step}")
    return loss


def has_dropout(model: Any, engine: Engine, data: Data) -> bool:
    """Whether a forward pass asks for masks; else `test_masked` is `test` and is not measured.

    Raises
    ------
    ModelError
        When the scores have no column for a label: not every kernel looks at each label.
    """
    n_asked = engine.masks.n_asked
    with engine.active(), no_grad(), masked_test_mode():
        rows = engine.asarray(np.arange(1))
        y = forward(model, engine.pixels(data.test_images, rows, data.scale), engine)
    shapes.check_scores(y.data, data.test_labels[rows])
    for labels in (data.train_labels, data.test_labels):
        shapes.check_labels(y.shape[1], int(labels.max()), int(labels.min()))
    return engine.masks.n_asked > n_asked


class Eager:
    """A loop in which each loss is looked at before the next step is taken."""

    #: Images of a batch in evaluations.
    eval_batch = EVAL_BATCH

    def __init__(
        self, model: Any, optimizer: Any, engine: Engine, data: Data, batch_size: int
    ) -> None:
        self.model, self.optimizer, self.engine, self.data = model, optimizer, engine, data
        self.batch_size = batch_size
        self.has_dropout = has_dropout(model, engine, data)

    def epoch(
        self, order: NDArray[np.int64], position: Position, should_stop: Callable[[], bool]
    ) -> Generator[None, None, Measured | None]:
        yield from ()  # a generator as any loop is; it waits for no device
        data, n_steps = self.data, math.ceil(len(order) / self.batch_size)
        order_on_device = self.engine.asarray(order)
        self.optimizer.move_to(position, n_steps)
        while position.step < n_steps:
            if should_stop():
                return None
            started = time.perf_counter()
            first = position.step * self.batch_size
            rows = order_on_device[first : first + self.batch_size]
            x, t = self.engine.pixels(data.train_images, rows, data.scale), data.train_labels[rows]
            position.step += 1
            step_of_run = (position.epoch - 1) * n_steps + position.step
            if data.augment:
                x = self.engine.asarray(data.augment(to_numpy(x), step_of_run))
            self.engine.masks.training(step_of_run)
            loss, correct = self.gradients(x, t)
            with self.engine.active():
                self.optimizer.update()
            position.loss_sum += finite(float(loss), position) * len(t)
            position.n_correct += int(correct.sum())
            position.train_s += time.perf_counter() - started

        started = time.perf_counter()
        part = slice(N_TRAIN_EVAL)
        train_eval = self.evaluate(data.train_images[part], data.train_labels[part])
        if should_stop():
            return None
        test = test_masked = self.test()
        if should_stop():
            return None
        if self.has_dropout:
            test_masked = self.evaluate(data.test_images, data.test_labels, position.epoch)
        val = None
        if data.val_images is not None:
            val = self.evaluate(data.val_images, data.val_labels)
        return Measured(train_eval, test, test_masked, val, time.perf_counter() - started)

    def gradients(self, x: Array, t: Array) -> tuple[Array, Array]:
        """Compute the gradients of a batch: its loss (0-d), and which images are right, (n,)."""
        loss, correct = gradients(self.model, self.engine, x, t)
        return loss.data, correct

    def scores(self, x: Array, t: Array, mode: Mode) -> tuple[Array, Array, Array]:
        """The loss of a batch in this mode, which images are right, and the scores, (n, classes).

        It is called in `no_grad()`.
        """
        with mode():
            y = forward(self.model, x, self.engine)
        loss, correct = self.engine.loss(y, t)
        return loss.data, correct, y.data

    def test(self) -> Evaluation:
        return self.evaluate(self.data.test_images, self.data.test_labels)

    def evaluate(self, images: Array, labels: Array, masked_epoch: int | None = None) -> Evaluation:
        """Evaluate images in test mode.

        With `masked_epoch`, dropout stays on, with the masks of that epoch. So the published script
        evaluated: DeZero's `no_grad()` does not switch dropout off. All else is in test mode.
        """
        engine, mode = self.engine, test_mode if masked_epoch is None else masked_test_mode
        loss_sum, correct, scores = 0.0, [], []
        with engine.active(), no_grad():
            for first in range(0, len(images), self.eval_batch):
                rows = engine.asarray(np.arange(first, min(first + self.eval_batch, len(images))))
                x, t = engine.pixels(images, rows, self.data.scale), labels[rows]
                if masked_epoch is not None:
                    engine.masks.evaluation(masked_epoch, first)
                loss, is_right, y = self.scores(x, t, mode)
                loss_sum += float(loss) * len(t)
                correct.append(to_numpy(is_right))
                scores.append(to_numpy(y))
        of_all = np.concatenate(scores)
        predicted = as_classes(of_all.argmax(axis=1), of_all.shape[1])
        return Evaluation(loss_sum / len(images), predicted, np.concatenate(correct), of_all)
