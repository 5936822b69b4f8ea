"""The memory traffic of a step (counts.py), at the bandwidth of copies over as much memory."""

import numpy as np
from numpy.typing import NDArray

from benchmarks.counts import layer_bytes
from benchmarks.nets import Net

Array = NDArray[np.float32]


class Copies:
    """A copy reads and writes each of its bytes, so half of the traffic is copied."""

    def __init__(self, net: Net) -> None:
        rng = np.random.default_rng(0)
        #: Rows p, g, m, v of Adam.
        self.state: Array = rng.standard_normal((4, net.n_parameters), dtype=np.float32)
        self.state *= np.float32(0.03)
        self.of_training = _buffers(layer_bytes(net, training=True) // 2)
        self.of_evaluation = _buffers(layer_bytes(net, training=False) // 2)

    def train(self, n_steps: int) -> None:
        p, g, m, v = self.state
        half = p.size // 2
        for _ in range(n_steps):
            np.copyto(*self.of_training)
        for _ in range(n_steps):
            # Adam's 7 numbers a parameter, as 3.5 copied.
            np.copyto(m, p)
            np.copyto(v, g)
            np.copyto(p, m)
            np.copyto(v[:half], p[:half])

    def evaluate(self, n_batches: int) -> None:
        for _ in range(n_batches):
            np.copyto(*self.of_evaluation)


def _buffers(n_bytes: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    return np.zeros(n_bytes, dtype=np.uint8), np.ones(n_bytes, dtype=np.uint8)
