"""Augmentation: one's own function of a training batch, with a random stream of the run's own."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runner.data import functions
from runner.data.asked import Asked
from runner.data.functions import Function
from runner.data.loading import Dataset
from runner.errors import DataError
from runner.seeding import stream


@dataclass(frozen=True)
class Augment:
    """`data.augment`: f(x, rng) -> x, for a batch x, float32 (n, ...), with pixels divided.

    It may write into x. The generator belongs to the seed and the step alone, so that a batch comes
    out the same in every cell of a seed and after a resume.
    """

    function: Function
    seed: int

    def __call__(self, x: NDArray[Any], step: int) -> NDArray[Any]:
        """The batch of a training step, counted from 1 over all epochs, in C order.

        Raises
        ------
        DataError
            When the function raises anything, or returns another shape or dtype.
        """
        shape = x.shape
        with functions.in_one_line(self.function):
            changed = self.function(x, stream(self.seed, "augment", step))
        came = type(changed).__name__
        if isinstance(changed, np.ndarray):
            came = f"{changed.dtype} {changed.shape}"
        if came != f"float32 {shape}":
            raise DataError(
                f"data.augment: {functions.name_of(self.function)} returned {came} for a batch of"
                f" float32 {shape}; allowed is an array of the same shape and dtype"
            )
        return np.ascontiguousarray(changed)


def of(target: str | None, seed: int) -> Augment | None:
    """The augmentation that a configuration asks for, if any."""
    return Augment(functions.find("data.augment", target), seed) if target else None


def check(asked: Asked, dataset: Dataset) -> None:
    """Call the augmentation once, on two training images, if there is one.

    Raises
    ------
    ConfigError, DataError
        When it is not there, or cannot be trained with.
    """
    if augment := of(asked.augment, seed=0):
        scale = dataset.full_scale if asked.normalize else 1.0
        augment(dataset.train_images[:2].astype(np.float32) / np.float32(scale), step=1)
