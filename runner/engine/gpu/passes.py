"""A pass over some images: their order, where it stands and what has come of it, all of it on the card."""

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

    def __len__(self) -> int:
        return len(self.images)

    def place(self, **values: float) -> None:
        """Put the pass where these values of STATE say; those that are not named are 0."""
        state = np.zeros(1, dtype=STATE)
        for name, value in values.items():
            state[name] = value
        self.state.set(state.view(np.uint8))

    def set_rates(self, rates: NDArray[np.float64]) -> None:
        """The learning rate of each step, (n_steps,), from the first of the pass on."""
        self.rates.set(rates.astype(np.float32))


def board_size(n_images: int) -> int:
    """Bytes of a pass's board."""
    # The next pass's state, too, must begin at a multiple of eight.
    return int(STATE.itemsize + -(-n_images // 8) * 8)
