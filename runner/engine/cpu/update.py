"""Optimizers in one pass over flat arrays, in DeZero's order of operations and therefore with
DeZero's bits.

Numbers below TINY become 0. The weights of a unit that is always off, and their moments, decay for
ever. Below 1e-38 they are denormal, an operation on one takes a hundred times as long, and a step
became four times slower in the middle of training. TINY is so large that no product below is
denormal (TINY**2 * (1 - beta2) > 1e-38), and so small that nothing else changes: sqrt(TINY**2) +
eps is eps in float32.
"""

import numpy as np
from numba import uint64

from runner.engine.cpu.jit import as_numpy
from runner.engine.cpu.threads.team import BLOCK, share
from runner.engine.device import Array
from runner.engine.protocol import Betas

TINY = 1e-17
#: Nanoseconds a weight.
_ADAM_NS, _SGD_NS = 1.0, 0.4


def adam(
    p: Array,
    g: Array,
    m: Array,
    v: Array,
    lr: float,
    betas: Betas,
    eps: float,
    decay: float,
    keep: float = 1.0,
) -> None:
    """`dezero.optimizers.Adam` with weight decay, in place on p, m and v (n,).

    `lr` is DeZero's corrected rate of the step. Weights are first multiplied by `keep`: decoupled
    decay.
    """
    real = p.dtype.type
    rest1, rest2 = (real(1 - beta) for beta in betas)
    numbers = real(lr), rest1, rest2, real(eps), real(decay), real(keep), real(TINY)

    def part(start: int, stop: int) -> None:
        _adam(p[start:stop], g[start:stop], m[start:stop], v[start:stop], *numbers)

    share(part, p.size, _ADAM_NS, BLOCK)


def momentum(
    p: Array, g: Array, v: Array, lr: float, factor: float, decay: float, keep: float = 1.0
) -> None:
    """`dezero.optimizers.MomentumSGD` with weight decay, in place on p and v (n,)."""
    real = p.dtype.type
    numbers = real(lr), real(factor), real(decay), real(keep), real(TINY)

    def part(start: int, stop: int) -> None:
        _momentum(p[start:stop], g[start:stop], v[start:stop], *numbers)

    share(part, p.size, _SGD_NS, BLOCK)


def sgd(p: Array, g: Array, lr: float, decay: float, keep: float = 1.0) -> None:
    """`dezero.optimizers.SGD` with weight decay, in place on p (n,)."""
    real = p.dtype.type
    numbers = real(lr), real(decay), real(keep), real(TINY)

    def part(start: int, stop: int) -> None:
        _sgd(p[start:stop], g[start:stop], *numbers)

    share(part, p.size, _SGD_NS, BLOCK)


@as_numpy
def _adam(p, g, m, v, lr, rest1, rest2, eps, decay, keep, tiny):  # type: ignore[no-untyped-def]
    zero, tiny2 = p.dtype.type(0), tiny * tiny
    for i in range(uint64(p.size)):
        pi = keep * p[i]
        x = g[i] + decay * pi
        x = zero if abs(x) < tiny else x
        mi = m[i] + rest1 * (x - m[i])
        mi = zero if abs(mi) < tiny else mi
        vi = v[i] + rest2 * (x * x - v[i])
        vi = zero if vi < tiny2 else vi
        pi = pi - lr * mi / (np.sqrt(vi) + eps)
        m[i], v[i] = mi, vi
        p[i] = zero if abs(pi) < tiny else pi


@as_numpy
def _momentum(p, g, v, lr, factor, decay, keep, tiny):  # type: ignore[no-untyped-def]
    zero = p.dtype.type(0)
    for i in range(uint64(p.size)):
        pi = keep * p[i]
        x = g[i] + decay * pi
        vi = v[i] * factor - lr * x
        vi = zero if abs(vi) < tiny else vi
        pi = pi + vi
        v[i] = vi
        p[i] = zero if abs(pi) < tiny else pi


@as_numpy
def _sgd(p, g, lr, decay, keep, tiny):  # type: ignore[no-untyped-def]
    zero = p.dtype.type(0)
    for i in range(uint64(p.size)):
        pi = keep * p[i]
        pi = pi - lr * (g[i] + decay * pi)
        p[i] = zero if abs(pi) < tiny else pi
