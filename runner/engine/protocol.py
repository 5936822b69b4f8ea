"""What an engine, a loop and the code that trains may ask of each other, and the records that pass between them."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from runner.seeding import Masks

if TYPE_CHECKING:  # a program that only defines a model need not load Hydra
    from runner.config.schema import OptimizerConfig

#: Mean loss, and for each image whether it was classified right, bool ndarray of shape (n_images,).
Evaluation = tuple[float, NDArray[np.bool_]]


@dataclass
class Data:
    """The images of one run where the engine computes: uint8, (n, channels, height, width)."""

    train_images: Any
    train_labels: Any
    test_images: Any
    test_labels: Any
    #: What pixels are divided by: 255 when normalised, 1 for raw ones.
    scale: float


@dataclass
class Position:
    """Where training stands; with the weights and the optimizer's state, all that a resume needs."""

    epoch: int = 1
    #: Steps done within the epoch.
    step: int = 0
    loss_sum: float = 0.0
    n_correct: int = 0
    #: Seconds of training in the epoch so far.
    train_s: float = 0.0

    def next_epoch(self) -> None:
        """Stand at the beginning of the epoch after this one."""
        self.epoch, self.step = self.epoch + 1, 0
        self.loss_sum, self.n_correct, self.train_s = 0.0, 0, 0.0


@dataclass
class Measured:
    """What is measured after an epoch: the first training images and the test images in test mode, and the latter
    once more with masks on; and how long that took."""

    train_eval: Evaluation
    test: Evaluation
    test_masked: Evaluation
    eval_s: float


class Loop(Protocol):
    """How one run goes through its epochs on an engine."""

    def epoch(
        self, order: NDArray[np.int64], position: Position, should_stop: Callable[[], bool]
    ) -> Generator[None, None, Measured | None]:
        """Train from the position to the end of its epoch, the images in this order, and evaluate.

        `position` is kept up to date. Returns None when asked to stop meanwhile; yields where another run of this
        process could compute while this one waits.

        Raises
        ------
        Diverged
            At the first loss that is not finite.
        """

    def test(self) -> Evaluation:
        """The test images in test mode, by the weights as they are."""


class Engine(Protocol):
    """What a model and the training loop may ask of an engine."""

    name: str
    #: After `warm_up`: the DeZero functions of the model that the engine has no form of its own for.
    fallbacks: tuple[str, ...]
    #: Where the training loop says which step it is at, so that the masks are right.
    masks: Masks

    def conv_block(self, channels: list[int], kernel_size: int = 3) -> Any:
        """A layer: [convolution, stride 1, as large as its input, ReLU] per channel count, then a 2x2 max-pool.

        `kernel_size` is odd.
        """

    def hidden(self, name: str, size: int, dropout_ratio: float | None) -> Any:
        """A layer: linear, ReLU, dropout; `name` names its mask stream; None: no dropout."""

    def output(self, n_classes: int) -> Any:
        """The last linear layer."""

    def loss(self, y: Any, t: Any) -> tuple[Any, Any]:
        """Softmax cross-entropy of `y` (n, n_classes) and labels `t` (n,), mean over the batch, as a Variable;
        and which rows have their largest score at their label, bool (n,)."""

    def optimizer(self, config: "OptimizerConfig", model: Any) -> Any:
        """An optimizer set up on the model, weight decay included."""

    def asarray(self, array: Any) -> Any:
        """The array on the engine's device: itself on the CPU, copied to the card on a GPU."""

    def pixels(self, images: Any, rows: Any, scale: float) -> Any:
        """The images of these rows (int64) as float32, divided by `scale`: a batch."""

    def loop(self, model: Any, optimizer: Any, data: Data, batch_size: int) -> Loop:
        """How the run goes through its epochs."""

    def to_device(self, model: Any) -> None:
        """Move a model that was initialised on the CPU to where the engine computes."""

    def warm_up(self, model: Any, optimizer: Any, x: Any, t: Any) -> None:
        """Compile whatever training with batches such as x and t will need; changes no weight and no state."""
