"""Metrics that a configuration may name: functions of scores and labels, like a user's own.

`metrics: {test/recall: runner.metrics.recall}` in a sweep's file records them at every epoch.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def recall(scores: NDArray[np.float32], labels: NDArray[Any]) -> dict[str, float]:
    """Of the images of each class, the share that is classified right, by class.

    Parameters
    ----------
    scores
        Of shape (n, n_classes).
    labels
        Of shape (n,).

    Returns
    -------
    dict of str to float
        In [0, 1], by the number of the class; a class without images is left out.
    """
    correct = scores.argmax(axis=1) == labels
    return {str(label): float(correct[labels == label].mean()) for label in np.unique(labels)}
