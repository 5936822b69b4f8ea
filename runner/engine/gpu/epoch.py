"""An epoch on a card: its steps are captured once as CUDA graphs and launched, and nobody looks before its end.

A graph holds one or many steps of a pass (`runner.engine.gpu.passes`): forward, backward and update, or a forward pass
in test mode. What differs from step to step, it reads from the card: the row, the masks' time, the learning rate. The
host launches the graphs of a whole epoch and its evaluations, lets other runs of the process do the same, and then
waits once and reads what came out.
"""

import contextlib
import gc
import math
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from runner.engine.dezero import no_grad, test_mode
from runner.engine.gpu import STATE, Pass, board_size
from runner.engine.loop import N_TRAIN_EVAL, NO_UPDATE, Diverged, has_dropout, step
from runner.engine.protocol import Data, Evaluation, Measured, Position

if TYPE_CHECKING:
    from runner.engine.gpu.engine import FastOnGpu

#: Images a batch when evaluating; as on the CPU it is no knob, so that no knob changes how a result is rounded.
EVAL_BATCH = 500
#: Steps in a graph where that many are left: one launch by the host for all of them.
UNROLL = 20

TRAIN, TRAIN_EVAL, TEST, TEST_MASKED = range(4)


class Captured:
    """The passes of one run and their graphs."""

    def __init__(self, model: Any, optimizer: Any, engine: "FastOnGpu", data: Data, batch_size: int) -> None:
        import cupy

        self.model, self.optimizer, self.engine, self.data = model, optimizer, engine, data
        self.kernels, self.batch_size = engine.kernels, batch_size
        labels, test_labels = data.train_labels.astype(cupy.int32), data.test_labels.astype(cupy.int32)
        some = slice(min(N_TRAIN_EVAL, len(labels)))
        what = [
            (data.train_images, labels),
            (data.train_images[some], labels[some]),
            (data.test_images, test_labels),
            (data.test_images, test_labels),
        ]
        # One array, so that all that came out of an epoch is one copy to the host.
        ends = np.cumsum([board_size(len(images)) for images, _ in what])
        self._board = cupy.zeros(int(ends[-1]), dtype=cupy.uint8)
        starts = [0, *ends[:-1].tolist()]
        self.passes = [
            Pass(images, of, self._board[start:], i == TRAIN, math.ceil(len(images) / batch_size))
            for i, ((images, of), start) in enumerate(zip(what, starts, strict=True))
        ]
        self._starts = starts
        self._graphs: dict[tuple[int, int, int], Any] = {}
        with self.kernels.on_card():
            self.has_dropout = has_dropout(model, engine, data)
            self.kernels.stream.synchronize()

    def epoch(
        self, order: NDArray[np.int64], position: Position, should_stop: Callable[[], bool]
    ) -> Generator[None, None, Measured | None]:
        if should_stop():
            return None
        n_steps = math.ceil(len(order) / self.batch_size)
        first = position.step
        time = (position.epoch - 1) * n_steps + first + 1
        evaluations = [TRAIN_EVAL, TEST, *([TEST_MASKED] if self.has_dropout else [])]
        try:
            with self.kernels.on_card():
                self.capture(TRAIN, first * self.batch_size)
                for which in evaluations:
                    self.capture(which)
                began = self.kernels.stream.record()
                self.begin_training(order, position, time, n_steps)
                # Placed before training is launched: a copy that the host waits for would wait for all of it.
                for which in evaluations:
                    self.passes[which].place(time=position.epoch)
                row = self.launch(TRAIN, first * self.batch_size, should_stop)
                trained = self.kernels.stream.record()
                stopped = row < len(order)
                for which in evaluations if not stopped else []:
                    self.launch(which)
                evaluated = self.kernels.stream.record()
            yield None  # the card computes; another run may be given work
        except BaseException:
            # Whoever lets go of the run here gives its memory to others: nothing may be under way on it any more.
            # On a card that cannot even be waited for nothing is, and the first error is the one to tell.
            with contextlib.suppress(Exception):
                self.kernels.stream.synchronize()
            raise
        with self.kernels.on_card():
            results = self.read()
        if self.engine.graph:  # steps that a graph takes, the optimizer's own `update` does not see
            self.optimizer.count(math.ceil(row / self.batch_size) - first)
        self._follow(position, results[TRAIN][0], _elapsed(began, trained))
        if stopped:
            return None
        train_eval, test = (self._evaluation(results[i]) for i in (TRAIN_EVAL, TEST))
        masked = self._evaluation(results[TEST_MASKED]) if self.has_dropout else test
        return Measured(train_eval, test, masked, _elapsed(trained, evaluated))

    def test(self) -> Evaluation:
        with self.kernels.on_card():
            self.capture(TEST)
            self.passes[TEST].place()
            self.launch(TEST)
            return self._evaluation(self.read()[TEST])

    def begin_training(self, order: NDArray[np.int64], position: Position, time: int, n_steps: int) -> None:
        training, first = self.passes[TRAIN], position.step
        training.set_order(order)
        training.set_rates(np.concatenate([np.zeros(first), self.optimizer.rates(n_steps - first)]))
        training.place(
            row=first * self.batch_size,
            time=time,
            steps=first,
            n_correct=position.n_correct,
            loss_sum=position.loss_sum,
        )

    def _follow(self, position: Position, state: Any, seconds: float) -> None:
        """Bring the position to where the card is."""
        position.step, position.n_correct = int(state["steps"]), int(state["n_correct"])
        position.loss_sum = float(state["loss_sum"])
        position.train_s += seconds
        if state["first_bad"]:
            position.step = int(state["first_bad"])
            raise Diverged(f"loss {state['bad_loss']} at epoch {position.epoch}, batch {position.step}")

    # =========================================================================
    # Launches
    # =========================================================================
    def _parts(self, which: int, row: int) -> list[tuple[int, int]]:
        """(images a batch, batches) of each launch from this row of the pass to its end."""
        n_images, batch = len(self.passes[which]), self.batch_size if which == TRAIN else EVAL_BATCH
        n_whole, tail = divmod(n_images - row, batch)
        n_long, n_single = divmod(n_whole, UNROLL) if self.engine.graph else (0, n_whole)
        return [(batch, UNROLL)] * n_long + [(batch, 1)] * n_single + [(tail, 1)] * bool(tail)

    def launch(self, which: int, row: int = 0, should_stop: Callable[[], bool] = lambda: False) -> int:
        """Launch the pass from this row to its end, or until asked to stop; the row that is then reached."""
        for batch, n_batches in self._parts(which, row):
            if should_stop():
                break
            if self.engine.graph:
                self._graphs[which, batch, n_batches].launch(self.kernels.stream)
            else:
                self._batch(which, batch)
            row += batch * n_batches
        return row

    def _batch(self, which: int, batch: int, update: bool = True) -> None:
        """The kernels of one batch."""
        training = self.passes[which]
        with self.kernels.during(training):
            x, t = self.kernels.batch(training, batch, self.data.scale)
            if training.in_training:
                self.engine.masks.training(1)  # the card knows the step; that masks are training's, it is told here
                step(self.model, self.optimizer if update else NO_UPDATE, self.engine, x, t)
                return
            with no_grad():
                if which == TEST_MASKED:
                    self.engine.masks.evaluation(0, 0)
                    y = self.model(x)
                else:
                    with test_mode():
                        y = self.model(x)
                self.engine.loss(y, t)

    def capture(self, which: int, row: int = 0) -> None:
        """Capture the graphs that the pass needs from this row on and has not yet."""
        for batch, n_batches in dict.fromkeys(self._parts(which, row)) if self.engine.graph else ():
            if (which, batch, n_batches) in self._graphs:
                continue
            # Once without capture: libraries load what these shapes need, which they may not do within.
            self.passes[which].place()
            self._batch(which, batch, update=False)
            self.kernels.stream.synchronize()

            def steps(batch: int = batch, n_batches: int = n_batches) -> None:
                for _ in range(n_batches):
                    self._batch(which, batch)

            graph = captured(self.kernels.stream, steps)
            if which == TRAIN:
                self.optimizer.count(-n_batches)  # they were captured and not taken
            graph.upload(self.kernels.stream)
            self._graphs[which, batch, n_batches] = graph

    # =========================================================================
    # Results
    # =========================================================================
    def read(self) -> list[tuple[Any, NDArray[np.bool_]]]:
        """State and right or wrong of every pass; waits for the card."""
        board = self._board.get(stream=self.kernels.stream)
        results = []
        for of, start in zip(self.passes, self._starts, strict=True):
            middle = start + STATE.itemsize
            state = board[start:middle].view(STATE)[0]
            results.append((state, board[middle : middle + len(of)].astype(np.bool_)))
        return results

    def _evaluation(self, result: tuple[Any, NDArray[np.bool_]]) -> Evaluation:
        state, correct = result
        return float(state["loss_sum"]) / len(correct), correct


def captured(stream: Any, work: Callable[[], None]) -> Any:
    """The CUDA graph of what `work` launches on the stream."""
    # A collection in the middle would give memory back, which may not be done while a stream is captured.
    gc.disable()
    try:
        stream.begin_capture()
        try:
            work()
        except BaseException:
            # Capture must be left before anything else can be done with the stream; the error is the first one.
            try:
                stream.end_capture()
            except Exception:
                pass
            raise
        return stream.end_capture()
    finally:
        gc.enable()


def _elapsed(first: Any, last: Any) -> float:
    """Seconds on the card between two events that are behind."""
    import cupy

    return float(cupy.cuda.get_elapsed_time(first, last)) / 1e3
