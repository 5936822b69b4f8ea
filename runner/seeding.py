"""The random numbers of a run: independent streams, each a function of the seed and a name.

No stream has a state. A batch order belongs to an epoch and a dropout mask to a step, so that a run
continues after an interruption with the same numbers, and two cells with the same seed see the same
batches.
"""

import hashlib
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: The purpose of a dropout mask, the fourth word of the Philox counter. An evaluation with masks
#: (`test_masked`) has masks of its own and does not change those of training.
TRAIN, TEST_MASKED = 0, 1

# Multipliers and key increments of Philox 4x32-10 (Salmon et al., SC'11, "Parallel random numbers:
# as easy as 1, 2, 3", section 4). The reference implementation is Random123.
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
KEY_INCREMENTS = (0x9E3779B9, 0xBB67AE85)
WORD = 0xFFFFFFFF


def word(name: str) -> int:
    """A name as a number for a counter or a seed: the first 32 bits of its SHA-256."""
    return int.from_bytes(hashlib.sha256(name.encode("utf-8")).digest()[:4], "big")


def stream(seed: int, *name: str | int) -> np.random.Generator:
    """The generator of (seed, name), independent of those of other names and other seeds."""
    return np.random.default_rng(
        [seed, *(word(part) if isinstance(part, str) else part for part in name)]
    )


def batch_order(seed: int, epoch: int, n_images: int) -> NDArray[np.int64]:
    """The order in which an epoch visits the training images, ndarray of shape (n_images,).

    It depends on nothing but the arguments, so that every cell with the same seed sees the same
    images in the same order.
    """
    return stream(seed, "shuffle", epoch).permutation(n_images)


def batch_order_sha256(seed: int, n_images: int) -> str:
    """SHA-256 of the first epoch's order: equal in two runs that are paired."""
    return hashlib.sha256(batch_order(seed, 1, n_images).astype("<i8").tobytes()).hexdigest()


def philox(counter: tuple[Any, int, int, int], key: tuple[int, int], xp: Any = np) -> list[Any]:
    """Four random 32-bit words for each counter, by Philox 4x32-10.

    Parameters
    ----------
    counter
        Four 32-bit words: the first an array of uint64, the others integers.
    key
        Two 32-bit words.
    xp
        `numpy` or `cupy`.

    Returns
    -------
    list of four uint64 arrays, of the shape of the counter's first word, with values below 2**32
    """
    first = counter[0]
    x = [first, *(xp.full(first.shape, c, dtype=xp.uint64) for c in counter[1:])]
    key0, key1 = key
    for _ in range(10):
        product0 = x[0] * xp.uint64(MULTIPLIERS[0])
        product1 = x[2] * xp.uint64(MULTIPLIERS[1])
        x = [
            (product1 >> xp.uint64(32)) ^ x[1] ^ xp.uint64(key0),
            product1 & xp.uint64(WORD),
            (product0 >> xp.uint64(32)) ^ x[3] ^ xp.uint64(key1),
            product0 & xp.uint64(WORD),
        ]
        key0, key1 = (key0 + KEY_INCREMENTS[0]) & WORD, (key1 + KEY_INCREMENTS[1]) & WORD
    return x


@dataclass(frozen=True)
class Draw:
    """How the dropout mask of a layer is drawn for a batch: by `philox` and a threshold.

    Element e of the layer's output (row * n_units + unit) has word e % 4 of counter e // 4.
    """

    #: The layer's name as a number, and TRAIN or TEST_MASKED: the third and fourth word of the
    #: counter.
    layer: int
    purpose: int
    #: The second word of the counter: the step of training, or the epoch of an evaluation.
    time: int
    key: tuple[int, int]
    #: The row that this batch begins with, counted over all batches of an evaluation; 0 in
    #: training.
    first_row: int
    #: Share of the units that are dropped.
    ratio: float

    @property
    def threshold(self) -> int:
        """A unit is kept when its word is not below this number."""
        return min(round(self.ratio * 2**32), WORD)

    @property
    def kept(self) -> float:
        """Share of the units that are kept."""
        return 1.0 - self.ratio


@dataclass
class Masks:
    """The dropout masks of one run.

    The training loop calls `training` before each step and `evaluation` before each batch, then the
    layers ask for their masks. A mask is a function of (seed, layer, purpose, step or epoch, row,
    unit), and so the same with any engine, on any device and after any resume.
    """

    seed: int
    purpose: int = TRAIN
    time: int = 0
    first_row: int = 0
    #: How many masks were asked for so far; it shows whether a model has dropout.
    n_asked: int = 0
    #: How many layers without a name asked for theirs in this forward pass.
    n_unnamed: int = 0

    def training(self, step: int) -> None:
        """Give the masks of a training step from now on; steps count from 1 over all epochs."""
        self.purpose, self.time, self.first_row = TRAIN, step, 0

    def evaluation(self, epoch: int, first_row: int) -> None:
        """Give the masks of an evaluation after this epoch from now on, from image `first_row`."""
        self.purpose, self.time, self.first_row = TEST_MASKED, epoch, first_row

    def begin_forward(self) -> None:
        """Count the layers without a name from the first again."""
        self.n_unnamed = 0

    def next_name(self) -> str:
        """A name for a dropout that has none, by its place in the forward pass: `dropout1`, ..."""
        self.n_unnamed += 1
        return f"dropout{self.n_unnamed}"

    def draw(self, layer: str, ratio: float) -> Draw:
        """How the mask of a layer is drawn for the present step or batch."""
        self.n_asked += 1
        key = (self.seed & WORD, self.seed >> 32)
        return Draw(word(layer), self.purpose, self.time, key, self.first_row, ratio)

    def keep(self, layer: str, shape: tuple[int, ...], ratio: float, xp: Any = np) -> Any:
        """Which units of a layer's output are kept: bool; on average a share `ratio` is False.

        Parameters
        ----------
        shape
            (n_rows, ...): whatever follows the rows are its units.
        """
        draw = self.draw(layer, ratio)
        n_rows, n_units = shape[0], math.prod(shape[1:])
        start, stop = draw.first_row * n_units, (draw.first_row + n_rows) * n_units
        # A batch may begin or end in the middle of a counter's four words.
        quads = xp.arange(start // 4, (stop + 3) // 4, dtype=xp.uint64)
        words = philox((quads, draw.time, draw.layer, draw.purpose), draw.key, xp)
        flat = xp.stack(words, axis=1).ravel()[start % 4 :][: stop - start]
        return (flat >= xp.uint64(draw.threshold)).reshape(shape)
