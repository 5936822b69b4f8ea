"""A lower bound for any implementation on this machine's BLAS and memory, measured.

A training step of the floor is

- the products of the linear layers by NumPy's BLAS, in place: y = x W, gW = x' gy, and gx = gy W'
  where a layer below needs it;
- the multiply-adds of the convolution, at the rate of one large product (`_LARGE`): 9 an output
  pixel and channel forward, and 9 a *pooled* pixel and channel for gW, since a max-pool passes
  gradients to one pixel in four. Im2col's traffic is not counted: a convolution can do without;
- the traffic of bytes that nothing can avoid, at the bandwidth of a copy (bytes read plus bytes
  written) over memory of the size that the step touches: Adam reads p, g, m, v and writes p, m,
  v; the output of every layer but the last is written once and, training, read once; a batch is
  read as uint8 and written as float32.

Each of the three is repeated by itself, so each finds what it needs as near in the caches as it
ever could.

Not counted: bias, ReLU, dropout's random numbers, softmax, and every call's own cost. An evaluation
step is the forward half, without Adam.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.nets import BATCH, SIDE, Net

Array = NDArray[np.float32]
#: Side of the square product whose rate of multiply-adds the convolution is given; they fit into 1
#: MiB of cache.
_LARGE = 256
_FLOAT32 = 4


class Floor:
    """The products and the copies of one network's step; the numbers in them mean nothing."""

    def __init__(self, net: Net) -> None:
        rng = np.random.default_rng(0)
        # Rows p, g, m, v. Weights and their gradients are views of p and g, for a step touches the
        # same memory.
        self.state = rng.standard_normal((4, net.n_parameters), dtype=np.float32) * np.float32(0.03)
        self.forward_products, self.backward_products = _products(net, self.state, rng)
        n_activations = BATCH * sum(net.layer_sizes[1:-1])
        n_pooled = BATCH * net.layer_sizes[0] if net.channels else 0
        self.forward_multiply_adds, self.backward_multiply_adds = 9 * 4 * n_pooled, 9 * n_pooled
        self.large = [rng.standard_normal((_LARGE, _LARGE), dtype=np.float32) for _ in range(3)]
        self.multiply_adds_due = 0
        gather_bytes = BATCH * SIDE**2 * (1 + _FLOAT32)
        written_bytes = (n_activations + n_pooled) * _FLOAT32
        # A copy reads and writes each of its bytes, so half of the traffic is copied.
        self.train_copy = _buffers((gather_bytes + 2 * written_bytes) // 2)
        self.evaluate_copy = _buffers((gather_bytes + written_bytes) // 2)

    def train(self, n_steps: int) -> list[float]:
        p, g, m, v = self.state
        half = p.size // 2
        for _ in range(n_steps):
            _multiply(self.forward_products)
            _multiply(self.backward_products)
        self._convolve(n_steps * (self.forward_multiply_adds + self.backward_multiply_adds))
        for _ in range(n_steps):
            np.copyto(*self.train_copy)
        for _ in range(n_steps):
            # Adam's 7 numbers a parameter, as 3.5 copied.
            np.copyto(m, p)
            np.copyto(v, g)
            np.copyto(p, m)
            np.copyto(v[:half], p[:half])
        return []

    def evaluate(self, n_batches: int) -> float:
        for _ in range(n_batches):
            _multiply(self.forward_products)
        self._convolve(n_batches * self.forward_multiply_adds)
        for _ in range(n_batches):
            np.copyto(*self.evaluate_copy)
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


def _buffers(n_bytes: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    return np.zeros(n_bytes, dtype=np.uint8), np.ones(n_bytes, dtype=np.uint8)
