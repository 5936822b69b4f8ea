"""A few images of the data that a run reads, for what is tried before anything is trained."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runner.data.asked import Asked
from runner.data.loading import Dataset
from runner.data.subset import n_left
from runner.plan.plan import PlannedRun


@dataclass(frozen=True)
class Sample:
    """Two images, and how many there are."""

    #: Of the training set, of shape (n, ...), and their labels, of shape (n,).
    images: NDArray[Any]
    labels: NDArray[Any]
    #: What pixels are divided by when they are normalised.
    scale: float
    #: One more than the largest label of the whole set.
    n_classes: int
    #: Images of an epoch, and of the test set.
    n_train: int
    n_test: int

    @classmethod
    def of(cls, run: PlannedRun, dataset: Dataset) -> "Sample":
        """The first two images of the data that a run reads."""
        return cls(
            images=np.array(dataset.train_images[:2]),
            labels=np.array(dataset.train_labels[:2]),
            scale=dataset.full_scale,
            n_classes=dataset.n_classes,
            n_train=n_left(Asked.of(run.config.data), len(dataset.train_images)),
            n_test=len(dataset.test_images),
        )
