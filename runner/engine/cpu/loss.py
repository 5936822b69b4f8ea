"""Softmax cross-entropy in one pass: the loss, its gradient, and which rows are right."""

import math

import numpy as np

from runner.engine import shapes
from runner.engine.cpu.jit import as_numpy
from runner.engine.cpu.update import TINY
from runner.engine.device import Array


def softmax_cross_entropy(y: Array, t: Array) -> tuple[Array, Array, Array]:
    """Mean loss (0-d), which rows are right (bool, (n,)), and the gradient of y (n, n_classes).

    A row is right when the first of its largest scores is that of its label.

    Raises
    ------
    ModelError
        For a label that is no column of y.
    """
    gradient = np.empty_like(y)
    correct = np.empty(len(y), dtype=np.bool_)
    loss = _softmax_cross_entropy(
        y, t, y.dtype.type(1 / len(y)), y.dtype.type(TINY), gradient, correct
    )
    if math.isnan(loss):
        # The kernel tells a label without a column so, and so a training that has diverged.
        shapes.check_labels(y.shape[1], int(t.max()), int(t.min()))
    return np.array(loss, dtype=y.dtype), correct, gradient


def is_one(gradient: Array) -> bool:
    """Whether the gradient of a loss is 1, as it is where the backward pass starts."""
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
        if label < 0 or label >= scores.size:
            return np.nan
        correct[n] = best == label
        # In float64, since the mean of a batch is recorded; it is one number a row.
        total += math.log(total_exp) + (largest - scores[label])
        for j in range(scores.size):
            x = (g[j] / total_exp - (one if j == label else zero)) * share
            g[j] = zero if abs(x) < tiny else x
    return total / y.shape[0]
