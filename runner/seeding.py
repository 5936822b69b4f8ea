"""Every random number of a run, drawn from its seed alone by named, independent streams.

Nothing here keeps a state between epochs: a batch order belongs to an epoch, a dropout mask to a step, so
an interrupted run goes on with the same numbers, and two cells of one seed see the same batches.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# What a dropout mask is drawn for, the fourth word of the Philox counter: evaluating with masks on
# (`test_masked`) then cannot disturb training.
TRAIN, TEST_MASKED = 0, 1

# Multipliers and key increments of Philox 4x32-10 (Salmon et al., SC'11, "Parallel random numbers: as easy
# as 1, 2, 3", section 4; the reference implementation is Random123).
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
KEY_INCREMENTS = (0x9E3779B9, 0xBB67AE85)
WORD = 0xFFFFFFFF


def word(name: str) -> int:
    """The first 32 bits of SHA-256 of a stream's name: how a name enters a counter or a seed."""
    return int.from_bytes(hashlib.sha256(name.encode("utf-8")).digest()[:4], "big")


def stream(seed: int, *name: str | int) -> np.random.Generator:
    """A generator of its own for (seed, name); other names of the same seed are independent of it."""
    return np.random.default_rng([seed, *(word(part) if isinstance(part, str) else part for part in name)])


def batch_order(seed: int, epoch: int, n_images: int) -> NDArray[np.int64]:
    """The order in which an epoch visits the training images, ndarray of shape (n_images,).

    It depends on the seed, the epoch and the number of images only: every cell of a seed sees the same
    images in the same order.
    """
    return stream(seed, "shuffle", epoch).permutation(n_images)


def batch_order_sha256(seed: int, n_images: int) -> str:
    """Hash of the first epoch's order: what proves that two runs of a seed are paired."""
    return hashlib.sha256(batch_order(seed, 1, n_images).astype("<i8").tobytes()).hexdigest()


def philox(counter: tuple[Any, int, int, int], key: tuple[int, int], xp: Any = np) -> list[Any]:
    """Philox 4x32-10: four 32-bit words for every counter.

    Parameters
    ----------
    counter
        Four words; the first is an array of uint64 holding 32-bit values, the others are integers.
    key
        Two 32-bit words.
    xp
        `numpy` or `cupy`.

    Returns
    -------
    list of four uint64 arrays of the first word's shape, each value below 2**32
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
    """What a mask of one layer, for one batch, is drawn from: the words of `philox`, and the rule."""

    #: Hash of the layer's name, and (TRAIN or TEST_MASKED): the third and fourth word of the counter.
    layer: int
    purpose: int
    #: Step or epoch, the second word of the counter.
    time: int
    key: tuple[int, int]
    #: The row of the layer's output, over all batches of an evaluation, that this batch begins with.
    first_row: int
    #: Share of the units that are dropped. A unit stays when its word reaches the threshold.
    ratio: float

    @property
    def threshold(self) -> int:
        return min(round(self.ratio * 2**32), WORD)


@dataclass
class Masks:
    """The dropout masks of one run.

    The training loop says where it is (`training` before a step, `evaluation` before a batch); a layer then
    asks for its mask. A mask is a function of (seed, layer, purpose, step or epoch, row, unit) and of
    nothing else, so it is the same on any engine, on any device and after any resume.
    """

    seed: int
    purpose: int = TRAIN
    time: int = 0
    first_row: int = 0
    #: How many masks were asked for so far: whether a model has dropout at all.
    n_asked: int = 0

    def training(self, step: int) -> None:
        """The next masks are those of training step `step`, counted from 1 over all epochs."""
        self.purpose, self.time, self.first_row = TRAIN, step, 0

    def evaluation(self, epoch: int, first_row: int) -> None:
        """The next masks are those of the images from `first_row` on, after epoch `epoch`."""
        self.purpose, self.time, self.first_row = TEST_MASKED, epoch, first_row

    def draw(self, layer: str, ratio: float) -> Draw:
        """What the mask of this layer is drawn from, where the training loop is now."""
        self.n_asked += 1
        key = (self.seed & WORD, self.seed >> 32)
        return Draw(word(layer), self.purpose, self.time, key, self.first_row, ratio)

    def keep(self, layer: str, shape: tuple[int, int], ratio: float, xp: Any = np) -> Any:
        """Which activations stay, bool ndarray of shape (n_rows, n_units); a share `ratio` is False."""
        draw = self.draw(layer, ratio)
        n_rows, n_units = shape
        start, stop = draw.first_row * n_units, (draw.first_row + n_rows) * n_units
        # Element e of a layer is word e % 4 of counter e // 4; a batch may begin inside a counter.
        quads = xp.arange(start // 4, (stop + 3) // 4, dtype=xp.uint64)
        words = philox((quads, draw.time, draw.layer, draw.purpose), draw.key, xp)
        flat = xp.stack(words, axis=1).ravel()[start % 4 :][: stop - start]
        return (flat >= xp.uint64(draw.threshold)).reshape(shape)
