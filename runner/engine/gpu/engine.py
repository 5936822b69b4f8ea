"""The fast engine on a card: the functions, layers and optimizers of fast.py on the kernels of runner/engine/gpu."""

from typing import Any

from runner.engine import gpu
from runner.engine.dezero import Variable
from runner.engine.fast import Fast
from runner.engine.gpu.epoch import Captured
from runner.engine.gpu.probe import why_not_capturable
from runner.engine.loop import Data, Loop
from runner.seeding import Masks


class FastOnGpu(Fast):
    """Fused forward and backward, steps captured as CUDA graphs.

    Parameters
    ----------
    graph
        Whether steps are captured; without, the same kernels are launched one by one.
    tf32
        Whether matrix products round their factors for tensor cores.
    """

    def __init__(self, masks: Masks, graph: bool, tf32: bool) -> None:
        import cupy

        super().__init__(masks, gpu.Kernels(tf32))
        self._cupy, self.graph = cupy, graph
        self._one = Variable(self.kernels.one)

    def loss(self, y: Any, t: Any) -> tuple[Any, Any]:
        loss, correct = super().loss(y, t)
        # DeZero would make an array of a one at each step, and the way back would have to look at it.
        loss.grad = self._one
        return loss, correct

    def resident(self, array: Any) -> Any:
        return self._cupy.asarray(array)

    def loop(self, model: Any, optimizer: Any, data: Data, batch_size: int) -> Loop:
        return Captured(model, optimizer, self, data, batch_size)

    def to_device(self, model: Any) -> None:
        model.to_gpu()

    def warm_up(self, model: Any, optimizer: Any, x: Any, t: Any) -> None:
        with self.kernels.on_card():
            super().warm_up(model, optimizer, x, t)
            self.kernels.stream.synchronize()
            if self.graph and (reason := why_not_capturable(model, optimizer, self, x, t)):
                self.graph, self.fallbacks = False, (*self.fallbacks, f"no CUDA graph: {reason}")
