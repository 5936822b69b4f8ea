"""What follows a matrix product, in one pass: bias, ReLU and dropout, and their gradients.

ReLU is `0 if x <= 0 else x` here and not `x if x > 0 else 0`: NaN passes, as in DeZero, and the
loss shows it.
"""

import numpy as np
from numba import uint64

from runner.engine.cpu import philox
from runner.engine.cpu.jit import as_numpy, summing
from runner.engine.cpu.threads.team import share
from runner.engine.device import Array
from runner.seeding import Draw

#: Nanoseconds a number.
_NS, _DROPOUT_NS = 0.3, 2.0


def bias_relu(z: Array, b: Array, draw: Draw | None) -> None:
    """In place on z (n, n_units): `relu(z + b)`, and with a draw dropout.

    Kept units are divided by the kept share.
    """

    def part(start: int, stop: int) -> None:
        rows = z[start:stop]
        if draw is None:
            _bias_relu(rows, b)
            return
        words = np.empty(z.shape[1] + 8, dtype=np.uint32)
        counter = (np.uint64(draw.time), np.uint64(draw.layer), np.uint64(draw.purpose))
        key = (np.uint64(draw.key[0]), np.uint64(draw.key[1]))
        first = np.uint64(draw.first_row + start)
        kept = z.dtype.type(draw.kept)
        _bias_relu_dropout(rows, b, words, np.uint32(draw.threshold), kept, first, counter, key)

    share(part, len(z), z.shape[1] * (_DROPOUT_NS if draw else _NS))


def relu_gradients(gy: Array, y: Array, draw: Draw | None, gb: Array) -> Array:
    """The gradient of z (n, n_units), given that of `y = bias_relu(z, b, draw)`; fills `gb`."""
    gz = np.empty_like(y)
    _relu_gradients(gy, y, y.dtype.type(draw.kept if draw else 1.0), gz, gb)
    return gz


def bias_relu_images(z: Array, b: Array) -> None:
    """In place on z (n, channels, height, width): `relu(z + b)`, a number of b for each channel."""
    flat = z.reshape(*z.shape[:2], -1)
    share(lambda start, stop: _bias_relu_images(flat[start:stop], b), len(z), _NS * z[0].size)


def image_gradients(gy: Array, y: Array, gb: Array) -> Array:
    """The gradient of z, given that of `y = bias_relu_images(z, b)`; fills `gb` (channels,)."""
    gz = np.empty_like(y)
    flat = (*y.shape[:2], -1)
    arrays = gy.reshape(flat), y.reshape(flat), gz.reshape(flat), gb
    share(lambda *channels: _image_gradients(*arrays, *channels), len(gb), _NS * y[:, 0].size)
    return gz


def add_bias_images(z: Array, b: Array) -> None:
    """In place on z (n, channels, height, width): `z + b`."""
    flat = z.reshape(*z.shape[:2], -1)
    share(lambda start, stop: _add_bias_images(flat[start:stop], b), len(z), _NS * z[0].size)


def sum_images(gz: Array, gb: Array) -> None:
    """Fill `gb` (channels,) with the sum over images and pixels of gz."""
    arrays = gz.reshape(*gz.shape[:2], -1), gb
    share(lambda *channels: _sum_images(*arrays, *channels), len(gb), _NS * gz[:, 0].size)


def add_bias(z: Array, b: Array) -> None:
    """In place on z (n, n_units): `z + b`."""
    _add_bias(z, b)


def sum_rows(gz: Array, gb: Array) -> None:
    """Fill `gb` (n_units,) with the sum over the rows of gz (n, n_units)."""
    _sum_rows(gz, gb)


@as_numpy
def _add_bias(z, b):  # type: ignore[no-untyped-def]
    for n in range(z.shape[0]):
        row = z[n]
        for j in range(uint64(row.size)):
            row[j] = row[j] + b[j]


@as_numpy
def _sum_rows(gz, gb):  # type: ignore[no-untyped-def]
    gb[:] = 0
    for n in range(gz.shape[0]):
        row = gz[n]
        for j in range(uint64(row.size)):
            gb[j] += row[j]


@as_numpy
def _bias_relu(z, b):  # type: ignore[no-untyped-def]
    zero = z.dtype.type(0)
    for n in range(z.shape[0]):
        row = z[n]
        for j in range(uint64(row.size)):
            x = row[j] + b[j]
            row[j] = zero if x <= zero else x


@as_numpy
def _bias_relu_dropout(z, b, words, threshold, kept, first_row, counter, key):  # type: ignore[no-untyped-def]
    zero = z.dtype.type(0)
    n_units = uint64(z.shape[1])
    four = uint64(4)
    for n in range(uint64(z.shape[0])):
        row = z[n]
        # Unit j of this row is element first + j of the layer: word (first + j) % 4 of counter
        # (first + j) // 4.
        first = (first_row + n) * n_units
        skip = first % four
        philox.fill(words, first // four, counter[0], counter[1], counter[2], key[0], key[1])
        word = words[skip:]
        for j in range(n_units):
            x = row[j] + b[j]
            x = zero if x <= zero else x
            row[j] = x / kept if word[j] >= threshold else zero


@as_numpy
def _relu_gradients(gy, y, kept, gz, gb):  # type: ignore[no-untyped-def]
    # y > 0 where the unit was kept and its ReLU was open.
    zero = y.dtype.type(0)
    gb[:] = 0
    for n in range(y.shape[0]):
        gy_row, y_row, gz_row = gy[n], y[n], gz[n]
        for j in range(uint64(y_row.size)):
            g = gy_row[j] / kept if y_row[j] > zero else zero
            gz_row[j] = g
            gb[j] += g


@as_numpy
def _bias_relu_images(z, b):  # type: ignore[no-untyped-def]
    zero = z.dtype.type(0)
    for n in range(z.shape[0]):
        for c in range(z.shape[1]):
            image, bias = z[n, c], b[c]
            for p in range(uint64(image.size)):
                x = image[p] + bias
                image[p] = zero if x <= zero else x


@summing
def _image_gradients(gy, y, gz, gb, first, stop):  # type: ignore[no-untyped-def]
    # Channels first to stop.
    zero = y.dtype.type(0)
    gb[first:stop] = 0
    for n in range(y.shape[0]):
        for c in range(first, stop):
            gy_image, y_image, gz_image = gy[n, c], y[n, c], gz[n, c]
            total = zero
            for p in range(uint64(y_image.size)):
                g = gy_image[p] if y_image[p] > zero else zero
                gz_image[p] = g
                total += g
            gb[c] += total


@as_numpy
def _add_bias_images(z, b):  # type: ignore[no-untyped-def]
    for n in range(z.shape[0]):
        for c in range(z.shape[1]):
            image, bias = z[n, c], b[c]
            for p in range(uint64(image.size)):
                image[p] = image[p] + bias


@summing
def _sum_images(gz, gb, first, stop):  # type: ignore[no-untyped-def]
    # Channels first to stop.
    gb[first:stop] = 0
    for n in range(gz.shape[0]):
        for c in range(first, stop):
            image, total = gz[n, c], gz.dtype.type(0)
            for p in range(uint64(image.size)):
                total += image[p]
            gb[c] += total
