"""What an engine and a loop have to offer, and the records that they share with whoever trains."""

from collections.abc import Callable, Collection, Generator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from runner.engine.device import Array
from runner.engine.recipe import Recipe
from runner.seeding import Masks

#: The rates at which Adam's two moments decay, from 0 to below 1.
Betas = tuple[float, float]


@dataclass
class Data:
    """The data set of a run, on the engine's device.

    Images are uint8 or float32 of shape (n_images, ...), where ... is (channels, height, width) for
    a convolution. Labels are uint8 or uint16 of shape (n_images,), below `n_classes`.
    """

    train_images: Array
    train_labels: Array
    test_images: Array
    test_labels: Array
    #: What pixels are divided by: their largest value when normalised, 1 for raw ones.
    scale: float
    n_classes: int = 10
    #: Held out of the training images, on which each epoch is measured too; None: there are none.
    val_images: Array | None = None
    val_labels: Array | None = None
    #: Changes a training batch, float32 (n, ...), in main memory, given the step from 1 on.
    augment: Callable[[NDArray[Any], int], NDArray[Any]] | None = None


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


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a model makes of some images; arrays are NumPy's."""

    #: The mean over the images.
    loss: float
    #: The class of each image with the first of its largest scores, (n_images,): uint8, or uint16
    #: of more than 256 classes.
    predicted: NDArray[Any]
    #: Whether that is its label, bool (n_images,).
    correct: NDArray[np.bool_]
    #: float32 (n_images, n_classes); None where nobody asked for them.
    scores: NDArray[np.float32] | None = None

    @property
    def accuracy(self) -> float:
        """The share of images that are classified right, in [0, 1]."""
        return float(self.correct.mean())


def as_classes(predicted: NDArray[Any], n_classes: int) -> NDArray[Any]:
    """Predicted classes in the dtype of `Evaluation.predicted`."""
    return predicted.astype(np.uint8 if n_classes <= 256 else np.uint16)


@dataclass
class Measured:
    """The evaluations after an epoch; the fields are those of `runner.record.EVALUATIONS`."""

    #: Of the first N_TRAIN_EVAL training images, and of the test images: in test mode.
    train_eval: Evaluation
    test: Evaluation
    #: Of the test images with dropout left on.
    test_masked: Evaluation
    #: Of the validation images in test mode; None where there are none.
    val: Evaluation | None
    #: Seconds that all of them took.
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
    #: Why steps on the CPU cannot be captured, in words; known after `warm_up`.
    not_captured: str
    #: The dropout masks of the run; the training loop tells it the step.
    masks: Masks

    def active(self) -> AbstractContextManager[None]:
        """In the block, DeZero's own functions and layers are computed by this engine, too.

        Where it has no kernel, and outside of the block, DeZero computes them.
        """

    def conv_block(self, channels: list[int], kernel_size: int = 3) -> Any:
        """A layer: a convolution and ReLU for each of `channels`, then a 2x2 max-pool.

        The convolutions have stride 1, an odd `kernel_size`, and keep the size of the image.
        """

    def hidden(self, name: str, size: int, dropout_ratio: float | None) -> Any:
        """A layer: linear, ReLU and, unless the ratio is None, dropout with masks of this name."""

    def output(self, n_classes: int) -> Any:
        """The last linear layer."""

    def dropout(self, x: Any, ratio: float) -> Any:
        """Dropout of x (n, ...), with masks named by how many were asked for before in this pass.

        DeZero's `F.dropout` is this one in a run's forward pass.
        """

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
        """The `runner.engine.update.optimizers.Optimizer` of the recipe, set up on the model.

        Raises
        ------
        ConfigError
            When there is no such class, or it cannot do what the recipe says.
        """

    def asarray(self, array: Array) -> Array:
        """The array on the engine's device: itself on the CPU, copied to the card on a GPU."""

    def pixels(self, images: Array, rows: Array, scale: float) -> Array:
        """A batch: the images of these rows (int64, (n,)) as float32, divided by `scale`.

        Images are uint8 or float32, of any shape (n_images, ...).
        """

    def loop(
        self,
        model: Any,
        optimizer: Any,
        data: Data,
        batch_size: int,
        with_scores: Collection[str] = (),
    ) -> Loop:
        """How the run goes through its epochs.

        `with_scores` names the evaluations (`runner.record.EVALUATIONS`) whose scores are wanted.
        """

    def to_device(self, model: Any) -> None:
        """Move the weights of a model from the CPU to the engine's device."""

    def warm_up(self, model: Any, optimizer: Any, x: Array, t: Array) -> None:
        """Take a step on the batch (x, t) without its update, and compile all that training needs.

        No weight and no state of the optimizer changes; what the model itself changes in a forward
        pass, such as running averages, does (`model_state.untouched`).
        """
