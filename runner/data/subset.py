"""Which training images are trained on, which are held out, and which have a wrong label.

All of it is drawn from the hash of the data and from nothing else: every seed and every cell of a
sweep sees the same images and the same labels, so that runs stay paired. More images hold all of
fewer ones, and a larger share of wrong labels all of a smaller one.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runner.data.asked import Asked
from runner.data.loading import Dataset
from runner.errors import ConfigError
from runner.seeding import stream


@dataclass(frozen=True, eq=False)
class Parts:
    """Images and labels to train on, and those held out: None where there are none."""

    train_images: NDArray[Any]
    train_labels: NDArray[Any]
    val_images: NDArray[Any] | None = None
    val_labels: NDArray[Any] | None = None


def n_left(asked: Asked, n_images: int) -> int:
    """How many of a data set's n training images are trained on.

    Raises
    ------
    ConfigError
        When more is asked for than there is.
    """
    if not 0 <= asked.validation < n_images:
        raise ConfigError(
            f"data.validation={asked.validation}: allowed is an integer from 0 to {n_images - 1},"
            f" of {n_images} training images"
        )
    most = n_images - asked.validation
    if asked.n_train is None:
        return most
    if not 1 <= asked.n_train <= most:
        held_out = f" that data.validation={asked.validation} leaves" if asked.validation else ""
        raise ConfigError(
            f"data.n_train={asked.n_train}: allowed is an integer from 1 to {most}, the training"
            f" images{held_out}"
        )
    return asked.n_train


def check(asked: Asked, dataset: Dataset) -> None:
    """Refuse what the data cannot give.

    Raises
    ------
    ConfigError
    """
    n_left(asked, len(dataset.train_images))
    if not 0 <= asked.label_noise <= 1:
        raise ConfigError(f"data.label_noise={asked.label_noise}: allowed is a number from 0 to 1")
    if asked.label_noise and len(np.unique(dataset.train_labels)) == 1:
        raise ConfigError(
            f"data.label_noise={asked.label_noise}: the training images are of one class, so that"
            " there is no wrong one"
        )


def parts(asked: Asked, dataset: Dataset) -> Parts:
    """The part of the training images that is trained on, and the part that is held out.

    Where nothing is cut off, the arrays are those of the data set, in its order. Otherwise the
    first `n_train` images of a fixed order are trained on, and the last `validation` are held out,
    with the labels that they have. In each stretch of that order the classes have the shares that
    they have in the whole.

    Raises
    ------
    ConfigError
        When more is asked for than there is.
    """
    check(asked, dataset)
    images, labels = dataset.train_images, dataset.train_labels
    n = n_left(asked, len(images))
    if n == len(images):
        # The images stay as they are mapped, the whole of them.
        every = np.arange(n)
        return Parts(images, with_noise(labels, every, dataset.sha256, asked.label_noise))
    order = fixed_order(labels, dataset.sha256)
    trained, held_out = order[:n], order[len(order) - asked.validation :]
    given = with_noise(labels, trained, dataset.sha256, asked.label_noise)
    if not asked.validation:
        return Parts(images[trained], given)
    return Parts(images[trained], given, images[held_out], labels[held_out])


def fixed_order(labels: NDArray[Any], sha256: str) -> NDArray[np.intp]:
    """The rows of the training images, drawn from the hash, each class evenly spread, (n,).

    The image of a class with n images that is drawn k-th (from 0) stands at (k + 1/2) / n: the rule
    by which Sainte-Lague gives seats to parties.
    """
    drawn = _stream(sha256, "order").permutation(len(labels))
    n_images, place = np.bincount(labels), np.empty(len(labels))
    for label in np.flatnonzero(n_images):
        of_label = drawn[labels[drawn] == label]
        place[of_label] = (np.arange(len(of_label)) + 0.5) / len(of_label)
    return drawn[np.argsort(place[drawn], kind="stable")]


def with_noise(
    labels: NDArray[Any], rows: NDArray[np.intp], sha256: str, share: float
) -> NDArray[Any]:
    """The labels of these rows, of which a share, rounded, are those of another class.

    Which of the other classes it is, each as likely, and which rows come first, is drawn for each
    row of the whole.

    Parameters
    ----------
    labels
        Of all training images.
    rows
        Those that are trained on.
    """
    n_wrong = round(share * len(rows))
    if not n_wrong:
        return labels[rows]
    rng, classes = _stream(sha256, "label_noise"), np.unique(labels)
    turn = rng.permutation(len(labels))
    step = rng.integers(1, len(classes), size=len(labels))
    given = labels[rows]
    first = np.argsort(turn[rows])[:n_wrong]
    old = np.searchsorted(classes, given[first])
    given[first] = classes[(old + step[rows[first]]) % len(classes)]
    return given


def _stream(sha256: str, name: str) -> np.random.Generator:
    return stream(int(sha256[:15], 16), name)
