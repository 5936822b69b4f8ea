"""A pass over some images: their order, where it stands and what has come of it, all of it on the card."""

from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: `struct State` of kernels.cu.
STATE = np.dtype(
    [
        ("row", np.int64),
        ("time", np.int64),
        ("steps", np.int64),
        ("n_correct", np.int64),
        ("first_bad", np.int64),
        ("bad_loss", np.float64),
        ("loss_sum", np.float64),
    ]
)


class Pass:
    """What the kernels of one step are given, and move on by a batch each time.

    Parameters
    ----------
    images
        uint8, (n, channels, height, width), on the card; so is all the rest.
    labels
        int32, (n,).
    board
        uint8, (STATE.itemsize + n,): where its state and, an image a byte, right or wrong are kept.
    in_training
        Whether masks belong to a step and the optimizer follows, or neither.
    n_steps
        Batches of the pass, each with a learning rate of its own.
    """

    def __init__(self, images: Any, labels: Any, board: Any, in_training: bool, n_steps: int = 1) -> None:
        import cupy

        self.images, self.labels, self.in_training = images, labels, in_training
        self.order = cupy.arange(len(images), dtype=cupy.int32)
        self.rates = cupy.zeros(n_steps, dtype=cupy.float32)
        self.state, self.correct = board[: STATE.itemsize], board[STATE.itemsize :]
        # What was copied from last: it must not go before the copy is made, and nobody waits for that. An epoch copies
        # three times before somebody waits.
        self._sources: deque[Any] = deque(maxlen=8)

    def __len__(self) -> int:
        return len(self.images)

    def place(self, **values: float) -> None:
        """Put the pass where these values of STATE say; those that are not named are 0."""
        state = np.zeros(1, dtype=STATE)
        for name, value in values.items():
            state[name] = value
        self._set(self.state, state.view(np.uint8))

    def set_order(self, order: NDArray[np.int64]) -> None:
        """The order in which the images are gone through, (n,)."""
        self._set(self.order, order.astype(np.int32))

    def set_rates(self, rates: NDArray[np.float64]) -> None:
        """The learning rate of each step, (n_steps,), from the first of the pass on."""
        self._set(self.rates, rates.astype(np.float32))

    def _set(self, array: Any, values: NDArray[Any]) -> None:
        self._sources.append(values)
        array.set(values)


def board_size(n_images: int) -> int:
    """Bytes of a pass's board."""
    # The next pass's state, too, must begin at a multiple of eight.
    return int(STATE.itemsize + -(-n_images // 8) * 8)
