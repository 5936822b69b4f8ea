"""A step's matrix products by OpenBLAS and its memory traffic as copies, and nothing else.

A training step is

- the products of the linear layers by NumPy's BLAS, in place: y = x W, gW = x' gy, and gx = gy W'
  where a layer below needs it;
- the multiply-adds of the convolutions (counts.py), at the rate of one large product (`_LARGE`);
- the traffic of bytes that nothing can avoid (copies.py).

Each of the three is repeated by itself, so each finds what it needs as near in the caches as it
ever could. Products of other sizes run at other rates and a better BLAS is possible, so a training
can be faster than this; fma_and_bandwidth.py is the bound.

Not counted: bias, activations, BatchNorm, dropout's random numbers, softmax, and every call's own
cost. An evaluation step is the forward half, without Adam.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.contestants.copies import Copies
from benchmarks.counts import convolution_multiply_adds
from benchmarks.nets import BATCH, Net

Array = NDArray[np.float32]
#: Side of the square product whose rate of multiply-adds the convolution is given; they fit into 1
#: MiB of cache.
_LARGE = 256


class BlasAndCopies:
    """The products and the copies of one network's step; the numbers in them mean nothing."""

    def __init__(self, net: Net) -> None:
        rng = np.random.default_rng(0)
        self.copies = Copies(net)
        # Weights and their gradients are views of the copied state, for a step touches the same
        # memory.
        self.forward_products, self.backward_products = _products(net, self.copies.state, rng)
        self.of_training = convolution_multiply_adds(net, training=True)
        self.of_evaluation = convolution_multiply_adds(net, training=False)
        self.large = [rng.standard_normal((_LARGE, _LARGE), dtype=np.float32) for _ in range(3)]
        self.multiply_adds_due = 0

    def train(self, n_steps: int) -> list[float]:
        for _ in range(n_steps):
            _multiply(self.forward_products)
            _multiply(self.backward_products)
        self._convolve(n_steps * self.of_training)
        self.copies.train(n_steps)
        return []

    def evaluate(self, n_batches: int) -> float:
        for _ in range(n_batches):
            _multiply(self.forward_products)
        self._convolve(n_batches * self.of_evaluation)
        self.copies.evaluate(n_batches)
        return 0.0

    def _convolve(self, multiply_adds: int) -> None:
        """So many multiply-adds as whole large products; what is left over is due at the next
        call."""
        a, b, out = self.large
        n_products, self.multiply_adds_due = divmod(
            self.multiply_adds_due + multiply_adds, _LARGE**3
        )
        for _ in range(n_products):
            np.dot(a, b, out=out)


def _multiply(products: list[tuple[Array, Array, Array]]) -> None:
    for a, b, out in products:
        np.dot(a, b, out=out)


def _products(net: Net, state: Array, rng: np.random.Generator) -> tuple[Any, Any]:
    """(a, b, out) of the linear layers' products, forward and backward."""
    forward, backward = [], []
    sizes, first = net.layer_sizes, 0
    x = rng.standard_normal((BATCH, sizes[0]), dtype=np.float32)
    gx_needed = net.channels > 0
    for n_in, n_out in zip(sizes, sizes[1:], strict=False):
        W, gW = (row[first : first + n_in * n_out].reshape(n_in, n_out) for row in state[:2])
        first += n_in * n_out
        y, gx = (
            np.empty((BATCH, n_out), dtype=np.float32),
            np.empty((BATCH, n_in), dtype=np.float32),
        )
        gy = rng.standard_normal((BATCH, n_out), dtype=np.float32)
        forward.append((x, W, y))
        backward.append((x.T, gy, gW))
        if gx_needed:
            backward.append((gy, W.T, gx))
        x, gx_needed = y, True
    return forward, backward
