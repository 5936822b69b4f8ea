"""An epoch on a GPU: the host launches all of its steps, then waits once and reads the results.

While the GPU computes, the host may give it the epochs of other runs (runner/work/concurrent.py).
"""

import contextlib
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runner.engine.gpu.batches import Batches, Phase, Results
from runner.engine.gpu.graph import Launcher
from runner.engine.loop import N_TRAIN_EVAL, Diverged, has_dropout
from runner.engine.protocol import Data, Evaluation, Measured, Position

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

    def __init__(self, launcher: Launcher, data: Data, batch_size: int) -> None:
        import cupy

        self.launcher, self.kernels, self.batch_size = launcher, launcher.kernels, batch_size
        train_labels, test_labels = (
            labels.astype(cupy.int32) for labels in (data.train_labels, data.test_labels)
        )
        n_eval = min(N_TRAIN_EVAL, len(train_labels))
        images = {
            Phase.TRAIN: (data.train_images, train_labels),
            Phase.TRAIN_EVAL: (data.train_images[:n_eval], train_labels[:n_eval]),
            Phase.TEST: (data.test_images, test_labels),
            Phase.TEST_MASKED: (data.test_images, test_labels),
        }
        self._results = Results([len(labels) for _, labels in images.values()])
        self.batches = {}
        for i, (phase, (pixels, labels)) in enumerate(images.items()):
            size = batch_size if phase is Phase.TRAIN else EVAL_BATCH
            self.batches[phase] = Batches(phase, pixels, labels, size, self._results.part(i))
        with self.kernels.on_stream():
            self._has_dropout = has_dropout(launcher.model, launcher.engine, data)
            self.kernels.stream.synchronize()

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
        test = _evaluation(results[Phase.TEST])
        return Measured(
            train_eval=_evaluation(results[Phase.TRAIN_EVAL]),
            test=test,
            test_masked=_evaluation(results[Phase.TEST_MASKED]) if self._has_dropout else test,
            eval_s=_seconds(launched.trained, launched.evaluated),
        )

    def test(self) -> Evaluation:
        with self.kernels.on_stream():
            batches = self.batches[Phase.TEST]
            self.launcher.prepare(batches)
            batches.set_state()
            self.launcher.launch(batches)
        return _evaluation(self.read()[Phase.TEST])

    def _launch(
        self, order: NDArray[np.int64], position: Position, should_stop: Callable[[], bool]
    ) -> _Launched:
        stream, launcher, training = self.kernels.stream, self.launcher, self.batches[Phase.TRAIN]
        phases = [Phase.TRAIN_EVAL, Phase.TEST, *([Phase.TEST_MASKED] if self._has_dropout else [])]
        evaluations = [self.batches[phase] for phase in phases]
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

    def read(self) -> dict[Phase, tuple[Any, NDArray[np.bool_]]]:
        """State and correct images of every phase; waits for the GPU."""
        with self.kernels.on_stream():
            return dict(zip(self.batches, self._results.read(self.kernels.stream), strict=True))

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


def _evaluation(result: tuple[Any, NDArray[np.bool_]]) -> Evaluation:
    state, correct = result
    return float(state["loss_sum"]) / len(correct), correct


def _seconds(first: Any, last: Any) -> float:
    """Seconds on the GPU between two events that have occurred."""
    import cupy

    return float(cupy.cuda.get_elapsed_time(first, last)) / 1e3
