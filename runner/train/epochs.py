"""From epoch to epoch: what is trained, in which order, and the record of each.

It knows neither Hydra nor MLflow nor files. runner/engine/loop.py has what happens within an epoch.
"""

import time
from collections.abc import Callable, Iterator

from runner.engine.loop import finite
from runner.engine.protocol import Measured, Position
from runner.metrics import own as own_metrics
from runner.record import EVALUATIONS, EpochRecord
from runner.seeding import batch_order
from runner.train.assemble import Assembly


def train(
    assembly: Assembly, position: Position, should_stop: Callable[[], bool] = lambda: False
) -> Iterator[EpochRecord | None]:
    """Train from `position` to the last epoch, yielding a record an epoch.

    `position` is kept up to date. When `should_stop` says so the generator ends between two
    batches, and another call with the same position, weights and optimizer goes on with the same
    numbers. It yields None where another run of this process could compute while this one waits for
    its card.

    Raises
    ------
    Diverged
        At the first loss that is not finite.
    MetricError
        When a metric of the user's own cannot be computed.
    """
    config, n_images = assembly.config, len(assembly.data.train_images)
    loop = assembly.loop()
    own = own_metrics.Measure(own_metrics.load(config.metrics), assembly.data)
    while position.epoch <= config.train.epochs:
        order = batch_order(config.seed, position.epoch, n_images)
        measured = yield from loop.epoch(order, position, should_stop)
        if measured is None:
            return
        record = _record(position, measured, own, n_images)
        # Before the record is seen: whoever keeps the record may keep the position.
        position.next_epoch()
        yield record


def _record(
    position: Position, measured: Measured, own: own_metrics.Measure, n_images: int
) -> EpochRecord:
    """The record of the epoch that `position` has just finished."""
    train_eval, test, masked, val = (getattr(measured, name) for name in EVALUATIONS)
    for evaluation in filter(None, (train_eval, test, masked, val)):
        finite(evaluation.loss, position)
    started = time.perf_counter()
    own_values = own.of(measured)
    return EpochRecord(
        epoch=position.epoch,
        train_loss=position.loss_sum / n_images,
        train_accuracy=position.n_correct / n_images,
        train_eval_loss=train_eval.loss,
        train_eval_accuracy=train_eval.accuracy,
        test_loss=test.loss,
        test_accuracy=test.accuracy,
        test_masked_loss=masked.loss,
        test_masked_accuracy=masked.accuracy,
        val_loss=val.loss if val else None,
        val_accuracy=val.accuracy if val else None,
        train_s=position.train_s,
        eval_s=measured.eval_s + time.perf_counter() - started,
        images_per_s=n_images / position.train_s,
        test_correct=test.correct,
        test_predicted=test.predicted,
        own=own_values,
    )
