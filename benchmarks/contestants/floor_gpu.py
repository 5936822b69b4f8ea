"""The roofline: a lower bound of the time of a step on a GPU.

The larger of its bytes at the rate of a large copy and its operations at that of a large product,
and the gaps between its kernels.
"""

from typing import Any

import numpy as np

from benchmarks.nets import BATCH, SIDE, Net
from runner.engine.gpu.blas import Blas
from runner.engine.gpu.graph import capture_graph
from runner.engine.gpu.module import blocks, launch

_FLOAT32 = 4
#: Kernels of a step without hidden layers, and those that a hidden layer or a convolution adds
#: (counted by tests/gpu/test_gpu_graph.py).
_KERNELS, _KERNELS_PER_LAYER, _KERNELS_PER_CONVOLUTION = 5, 5, 2


class Roofline:
    """Measures the GPU; `step_s` is the result, and `train` does nothing."""

    def __init__(
        self, net: Net, n_numbers: int = 1 << 28, side: int = 8192, n_nodes: int = 1000
    ) -> None:
        import cupy

        self._cupy, self.stream = cupy, cupy.cuda.Stream(non_blocking=True)
        with self.stream:
            self.bytes_per_s = self._copied(n_numbers)
            self.operations_per_s = self._multiplied(side)
            self.gap_s = self._launched(n_nodes)
        self.step_s = max(
            step_bytes(net) / self.bytes_per_s, step_operations(net) / self.operations_per_s
        )
        self.step_s += n_kernels(net) * self.gap_s

    def _copied(self, n_numbers: int) -> float:
        a, b = (self._cupy.zeros(n_numbers, dtype=self._cupy.float32) for _ in range(2))

        def copy() -> None:
            b[...] = a

        return 2 * n_numbers * _FLOAT32 / self._timed(copy)

    def _multiplied(self, side: int) -> float:
        a, b, out = (self._cupy.zeros((side, side), dtype=self._cupy.float32) for _ in range(3))
        blas = Blas(self.stream, tf32=False)
        return 2 * side**3 / self._timed(lambda: blas.product(a, b, out))

    def _launched(self, n_nodes: int) -> float:
        """Seconds from one kernel of a graph to the next, for kernels that do nothing."""
        z, b = (self._cupy.zeros(1, dtype=self._cupy.float32) for _ in range(2))
        launch("add_bias", blocks(1), z, b, np.int64(0), np.int32(1))
        self.stream.synchronize()

        def kernels() -> None:
            for _ in range(n_nodes):
                launch("add_bias", blocks(1), z, b, np.int64(0), np.int32(1))

        graph = capture_graph(self.stream, kernels)
        return self._timed(lambda: graph.launch(self.stream)) / n_nodes

    def _timed(self, work: Any, n: int = 5) -> float:
        """The shortest of n times, in seconds, that the work takes on the GPU."""
        work()
        seconds = []
        for _ in range(n):
            began = self.stream.record()
            work()
            ended = self.stream.record()
            self.stream.synchronize()
            seconds.append(self._cupy.cuda.get_elapsed_time(began, ended) / 1e3)
        return float(min(seconds))

    def train(self, n_steps: int) -> list[float]:
        """Nothing; `step_s` is the result."""
        return []

    def evaluate(self, n_batches: int) -> float:
        return 0.0


def step_bytes(net: Net) -> int:
    """Bytes that a training step must read or write.

    Adam's seven numbers per parameter; each activation, its gradient and each weight once forward
    and twice backward.
    """
    sizes = net.layer_sizes
    weights = sum(n_in * n_out for n_in, n_out in zip(sizes, sizes[1:], strict=False))
    activations = BATCH * sum(sizes)
    pixels = BATCH * SIDE**2 * (1 + _FLOAT32)
    return _FLOAT32 * (7 * net.n_parameters + 3 * weights + 4 * activations) + pixels


def step_operations(net: Net) -> int:
    """Floating-point operations of a training step's products and its convolution."""
    sizes = net.layer_sizes
    linear = sum(n_in * n_out for n_in, n_out in zip(sizes, sizes[1:], strict=False))
    first = sizes[0] * sizes[1] if not net.channels else 0  # the images need no gradient
    convolution = 2 * 9 * BATCH * net.channels * (SIDE**2 + (SIDE // 2) ** 2)
    return 2 * BATCH * (3 * linear - first) + convolution


def n_kernels(net: Net) -> int:
    """Kernels of a training step of the fast engine."""
    n = (
        _KERNELS
        + _KERNELS_PER_LAYER * len(net.hidden)
        + (_KERNELS_PER_CONVOLUTION if net.channels else 0)
    )
    n -= bool(
        net.hidden
    )  # one kernel computes the gradients of the last layer and of the ReLU before
    return n if net.channels else n - 1  # the images need no gradient
