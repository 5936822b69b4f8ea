"""What an engine and a loop have to offer, and the records that they share with whoever trains."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from runner.engine.device import Array
from runner.engine.recipe import Recipe
from runner.seeding import Masks

#: Mean loss, and for each image whether it was classified right, bool ndarray of shape (n_images,).
Evaluation = tuple[float, NDArray[np.bool_]]
#: The rates at which Adam's two moments decay, from 0 to below 1.
Betas = tuple[float, float]


@dataclass
class Data:
    """The data set of a run, on the engine's device.

    Images are uint8 of shape (n_images, channels, height, width), labels uint8 of shape
    (n_images,).
    """

    train_images: Array
    train_labels: Array
    test_images: Array
    test_labels: Array
    #: What pixels are divided by: their largest value when normalised, 1 for raw ones.
    scale: float


@dataclass
class Position:
    """Where training stands: all that a resume needs beside weights and optimizer state."""

    #: The epoch under way, from 1.
    epoch: int = 1
    #: Steps done in this epoch.
    step: int = 0
    #: Over the images of these steps: the sum of their losses, and how many were classified right.
    loss_sum: float = 0.0
    n_correct: int = 0
    #: Seconds that these steps took.
    train_s: float = 0.0

    def next_epoch(self) -> None:
        """Move to the beginning of the next epoch."""
        self.epoch, self.step = self.epoch + 1, 0
        self.loss_sum, self.n_correct, self.train_s = 0.0, 0, 0.0


@dataclass
class Measured:
    """The evaluations after an epoch."""

    #: Of the first N_TRAIN_EVAL training images, and of the test images: in test mode.
    train_eval: Evaluation
    test: Evaluation
    #: Of the test images with dropout left on.
    test_masked: Evaluation
    #: Seconds that all three took.
    eval_s: float


class Loop(Protocol):
    """How a run goes through its epochs."""

    def epoch(
        self, order: NDArray[np.int64], position: Position, should_stop: Callable[[], bool]
    ) -> Generator[None, None, Measured | None]:
        """Train from `position` to the end of its epoch, and evaluate.

        It yields whenever another run of this process could use the time until the device is done.

        Parameters
        ----------
        order
            Rows of the training images, of shape (n_images,), in the order in which they are
            trained on.
        position
            Is kept up to date.
        should_stop
            Is asked before each step and between evaluations.

        Returns
        -------
        What was measured, or None when asked to stop before that.

        Raises
        ------
        Diverged
            At the first loss that is not finite.
        """

    def test(self) -> Evaluation:
        """Evaluate the test images in test mode, with the weights as they are."""


class Engine(Protocol):
    """What a model and the training loop may ask of an engine."""

    name: str
    #: The functions of DeZero's that the model uses where the engine has none of its own; known
    #: after `warm_up`.
    fallbacks: tuple[str, ...]
    #: The dropout masks of the run; the training loop tells it the step.
    masks: Masks

    def conv_block(self, channels: list[int], kernel_size: int = 3) -> Any:
        """A layer: a convolution and ReLU for each of `channels`, then a 2x2 max-pool.

        The convolutions have stride 1, an odd `kernel_size`, and keep the size of the image.
        """

    def hidden(self, name: str, size: int, dropout_ratio: float | None) -> Any:
        """A layer: linear, ReLU and, unless the ratio is None, dropout with masks of this name."""

    def output(self, n_classes: int) -> Any:
        """The last linear layer."""

    def loss(self, y: Any, t: Array) -> tuple[Any, Array]:
        """Softmax cross-entropy, the mean over the batch, and which images are classified right.

        Parameters
        ----------
        y
            Scores, a Variable of shape (n, n_classes).
        t
            Labels, of shape (n,).

        Returns
        -------
        The loss, a Variable, and a bool array of shape (n,): True where the first of the largest
        scores is the label's.
        """

    def optimizer(self, recipe: Recipe, model: Any) -> Any:
        """The `runner.engine.optimizers.Optimizer` of the recipe, set up on the model.

        Raises
        ------
        ConfigError
            When there is no such class, or it cannot do what the recipe says.
        """

    def asarray(self, array: Array) -> Array:
        """The array on the engine's device: itself on the CPU, copied to the card on a GPU."""

    def pixels(self, images: Array, rows: Array, scale: float) -> Array:
        """A batch: the images of these rows (int64, (n,)) as float32, divided by `scale`."""

    def loop(self, model: Any, optimizer: Any, data: Data, batch_size: int) -> Loop:
        """How the run goes through its epochs."""

    def to_device(self, model: Any) -> None:
        """Move the weights of a model from the CPU to the engine's device."""

    def warm_up(self, model: Any, optimizer: Any, x: Array, t: Array) -> None:
        """Compile all that training needs, on the batch (x, t); no weight and no state changes."""
