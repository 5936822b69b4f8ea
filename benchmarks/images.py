"""MNIST as four plain files, so that a contestant can read it without importing anything of the
runner."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

_ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")


@dataclass(frozen=True)
class Images:
    """uint8 throughout: images (n, 1, 28, 28), labels (n,)."""

    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.uint8]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.uint8]


def write(folder: Path) -> None:
    """Have the runner find and check MNIST ($MNIST_ROOT, its caches, a download), and write it into
    `folder`."""
    from runner.data import loading as data

    dataset, _ = data.prepare("mnist", folder / "runner", arguments={"allow_fallback": False})
    for name in _ARRAYS:
        np.save(folder / f"{name}.npy", getattr(dataset, name))


def read(folder: Path, mmap_mode: Literal["r"] | None = None) -> Images:
    """What `write` wrote, in memory or memory-mapped."""
    return Images(*(np.load(folder / f"{name}.npy", mmap_mode=mmap_mode) for name in _ARRAYS))
