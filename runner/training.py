"""The training loop. It reads like the book's; it knows neither Hydra nor MLflow nor files."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from runner.backend import no_grad, test_mode
from runner.device import to_numpy
from runner.record import EpochRecord
from runner.seeding import batch_order

if TYPE_CHECKING:
    from runner.engine import Engine

# Images a batch when evaluating: the published batch, whatever the training batch of a cell is, so that
# a knob of training cannot change how a result is rounded.
EVAL_BATCH = 100
# How many of the training images are evaluated in test mode after each epoch.
N_TRAIN_EVAL = 10_000


class Diverged(Exception):
    """The loss is not finite any more; training further would only produce numbers without meaning."""


@dataclass
class Data:
    """The images of one run where the engine computes: uint8, (n, channels, height, width)."""

    train_images: Any
    train_labels: Any
    test_images: Any
    test_labels: Any
    #: What pixels are divided by: 255 when normalised, 1 for raw ones.
    scale: float


@dataclass
class Position:
    """Where training stands; with the weights and the optimizer's state, all that a resume needs."""

    epoch: int = 1
    #: Steps done within the epoch.
    step: int = 0
    loss_sum: float = 0.0
    n_correct: int = 0
    #: Seconds of training in the epoch so far.
    train_s: float = 0.0

    def next_epoch(self) -> None:
        """Stand at the beginning of the epoch after this one."""
        self.epoch, self.step = self.epoch + 1, 0
        self.loss_sum, self.n_correct, self.train_s = 0.0, 0, 0.0


def train(
    model: Any,
    optimizer: Any,
    engine: "Engine",
    data: Data,
    seed: int,
    epochs: int,
    batch_size: int,
    position: Position,
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[EpochRecord]:
    """Train up to `epochs` from `position` on, yielding a record an epoch.

    `position` is kept up to date. When `should_stop` says so the generator ends between two batches, and
    another call with the same position, weights and optimizer goes on with the same numbers.

    Raises
    ------
    Diverged
        At the first loss that is not finite.
    """
    n_images = len(data.train_images)
    n_steps = math.ceil(n_images / batch_size)
    has_dropout = _has_dropout(model, engine, data)
    while position.epoch <= epochs:
        order = engine.resident(batch_order(seed, position.epoch, n_images))
        while position.step < n_steps:
            if should_stop():
                return
            started = time.perf_counter()
            rows = order[position.step * batch_size : (position.step + 1) * batch_size]
            x, t = engine.pixels(data.train_images, rows, data.scale), data.train_labels[rows]
            position.step += 1
            engine.masks.training((position.epoch - 1) * n_steps + position.step)

            y = model(x)
            loss, correct = engine.loss(y, t)
            model.cleargrads()
            loss.backward()
            optimizer.update()

            position.loss_sum += _finite(float(loss.data), position) * len(t)
            position.n_correct += int(correct.sum())
            position.train_s += time.perf_counter() - started

        record = _evaluate_epoch(model, engine, data, position, has_dropout, should_stop)
        if record is None:
            return
        # Before the record is seen: whoever keeps the record may keep the position.
        position.next_epoch()
        yield record


def warm_up(model: Any, optimizer: Any, engine: "Engine", data: Data) -> None:
    """Have the engine compile all it will need, on two images, so that no epoch's time holds it."""
    rows = engine.resident(np.arange(min(2, len(data.train_images))))
    engine.warm_up(model, optimizer, engine.pixels(data.train_images, rows, data.scale), data.train_labels[rows])


def _finite(loss: float, position: Position) -> float:
    if not math.isfinite(loss):
        raise Diverged(f"loss {loss} at epoch {position.epoch}, batch {position.step}")
    return loss


def _has_dropout(model: Any, engine: "Engine", data: Data) -> bool:
    """Whether a forward pass asks for masks: without, `test_masked` is `test` and is not measured again."""
    before = engine.masks.n_asked
    with no_grad():
        model(engine.pixels(data.test_images, engine.resident(np.arange(1)), data.scale))
    return engine.masks.n_asked > before


def _evaluate_epoch(
    model: Any,
    engine: "Engine",
    data: Data,
    position: Position,
    has_dropout: bool,
    should_stop: Callable[[], bool],
) -> EpochRecord | None:
    """The record of the epoch that `position` has just finished; None when asked to stop meanwhile."""
    started = time.perf_counter()
    train_images, train_labels = data.train_images[:N_TRAIN_EVAL], data.train_labels[:N_TRAIN_EVAL]
    train_eval_loss, train_eval = evaluate(model, engine, train_images, train_labels, data.scale)
    if should_stop():
        return None
    test_loss, test = evaluate(model, engine, data.test_images, data.test_labels, data.scale)
    if should_stop():
        return None
    masked_loss, masked_test = test_loss, test
    if has_dropout:
        masked_loss, masked_test = evaluate(
            model, engine, data.test_images, data.test_labels, data.scale, masked_epoch=position.epoch
        )
    for loss in (train_eval_loss, test_loss, masked_loss):
        _finite(loss, position)
    n_images = len(data.train_images)
    return EpochRecord(
        epoch=position.epoch,
        train_loss=position.loss_sum / n_images,
        train_accuracy=position.n_correct / n_images,
        train_eval_loss=train_eval_loss,
        train_eval_accuracy=float(train_eval.mean()),
        test_loss=test_loss,
        test_accuracy=float(test.mean()),
        test_masked_loss=masked_loss,
        test_masked_accuracy=float(masked_test.mean()),
        train_s=position.train_s,
        eval_s=time.perf_counter() - started,
        images_per_s=n_images / position.train_s,
        test_correct=test,
    )


def evaluate(
    model: Any, engine: "Engine", images: Any, labels: Any, scale: float, masked_epoch: int | None = None
) -> tuple[float, NDArray[np.bool_]]:
    """Mean loss, and for each image whether it was classified right, bool ndarray of shape (n_images,).

    In test mode; with `masked_epoch`, dropout stays on as in the published script (`no_grad()` alone does
    not switch it off), with the masks of that epoch.
    """
    loss_sum, correct = 0.0, []
    with no_grad():
        for first in range(0, len(images), EVAL_BATCH):
            rows = engine.resident(np.arange(first, min(first + EVAL_BATCH, len(images))))
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
