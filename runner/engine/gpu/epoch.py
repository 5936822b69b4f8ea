"""An epoch on a GPU: the host launches all of its steps, then waits once and reads the results.

While the GPU computes, the host may give it the epochs of other runs (runner/work/concurrent.py).
"""

import contextlib
from collections.abc import Callable, Collection, Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runner.engine.device import to_numpy
from runner.engine.gpu.batches import Batches, Phase, Results
from runner.engine.gpu.graph import Launcher
from runner.engine.loop import N_TRAIN_EVAL, Diverged, Eager, has_dropout
from runner.engine.protocol import Data, Evaluation, Measured, Position, as_classes

#: Images of a batch in evaluations. Not a knob, as on the CPU: no knob changes how results round.
EVAL_BATCH = 500


@dataclass
class _Launched:
    """What was launched of an epoch: the row that training reaches, and events on the stream."""

    row: int
    began: Any
    trained: Any
    evaluated: Any


class GpuLoop:
    """The epochs of one run; a `runner.engine.protocol.Loop`."""

    def __init__(
        self, launcher: Launcher, data: Data, batch_size: int, with_scores: Collection[str] = ()
    ) -> None:
        import cupy

        self.launcher, self.kernels, self.batch_size = launcher, launcher.kernels, batch_size
        with self.kernels.on_stream():
            has_masks = has_dropout(launcher.model, launcher.engine, data)
            self.kernels.stream.synchronize()
        n_eval = min(N_TRAIN_EVAL, len(data.train_labels))
        images = {
            Phase.TRAIN: (data.train_images, data.train_labels),
            Phase.TRAIN_EVAL: (data.train_images[:n_eval], data.train_labels[:n_eval]),
            Phase.TEST: (data.test_images, data.test_labels),
        }
        if has_masks:
            images[Phase.TEST_MASKED] = images[Phase.TEST]
        elif Phase.TEST_MASKED.value in with_scores:
            with_scores = {*with_scores, Phase.TEST.value}  # they are the same
        if data.val_images is not None:
            images[Phase.VAL] = data.val_images, data.val_labels
        self._results = Results([len(labels) for _, labels in images.values()])
        self.batches, self._labels = {}, {}
        for i, (phase, (pixels, labels)) in enumerate(images.items()):
            size = batch_size if phase is Phase.TRAIN else EVAL_BATCH
            part, keeps = self._results.part(i), phase.value in with_scores
            labels32 = labels.astype(cupy.int32)
            self.batches[phase] = Batches(phase, pixels, labels32, size, part, keeps)
            self._labels[phase] = to_numpy(labels)

    def epoch(
        self, order: NDArray[np.int64], position: Position, should_stop: Callable[[], bool]
    ) -> Generator[None, None, Measured | None]:
        if should_stop():
            return None
        try:
            with self.kernels.on_stream():
                launched = self._launch(order, position, should_stop)
            yield None
        except BaseException:
            # The caller drops the run and its memory, so nothing may be left that uses it. After an
            # error of a kernel waiting fails too; the first error is the one to report.
            with contextlib.suppress(Exception):
                self.kernels.stream.synchronize()
            raise
        results = self.read()
        self._move(position, results[Phase.TRAIN][0], _seconds(launched.began, launched.trained))
        if launched.row < len(order):
            return None
        measured = {phase: self._evaluation(phase, *results[phase]) for phase in self._evaluations}
        return Measured(
            train_eval=measured[Phase.TRAIN_EVAL],
            test=measured[Phase.TEST],
            test_masked=measured.get(Phase.TEST_MASKED, measured[Phase.TEST]),
            val=measured.get(Phase.VAL),
            eval_s=_seconds(launched.trained, launched.evaluated),
        )

    def test(self) -> Evaluation:
        with self.kernels.on_stream():
            batches = self.batches[Phase.TEST]
            self.launcher.prepare(batches)
            batches.set_state()
            self.launcher.launch(batches)
        return self._evaluation(Phase.TEST, *self.read()[Phase.TEST])

    @property
    def _evaluations(self) -> list[Phase]:
        return [phase for phase in self.batches if phase is not Phase.TRAIN]

    def _launch(
        self, order: NDArray[np.int64], position: Position, should_stop: Callable[[], bool]
    ) -> _Launched:
        stream, launcher, training = self.kernels.stream, self.launcher, self.batches[Phase.TRAIN]
        evaluations = [self.batches[phase] for phase in self._evaluations]
        first_row = position.step * self.batch_size
        for batches, row in ((training, first_row), *((batches, 0) for batches in evaluations)):
            launcher.prepare(batches, row)
        began = stream.record()
        self.begin_training(order, position)
        # Before training is launched, because the host may wait for a copy to the GPU, and then for
        # everything that the stream holds.
        for batches in evaluations:
            batches.set_state(time=position.epoch)
        row = launcher.launch(training, first_row, should_stop)
        trained = stream.record()
        if row == len(order):
            for batches in evaluations:
                launcher.launch(batches)
        return _Launched(row, began, trained, stream.record())

    def begin_training(self, order: NDArray[np.int64], position: Position) -> None:
        """Set the training batches to this order of the images and this position in the epoch."""
        training, first = self.batches[Phase.TRAIN], position.step
        n_steps = len(training.learning_rates)
        training.set_order(order)
        self.launcher.optimizer.move_to(position, n_steps)
        rates, keeps = self.launcher.optimizer.rates(n_steps - first)
        training.set_learning_rates(np.concatenate([np.zeros(first), rates]))
        training.set_keeps(np.concatenate([np.ones(first), keeps]))
        training.set_state(
            row=first * self.batch_size,
            time=(position.epoch - 1) * n_steps + first + 1,
            steps=first,
            n_correct=position.n_correct,
            loss_sum=position.loss_sum,
        )

    def read(self) -> dict[Phase, tuple[Any, NDArray[np.uint16]]]:
        """State and predicted classes of every phase; waits for the GPU."""
        with self.kernels.on_stream():
            return dict(zip(self.batches, self._results.read(self.kernels.stream), strict=True))

    def _evaluation(self, phase: Phase, state: Any, predicted: NDArray[np.uint16]) -> Evaluation:
        batches, stream = self.batches[phase], self.kernels.stream
        return Evaluation(
            loss=float(state["loss_sum"]) / len(batches),
            predicted=as_classes(predicted, batches.n_classes),
            correct=predicted == self._labels[phase],
            scores=None if batches.scores is None else batches.scores.get(stream=stream),
        )

    def _move(self, position: Position, state: Any, seconds: float) -> None:
        """Move the position to where training on the GPU has come.

        Raises
        ------
        Diverged
            At the first loss that is not finite.
        """
        position.step, position.n_correct = int(state["steps"]), int(state["n_correct"])
        position.loss_sum = float(state["loss_sum"])
        position.train_s += seconds
        if state["diverged_at"]:
            position.step = int(state["diverged_at"])
            raise Diverged(
                f"loss {state['diverged_loss']} at epoch {position.epoch}, batch {position.step}"
            )


class EagerOnGpu(Eager):
    """The book's loop on the run's stream, for batches that the host augments one by one."""

    eval_batch = EVAL_BATCH

    def __init__(self, model: Any, optimizer: Any, engine: Any, *rest: Any) -> None:
        self.kernels = engine.kernels
        with self.kernels.on_stream():
            super().__init__(model, optimizer, engine, *rest)

    def epoch(
        self, order: NDArray[np.int64], position: Position, should_stop: Callable[[], bool]
    ) -> Generator[None, None, Measured | None]:
        with self.kernels.on_stream():  # it never yields, so that no other run gets the stream
            return (yield from super().epoch(order, position, should_stop))

    def test(self) -> Evaluation:
        with self.kernels.on_stream():
            return super().test()


def _seconds(first: Any, last: Any) -> float:
    """Seconds on the GPU between two events that have occurred."""
    import cupy

    return float(cupy.cuda.get_elapsed_time(first, last)) / 1e3
