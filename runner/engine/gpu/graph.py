"""How the host has the GPU compute steps: kernel by kernel, or as CUDA graphs of many kernels."""

import gc
from collections.abc import Callable
from typing import Any

from runner.engine import model_state
from runner.engine.dezero import masked_test_mode, no_grad, test_mode
from runner.engine.fast import Fast
from runner.engine.forward import forward
from runner.engine.gpu.batches import Batches, Phase
from runner.engine.gpu.kernels import Kernels
from runner.engine.loop import NO_UPDATE, step

#: Steps in a graph where so many are left: the host launches all of them at once.
STEPS_PER_GRAPH = 20


def capture_graph(stream: Any, function: Callable[[], object]) -> Any:
    """The CUDA graph of what `function` launches on the stream."""
    # A garbage collection may free GPU memory, which CUDA refuses while a stream is captured.
    gc.disable()
    try:
        stream.begin_capture()
        try:
            function()
        except BaseException:
            # The stream is of no use before its capture ends, which fails too; the first error is
            # the one to report.
            try:
                stream.end_capture()
            except Exception:
                pass
            raise
        return stream.end_capture()
    finally:
        gc.enable()


class Launcher:
    """Launches the steps of one run on its stream.

    A step is forward, backward and update of a training batch, or a forward pass over a batch of an
    evaluation.

    Parameters
    ----------
    scale
        Pixels are divided by it.
    use_graphs
        Whether steps are captured as CUDA graphs; otherwise their kernels are launched one by one.
    """

    def __init__(
        self, model: Any, optimizer: Any, engine: Fast, scale: float, use_graphs: bool
    ) -> None:
        self.model, self.optimizer, self.engine = model, optimizer, engine
        self.kernels: Kernels = engine.kernels
        self._scale, self._use_graphs = scale, use_graphs
        #: By phase, images of a batch and batches of a graph.
        self._graphs: dict[tuple[Phase, int, int], Any] = {}

    def prepare(self, batches: Batches, row: int = 0) -> None:
        """Capture the graphs that `launch` needs from this row on; those that exist are kept."""
        if not self._use_graphs:
            return
        for size, n_steps in dict.fromkeys(self._launches(batches, row)):
            key = batches.phase, size, n_steps
            if key not in self._graphs:
                self._graphs[key] = self._capture(batches, size, n_steps)

    def launch(
        self, batches: Batches, row: int = 0, should_stop: Callable[[], bool] = lambda: False
    ) -> int:
        """Launch steps from this row to the end or a stop; returns the row that they reach."""
        for size, n_steps in self._launches(batches, row):
            if should_stop():
                break
            if self._use_graphs:
                self._graphs[batches.phase, size, n_steps].launch(self.kernels.stream)
                if batches.is_training:
                    # The optimizer counts in `update`, which a graph does not call.
                    self.optimizer.count(n_steps)
            else:
                self._step(batches, size)
            row += size * n_steps
        return row

    def _launches(self, batches: Batches, row: int) -> list[tuple[int, int]]:
        """Images of a batch and number of batches of each launch, from this row to the end."""
        n_full, remainder = divmod(len(batches) - row, batches.batch_size)
        n_long, n_single = divmod(n_full, STEPS_PER_GRAPH) if self._use_graphs else (0, n_full)
        long, single = (batches.batch_size, STEPS_PER_GRAPH), (batches.batch_size, 1)
        return [long] * n_long + [single] * n_single + [(remainder, 1)] * bool(remainder)

    def _capture(self, batches: Batches, size: int, n_steps: int) -> Any:
        # Libraries load what these shapes need on first use, which CUDA refuses within a capture.
        batches.set_state()
        with model_state.untouched(self.model):
            self._step(batches, size, update=False)
        self.kernels.stream.synchronize()

        def steps() -> None:
            for _ in range(n_steps):
                self._step(batches, size)

        graph = capture_graph(self.kernels.stream, steps)
        if batches.is_training:
            self.optimizer.count(-n_steps)  # `update` counted steps that only the graph will take
        graph.upload(self.kernels.stream)
        return graph

    def _step(self, batches: Batches, size: int, update: bool = True) -> None:
        # Masks are told their purpose alone: kernels read step, epoch and row from the state.
        masks = self.engine.masks
        with self.kernels.using(batches):
            x, t = self.kernels.next_batch(size, self._scale)
            if batches.is_training:
                masks.training(step=1)
                step(self.model, self.optimizer if update else NO_UPDATE, self.engine, x, t)
                return
            with no_grad():
                if batches.phase is Phase.TEST_MASKED:
                    masks.evaluation(epoch=0, first_row=0)
                    with masked_test_mode():
                        y = forward(self.model, x, self.engine)
                else:
                    with test_mode():
                        y = forward(self.model, x, self.engine)
                if batches.keeps_scores:
                    batches.keep_scores(y.data)
                self.engine.loss(y, t)
