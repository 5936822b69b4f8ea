"""The fast engine on a GPU: layers and optimizers of `Fast`, with the kernels of this folder."""

from collections.abc import Collection
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from runner.engine import model_state
from runner.engine.device import Array
from runner.engine.dezero import Variable
from runner.engine.fast import Fast
from runner.engine.gpu.epoch import EagerOnGpu, GpuLoop
from runner.engine.gpu.graph import Launcher
from runner.engine.gpu.kernels import Kernels
from runner.engine.gpu.probe import why_not_capturable
from runner.engine.protocol import Data, Loop
from runner.seeding import Masks


class FastOnGpu(Fast):
    """Fused forward and backward; steps are captured as CUDA graphs.

    Parameters
    ----------
    graph
        Whether steps are captured; otherwise the same kernels are launched one by one.
    tf32
        Whether matrix products round their factors to TF32, for tensor cores.
    """

    def __init__(self, masks: Masks, graph: bool, tf32: bool) -> None:
        import cupy

        super().__init__(masks, Kernels(tf32))
        self._cupy, self.graph = cupy, graph
        self._one = Variable(self.kernels.one)

    def active(self) -> AbstractContextManager[None]:
        return nullcontext()  # its kernels are those of the fused functions

    def loss(self, y: Any, t: Array) -> tuple[Any, Array]:
        loss, correct = super().loss(y, t)
        # DeZero would make a new array, which `is_one` could only recognise by a copy to the host.
        loss.grad = self._one
        return loss, correct

    def asarray(self, array: Array) -> Array:
        return self._cupy.asarray(array)

    def loop(
        self,
        model: Any,
        optimizer: Any,
        data: Data,
        batch_size: int,
        with_scores: Collection[str] = (),
    ) -> Loop:
        if data.augment:
            return EagerOnGpu(model, optimizer, self, data, batch_size)
        launcher = Launcher(model, optimizer, self, data.scale, self.graph)
        return GpuLoop(launcher, data, batch_size, with_scores)

    def to_device(self, model: Any) -> None:
        model.to_gpu()
        model_state.to_device(model, self.asarray)

    def warm_up(self, model: Any, optimizer: Any, x: Array, t: Array) -> None:
        with self.kernels.on_stream():
            super().warm_up(model, optimizer, x, t)
            self.kernels.stream.synchronize()
            if self.graph and (reason := why_not_capturable(model, optimizer, self, x, t)):
                self.graph, self.fallbacks = False, (*self.fallbacks, f"no CUDA graph: {reason}")
