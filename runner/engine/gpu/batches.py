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
from runner.engine.gpu.module import blocks, launch

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
    VAL = "val"


class Results:
    """The states of several passes and their predicted classes, in one array on the GPU.

    One copy to the host then reads everything that an epoch leaves behind.

    Parameters
    ----------
    lengths
        Images of each pass.
    """

    def __init__(self, lengths: list[int]) -> None:
        import cupy

        # Each state starts at a multiple of eight bytes, the alignment of its fields; classes have
        # two bytes.
        sizes = [STATE.itemsize + -(-n_images // 4) * 8 for n_images in lengths]
        stops = np.cumsum(sizes).tolist()
        self._starts, self._lengths = [0, *stops[:-1]], lengths
        self._bytes = cupy.zeros(stops[-1], dtype=cupy.uint8)

    def part(self, i: int) -> tuple[Array, Array]:
        """State and predicted classes of one pass, on the GPU.

        uint8 (STATE.itemsize,) and uint16 (n_images,).
        """
        import cupy

        state = self._starts[i]
        images = state + STATE.itemsize
        predicted = self._bytes[images : images + 2 * self._lengths[i]]
        return self._bytes[state:images], predicted.view(cupy.uint16)

    def read(self, stream: Any) -> list[tuple[Any, NDArray[np.uint16]]]:
        """State and predicted classes of every pass, on the host; waits for the stream."""
        values, results = self._bytes.get(stream=stream), []
        for start, length in zip(self._starts, self._lengths, strict=True):
            images = start + STATE.itemsize
            state = values[start:images].view(STATE)[0]
            results.append((state, values[images : images + 2 * length].view(np.uint16)))
        return results


class Batches:
    """The images of one pass, batch by batch.

    Parameters
    ----------
    images
        cupy.ndarray of shape (n_images, ...), uint8 or float32.
    labels
        cupy.ndarray of shape (n_images,), int32.
    results
        State and predicted classes, as `Results.part` returns them; own memory by default.
    keeps_scores
        Whether the scores of a forward pass are kept.

    Attributes
    ----------
    n_classes
        Scores of an image; known once a batch was launched.
    scores
        cupy.ndarray of shape (n_images, n_classes), float32, once a batch was launched that keeps
        them.
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
        keeps_scores: bool = False,
    ) -> None:
        import cupy

        self.phase, self.images, self.labels, self.batch_size = phase, images, labels, batch_size
        self.order = cupy.arange(len(images), dtype=cupy.int32)
        n_batches = math.ceil(len(images) / batch_size)
        self.learning_rates = cupy.zeros(n_batches, dtype=cupy.float32)
        self.keeps = cupy.ones(n_batches, dtype=cupy.float32)
        self.state, self.predicted = results or Results([len(images)]).part(0)
        self.keeps_scores, self.n_classes = keeps_scores, 0
        self.scores: Array | None = None
        # A copy to the GPU reads its source after `set` has returned, so sources are kept. An epoch
        # copies four times before the host waits; a step by itself four times, and once for each
        # layer with dropout.
        self._sources: deque[Any] = deque(maxlen=24)

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

    def keep_scores(self, y: Array) -> None:
        """Keep y, float32 (n, n_classes), as the scores of the next n images; before the loss."""
        import cupy

        y = y if y.flags.c_contiguous else y.copy()
        if self.scores is None:
            self.scores = cupy.empty((len(self), y.shape[1]), dtype=cupy.float32)
        sizes = np.int64(y.size), np.int32(y.shape[1])
        launch("keep_scores", blocks(y.size), y, *sizes, self.state, self.scores)

    def set_keeps(self, keeps: NDArray[np.float64]) -> None:
        """Set what each update first multiplies weights by, ndarray of shape (n_batches,)."""
        self._set(self.keeps, keeps.astype(np.float32))

    def _set(self, array: Array, values: NDArray[Any]) -> None:
        self._sources.append(values)
        array.set(values)
