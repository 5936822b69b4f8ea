"""From epoch to epoch: what is trained, in which order, and the record of each.

It knows neither Hydra nor MLflow nor files. runner/engine/loop.py has what happens within an epoch.
"""

from collections.abc import Callable, Iterator

from runner.engine.loop import finite
from runner.engine.protocol import Measured, Position
from runner.record import EpochRecord
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
    """
    config, n_images = assembly.config, len(assembly.data.train_images)
    loop = assembly.loop()
    while position.epoch <= config.train.epochs:
        order = batch_order(config.seed, position.epoch, n_images)
        measured = yield from loop.epoch(order, position, should_stop)
        if measured is None:
            return
        record = _record(position, measured, n_images)
        # Before the record is seen: whoever keeps the record may keep the position.
        position.next_epoch()
        yield record


def _record(position: Position, measured: Measured, n_images: int) -> EpochRecord:
    """The record of the epoch that `position` has just finished."""
    (train_eval_loss, train_eval), (test_loss, test) = measured.train_eval, measured.test
    masked_loss, masked_test = measured.test_masked
    for loss in (train_eval_loss, test_loss, masked_loss):
        finite(loss, position)
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
        eval_s=measured.eval_s,
        images_per_s=n_images / position.train_s,
        test_correct=test,
    )
