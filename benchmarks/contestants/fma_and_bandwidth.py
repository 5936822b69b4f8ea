"""A lower bound of the time of a step: the processor's peak and its memory, measured.

The longer of two times, for a processor can compute and copy at once: that of the step's
multiply-adds (counts.py) at the rate of a kernel that does nothing but fused multiply-adds of
numbers in registers, and that of its memory traffic as copies (copies.py).
"""

import math
import time

import numba
import numpy as np
from numpy.typing import NDArray

from benchmarks.contestants.copies import Copies
from benchmarks.counts import convolution_multiply_adds, linear_multiply_adds
from benchmarks.nets import Net

#: 4 KiB: a number is loaded from the nearest cache, and stored there, once in `_CHAIN`
#: multiply-adds, which hides both.
_NUMBERS = 1024
#: Short enough for a processor to look ahead into other chains while one waits for itself.
_CHAIN = 16
_REPETITION = _NUMBERS * _CHAIN


# "contract" has LLVM fuse multiplication and addition; the chains of neighbouring numbers become
# lanes of the widest vectors.
@numba.njit(fastmath={"contract"})
def multiply_add(x: NDArray[np.float32], a: np.float32, b: np.float32, n_repetitions: int) -> None:
    """x becomes a x + b, `_CHAIN` times a repetition."""
    for _ in range(n_repetitions):
        for i in range(x.size):
            y = x[i]
            for _ in range(_CHAIN):
                y = y * a + b
            x[i] = y


class FmaAndBandwidth:
    """As many multiply-adds and copied bytes as a network's step has; nothing is learned."""

    def __init__(self, net: Net) -> None:
        self.copies = Copies(net)
        self.of_training, self.of_evaluation = (
            linear_multiply_adds(net, training) + convolution_multiply_adds(net, training)
            for training in (True, False)
        )
        # The chain goes to 1 from anywhere: never to a denormal number or an infinite one.
        self.numbers = np.zeros(_NUMBERS, dtype=np.float32)
        #: Of the last call: what worker.py answers in place of the time of the whole call.
        self.bound_s = 0.0

    def train(self, n_steps: int) -> list[float]:
        multiply_adds_s = self._multiply_add(n_steps * self.of_training)
        started = time.perf_counter()
        self.copies.train(n_steps)
        self.bound_s = max(multiply_adds_s, time.perf_counter() - started)
        return []

    def evaluate(self, n_batches: int) -> float:
        multiply_adds_s = self._multiply_add(n_batches * self.of_evaluation)
        started = time.perf_counter()
        self.copies.evaluate(n_batches)
        self.bound_s = max(multiply_adds_s, time.perf_counter() - started)
        return 0.0

    def _multiply_add(self, n: int) -> float:
        """Seconds of so many multiply-adds, from those of whole repetitions."""
        half, n_repetitions = np.float32(0.5), math.ceil(n / _REPETITION)
        started = time.perf_counter()
        multiply_add(self.numbers, half, half, n_repetitions)
        return (time.perf_counter() - started) * n / (n_repetitions * _REPETITION)
