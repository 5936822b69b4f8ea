"""The images of a batch: taken from those of a data set and made float32 in one pass."""

import numpy as np
from numba import uint64

from runner.engine.cpu.jit import as_numpy
from runner.engine.device import Array


def pixels(images: Array, rows: Array, scale: float) -> Array:
    """float32 images (n, ...): `images[rows] / scale`.

    Parameters
    ----------
    images
        uint8 or float32, (n_images, ...), C order.
    rows
        int64, (n,).
    """
    out = np.empty((len(rows), *images.shape[1:]), dtype=np.float32)
    _gather(images.reshape(len(images), -1), rows, np.float32(scale), out.reshape(len(rows), -1))
    return out


@as_numpy
def _gather(images, rows, scale, out):  # type: ignore[no-untyped-def]
    for i in range(len(rows)):
        image, row = images[rows[i]], out[i]
        for p in range(uint64(row.size)):
            row[p] = np.float32(image[p]) / scale
