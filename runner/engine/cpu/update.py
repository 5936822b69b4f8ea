"""Optimizers in one pass over flat arrays, in DeZero's order of operations, so that the bits are DeZero's too.

What is smaller than TINY becomes 0. The weights of a unit that is always off, and their moments, decay for
ever, and below 1e-38 they are denormal: every operation on one takes a hundred times as long, and a step
became four times slower in the middle of training. TINY is chosen so that no product below is denormal
(TINY**2 * (1 - beta2) > 1e-38) and that it changes nothing else: sqrt(TINY**2) + eps is eps in float32.
"""

from typing import Any

import numpy as np
from numba import uint64

from runner.engine.cpu.jit import as_numpy

TINY = 1e-17


def adam(p: Any, g: Any, m: Any, v: Any, lr: float, beta1: float, beta2: float, eps: float, decay: float) -> None:
    """`dezero.optimizers.Adam` on p (n,) with weight decay; `lr` is DeZero's corrected rate of the step."""
    real = p.dtype.type
    _adam(p, g, m, v, real(lr), real(1 - beta1), real(1 - beta2), real(eps), real(decay), real(TINY))


def momentum(p: Any, g: Any, v: Any, lr: float, factor: float, decay: float) -> None:
    """`dezero.optimizers.MomentumSGD` on p (n,) with weight decay."""
    real = p.dtype.type
    _momentum(p, g, v, real(lr), real(factor), real(decay), real(TINY))


def sgd(p: Any, g: Any, lr: float, decay: float) -> None:
    """`dezero.optimizers.SGD` on p (n,) with weight decay."""
    real = p.dtype.type
    _sgd(p, g, real(lr), real(decay), real(TINY))


@as_numpy
def _adam(p, g, m, v, lr, rest1, rest2, eps, decay, tiny):  # type: ignore[no-untyped-def]
    zero, tiny2 = p.dtype.type(0), tiny * tiny
    for i in range(uint64(p.size)):
        x = g[i] + decay * p[i]
        x = zero if abs(x) < tiny else x
        mi = m[i] + rest1 * (x - m[i])
        mi = zero if abs(mi) < tiny else mi
        vi = v[i] + rest2 * (x * x - v[i])
        vi = zero if vi < tiny2 else vi
        pi = p[i] - lr * mi / (np.sqrt(vi) + eps)
        m[i], v[i] = mi, vi
        p[i] = zero if abs(pi) < tiny else pi


@as_numpy
def _momentum(p, g, v, lr, factor, decay, tiny):  # type: ignore[no-untyped-def]
    zero = p.dtype.type(0)
    for i in range(uint64(p.size)):
        x = g[i] + decay * p[i]
        vi = v[i] * factor - lr * x
        vi = zero if abs(vi) < tiny else vi
        pi = p[i] + vi
        v[i] = vi
        p[i] = zero if abs(pi) < tiny else pi


@as_numpy
def _sgd(p, g, lr, decay, tiny):  # type: ignore[no-untyped-def]
    zero = p.dtype.type(0)
    for i in range(uint64(p.size)):
        pi = p[i] - lr * (g[i] + decay * p[i])
        p[i] = zero if abs(pi) < tiny else pi
