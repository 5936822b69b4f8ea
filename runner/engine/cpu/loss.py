"""Softmax cross-entropy in one pass: loss, gradient, and which rows are right."""

import math
from typing import Any

import numpy as np

from runner.engine.cpu.jit import as_numpy
from runner.engine.cpu.update import TINY


def softmax_cross_entropy(y: Any, t: Any) -> tuple[Any, Any, Any]:
    """Mean loss (0-d, dtype of y), right or wrong (n,) bool, and the gradient of the loss by y (n, n_classes).

    A row is right when the first of its largest scores is that of its class.
    """
    gradient = np.empty_like(y)
    correct = np.empty(len(y), dtype=np.bool_)
    loss = _softmax_cross_entropy(y, t, y.dtype.type(1 / len(y)), y.dtype.type(TINY), gradient, correct)
    return y.dtype.type(loss), correct, gradient


def is_one(gradient: Any) -> bool:
    """Whether it is 1, the gradient that a loss begins with."""
    return bool(gradient == 1)


@as_numpy
def _softmax_cross_entropy(y, t, share, tiny, gradient, correct):  # type: ignore[no-untyped-def]
    zero, one = y.dtype.type(0), y.dtype.type(1)
    total = 0.0
    for n in range(y.shape[0]):
        scores, g = y[n], gradient[n]
        best = 0
        for j in range(1, scores.size):
            best = j if scores[j] > scores[best] else best
        largest = scores[best]
        total_exp = zero
        for j in range(scores.size):
            g[j] = math.exp(scores[j] - largest)
            total_exp += g[j]
        label = np.intp(t[n])
        correct[n] = best == label
        # In float64: it is one number a row, and the mean of a batch is recorded.
        total += math.log(total_exp) + (largest - scores[label])
        for j in range(scores.size):
            x = (g[j] / total_exp - (one if j == label else zero)) * share
            g[j] = zero if abs(x) < tiny else x
    return total / y.shape[0]
