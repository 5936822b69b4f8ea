"""One pass over a set of images: the order, the position and the results, all in GPU memory.

A kernel of a CUDA graph gets the same arguments at each launch. Whatever differs from batch to
batch is therefore read from here, and the loss kernel moves the position on by a batch.
"""

import math
from collections import deque
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runner.engine.device import Array

#: `struct State` of kernels.cu.
STATE = np.dtype(
    [
        ("row", np.int64),
        ("time", np.int64),
        ("steps", np.int64),
        ("n_correct", np.int64),
        ("diverged_at", np.int64),
        ("diverged_loss", np.float64),
        ("loss_sum", np.float64),
    ]
)


class Phase(Enum):
    """What a pass over images is for; the names are those of the metrics."""

    TRAIN = "train"
    TRAIN_EVAL = "train_eval"
    TEST = "test"
    TEST_MASKED = "test_masked"


class Results:
    """The states of several passes and their per-image results, in one array on the GPU.

    One copy to the host then reads everything that an epoch leaves behind.

    Parameters
    ----------
    lengths
        Images of each pass.
    """

    def __init__(self, lengths: list[int]) -> None:
        import cupy

        # Each state starts at a multiple of eight bytes, the alignment of its fields.
        sizes = [STATE.itemsize + -(-n_images // 8) * 8 for n_images in lengths]
        stops = np.cumsum(sizes).tolist()
        self._starts, self._lengths = [0, *stops[:-1]], lengths
        self._bytes = cupy.zeros(stops[-1], dtype=cupy.uint8)

    def part(self, i: int) -> tuple[Array, Array]:
        """State and per-image results of one pass, on the GPU.

        uint8, of shapes (STATE.itemsize,) and (n_images,).
        """
        state = self._starts[i]
        images = state + STATE.itemsize
        return self._bytes[state:images], self._bytes[images : images + self._lengths[i]]

    def read(self, stream: Any) -> list[tuple[Any, NDArray[np.bool_]]]:
        """State and per-image results of every pass, on the host; waits for the stream."""
        values, results = self._bytes.get(stream=stream), []
        for start, length in zip(self._starts, self._lengths, strict=True):
            images = start + STATE.itemsize
            state = values[start:images].view(STATE)[0]
            results.append((state, values[images : images + length].astype(np.bool_)))
        return results


class Batches:
    """The images of one pass, batch by batch.

    Parameters
    ----------
    images
        cupy.ndarray of shape (n_images, channels, height, width), uint8.
    labels
        cupy.ndarray of shape (n_images,), int32.
    results
        State and per-image results, as `Results.part` returns them; own memory by default.

    Attributes
    ----------
    order
        cupy.ndarray of shape (n_images,), int32: the images in the order of their batches.
    learning_rates
        cupy.ndarray of shape (n_batches,), float32.
    keeps
        cupy.ndarray of shape (n_batches,), float32: what an update first multiplies weights by.
    """

    def __init__(
        self,
        phase: Phase,
        images: Array,
        labels: Array,
        batch_size: int,
        results: tuple[Array, Array] | None = None,
    ) -> None:
        import cupy

        self.phase, self.images, self.labels, self.batch_size = phase, images, labels, batch_size
        self.order = cupy.arange(len(images), dtype=cupy.int32)
        n_batches = math.ceil(len(images) / batch_size)
        self.learning_rates = cupy.zeros(n_batches, dtype=cupy.float32)
        self.keeps = cupy.ones(n_batches, dtype=cupy.float32)
        self.state, self.correct = results or Results([len(images)]).part(0)
        # A copy to the GPU reads its source after `set` has returned, so sources are kept. An epoch
        # copies four times before the host waits.
        self._sources: deque[Any] = deque(maxlen=8)

    def __len__(self) -> int:
        return len(self.images)

    @property
    def is_training(self) -> bool:
        """Whether dropout masks belong to a step, and not to an epoch, and updates follow."""
        return self.phase is Phase.TRAIN

    def set_state(self, **values: float) -> None:
        """Set the fields of STATE that are named, and the others to 0."""
        state = np.zeros(1, dtype=STATE)
        for name, value in values.items():
            state[name] = value
        self._set(self.state, state.view(np.uint8))

    def set_order(self, order: NDArray[np.int64]) -> None:
        """Set the order of the images, ndarray of shape (n_images,)."""
        self._set(self.order, order.astype(np.int32))

    def set_learning_rates(self, rates: NDArray[np.float64]) -> None:
        """Set the learning rate of each batch, ndarray of shape (n_batches,)."""
        self._set(self.learning_rates, rates.astype(np.float32))

    def set_keeps(self, keeps: NDArray[np.float64]) -> None:
        """Set what each update first multiplies weights by, ndarray of shape (n_batches,)."""
        self._set(self.keeps, keeps.astype(np.float32))

    def _set(self, array: Array, values: NDArray[Any]) -> None:
        self._sources.append(values)
        array.set(values)
