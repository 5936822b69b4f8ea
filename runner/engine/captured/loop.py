"""The book's loop, in which the first batch of a size is recorded and the others are replayed."""

from collections.abc import Callable, Generator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runner.engine.captured.tape import Recorder, Tape
from runner.engine.captured.unchanging import why_it_may_change
from runner.engine.device import Array
from runner.engine.functions.substitutes import Substitutes
from runner.engine.loop import Eager, Mode
from runner.engine.protocol import Evaluation, Measured, Position


class Captured(Eager):
    """`Eager` with the same bits, for a model whose forward pass does not change in an epoch.

    Parameters
    ----------
    recorder, substitutes
        The kernels of the engine, and what has DeZero's functions computed by them.
    """

    def __init__(self, recorder: Recorder, substitutes: Substitutes, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.recorder, self.substitutes = recorder, substitutes
        #: Of this epoch's training, or of this evaluation, by images of a batch; None: it cannot be
        #: replayed.
        self._tapes: dict[int, Tape | None] = {}
        #: Within an epoch nothing but the forward pass itself could change it; between epochs a
        #: user's code runs, such as a metric.
        self._may_change = True

    def epoch(
        self, order: NDArray[np.int64], position: Position, should_stop: Callable[[], bool]
    ) -> Generator[None, None, Measured | None]:
        self._tapes, self._may_change = {}, bool(why_it_may_change(self.model))
        try:
            return (yield from super().epoch(order, position, should_stop))
        finally:
            self._may_change = True

    def evaluate(self, images: Array, labels: Array, masked_epoch: int | None = None) -> Evaluation:
        self._tapes = {}
        return super().evaluate(images, labels, masked_epoch)

    def gradients(self, x: Array, t: Array) -> Any:
        return self._results(x, t, super().gradients, x, t)

    def scores(self, x: Array, t: Array, mode: Mode) -> Any:
        return self._results(x, t, super().scores, x, t, mode)

    def _results(self, x: Array, t: Array, compute: Callable[..., Any], *arguments: Any) -> Any:
        """What `compute` returns, by a replay where there is one."""
        if tape := self._tapes.get(len(x)):
            return tape.replay(x, t, self.engine.masks)
        if self._may_change or len(x) in self._tapes:
            return compute(*arguments)
        tape = Tape(self.model, self.substitutes, x, t)
        with self.recorder.recording(tape):
            results = compute(*arguments)
        self._tapes[len(x)] = tape if tape.end(*results) else None
        return results
