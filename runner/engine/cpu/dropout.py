"""The mask of a dropout that is not part of another kernel."""

import numpy as np

from runner.engine.cpu import philox
from runner.engine.device import Array
from runner.seeding import Draw


def keep(x: Array, draw: Draw) -> Array:
    """Which numbers of x (n, ...) dropout keeps, bool of its shape: `runner.seeding.Masks.keep`."""
    n_units = x.size // len(x)
    start = draw.first_row * n_units
    # A batch may begin in the middle of a counter's four words.
    words = np.empty(-(-(start % 4 + x.size) // 4) * 4, dtype=np.uint32)
    counter = (start // 4, draw.time, draw.layer, draw.purpose, *draw.key)
    philox.fill(words, *(np.uint64(word) for word in counter))
    return (words[start % 4 :][: x.size] >= np.uint32(draw.threshold)).reshape(x.shape)
