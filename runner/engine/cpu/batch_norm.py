"""Batch normalisation of x (n, channels) or (n, channels, height, width), channel by channel.

A channel is read two or three times in a row, while it is in the cache. Its sums are taken image by
image and added up in float64.
"""

import numpy as np
from numba import uint64

from runner.engine.cpu.jit import as_numpy, summing
from runner.engine.cpu.threads.team import share
from runner.engine.device import Array

#: Nanoseconds a number.
_NS = 0.3


def moments(x: Array) -> tuple[Array, Array]:
    """Mean and variance over all axes but the channels', (channels,)."""
    mean, variance = (np.empty(x.shape[1], dtype=x.dtype) for _ in range(2))
    arrays = x.reshape(*x.shape[:2], -1), mean, variance
    share(lambda *channels: _moments(*arrays, *channels), x.shape[1], 2 * _NS * x[:, 0].size)
    return mean, variance


def normalise(x: Array, mean: Array, inv_std: Array, gamma: Array, beta: Array) -> Array:
    """`gamma * ((x - mean) * inv_std) + beta`, all but x of shape (channels,)."""
    y = np.empty_like(x)
    flat = (*x.shape[:2], -1)
    x, results = x.reshape(flat), y.reshape(flat)

    def part(start: int, stop: int) -> None:
        _normalise(x[start:stop], mean, inv_std, gamma, beta, results[start:stop])

    share(part, len(x), _NS * x[0].size)
    return y


def normalise_by_averages(
    x: Array, gamma: Array, beta: Array, avg_mean: Array, avg_var: Array, eps: float
) -> Array:
    """`normalise` by the running averages: of test mode."""
    return normalise(x, avg_mean, 1 / np.sqrt(avg_var + eps), gamma, beta)


def normalise_batch(
    x: Array,
    gamma: Array,
    beta: Array,
    avg_mean: Array,
    avg_var: Array,
    eps: float,
    decay: float,
) -> tuple[Array, Array, Array]:
    """`normalise` by the moments of x, which move the running averages, in place.

    Returns
    -------
    tuple of the output, the mean and the inverse standard deviation
    """
    mean, var = moments(x)
    inv_std = 1 / np.sqrt(var + eps)
    # In DeZero's order of operations.
    m = x.size // gamma.size
    unbiased = m / (m - 1.0 if m - 1.0 > 1.0 else 1.0)
    avg_mean *= decay
    avg_mean += (1 - decay) * mean
    avg_var *= decay
    avg_var += (1 - decay) * unbiased * var
    return normalise(x, mean, inv_std, gamma, beta), mean, inv_std


def normalise_gradients(
    x: Array,
    mean: Array,
    inv_std: Array,
    gamma: Array,
    gy: Array,
    ggamma: Array,
    gbeta: Array,
    want_gx: bool,
) -> Array | None:
    """Fill ggamma and gbeta; return the gradient of x, whose moments these are, or None."""
    gx = np.empty_like(x if want_gx else x[:0])
    flat = (*x.shape[:2], -1)
    into = ggamma, gbeta, gx.reshape(len(gx), x.shape[1], x[0, 0].size)
    arrays = x.reshape(flat), mean, inv_std, gamma, gy.reshape(flat), *into
    share(lambda *channels: _gradients(*arrays, *channels), len(gamma), 3 * _NS * x[:, 0].size)
    return gx if want_gx else None


@summing
def _moments(x, mean, variance, first, stop):  # type: ignore[no-untyped-def]
    # Channels first to stop.
    n_numbers = x.shape[0] * x.shape[2]
    for c in range(first, stop):
        total = 0.0
        for n in range(x.shape[0]):
            image, s = x[n, c], x.dtype.type(0)
            for p in range(uint64(image.size)):
                s += image[p]
            total += s
        mean[c] = total / n_numbers
        centre, total = mean[c], 0.0
        for n in range(x.shape[0]):
            image, s = x[n, c], x.dtype.type(0)
            for p in range(uint64(image.size)):
                s += (image[p] - centre) * (image[p] - centre)
            total += s
        variance[c] = total / n_numbers


@as_numpy
def _normalise(x, mean, inv_std, gamma, beta, y):  # type: ignore[no-untyped-def]
    for n in range(x.shape[0]):
        for c in range(x.shape[1]):
            x_image, y_image, m, s, g, b = x[n, c], y[n, c], mean[c], inv_std[c], gamma[c], beta[c]
            for p in range(uint64(x_image.size)):
                y_image[p] = g * ((x_image[p] - m) * s) + b


@summing
def _gradients(x, mean, inv_std, gamma, gy, ggamma, gbeta, gx, first, stop):  # type: ignore[no-untyped-def]
    # Channels first to stop.
    n_numbers = x.shape[0] * x.shape[2]
    for c in range(first, stop):
        m, s = mean[c], inv_std[c]
        total, total_xc = 0.0, 0.0
        for n in range(x.shape[0]):
            x_image, g_image = x[n, c], gy[n, c]
            sum_g = sum_gxc = x.dtype.type(0)
            for p in range(uint64(x_image.size)):
                sum_g += g_image[p]
                sum_gxc += g_image[p] * ((x_image[p] - m) * s)
            total += sum_g
            total_xc += sum_gxc
        gbeta[c], ggamma[c] = total, total_xc
        mean_g, mean_gxc = x.dtype.type(total / n_numbers), x.dtype.type(total_xc / n_numbers)
        scale = gamma[c] * s
        for n in range(gx.shape[0]):
            x_image, g_image, gx_image = x[n, c], gy[n, c], gx[n, c]
            for p in range(uint64(x_image.size)):
                xc = (x_image[p] - m) * s
                gx_image[p] = (g_image[p] - mean_g - xc * mean_gxc) * scale
