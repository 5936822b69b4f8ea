"""`python -m benchmarks.kernels`: which way of computing a convolution is the faster one?

One thread, 100 images, the ways in turn within a round; milliseconds of processor time, the least
of the rounds, which is what the code takes when nothing else runs.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.nets import BATCH, SIDE
from runner.engine import cpu
from runner.engine.cpu.images import direct, general, pool
from runner.engine.device import Array

#: By its name, a way of computing something.
Ways = dict[str, Callable[[], object]]

_SAME = (1, 1), (1, 1)
_TWO = (2, 2), (2, 2), (0, 0)


def one_channel(channels: int) -> tuple[Ways, Ways]:
    """One channel by so many, ReLU and pool, forwards and backwards: without im2col and with it."""
    x, W, b, gy = _arrays(1, channels)
    flat = (*gy.shape[:2], -1)
    y, gy = np.empty_like(gy.reshape(flat)), gy.reshape(flat)
    winners, gz = np.empty(y.shape, np.int8), np.empty((BATCH, channels, SIDE, SIDE), np.float32)
    gW, gb = np.empty_like(W), np.empty_like(b)

    def by_columns() -> None:
        pool.bias_relu_pool(general.product(x, W, *_SAME), b, y, winners)

    def gradients_by_columns() -> None:
        pool.gradients(gy, winners, gz, gb)
        general.gradients(x, W, gz, gW, False, *_SAME)

    by_columns()
    return (
        {"direct": partial(direct.forward, x, W, b, y, winners), "im2col": by_columns},
        {
            "direct": partial(direct.backward, x, gy, winners, gW, gb),
            "im2col": gradients_by_columns,
        },
    )


def fused(n_in: int, channels: int) -> tuple[Ways, Ways]:
    """A convolution, ReLU and pool in one call and in three, and their gradients."""
    x, W, b, gy = _arrays(n_in, channels)
    gW, gb = np.empty_like(W), np.empty_like(b)

    def apart() -> tuple[Array, ...]:
        z = cpu.relu(cpu.conv(x, W, b, *_SAME))
        return z, *cpu.max_pool(z, *_TWO)

    z, y, winners = apart()

    def gradients_apart() -> None:
        gz = cpu.relu_gradient(cpu.max_pool_gradient(gy, winners, z.shape, (0, 0)), z)
        cpu.conv_gradients(x, W, gz, gW, gb, n_in > 1, *_SAME)

    def gradients_fused() -> None:
        gz = cpu.relu_max_pool_gradient(gy, winners, y, z.shape, (0, 0))
        cpu.conv_gradients(x, W, gz, gW, gb, n_in > 1, *_SAME)

    return (
        {"one call": partial(cpu.conv_then_relu_pool, x, W, b, *_SAME), "three": apart},
        {"one call": gradients_fused, "three": gradients_apart},
    )


def least_ms(ways: Ways, rounds: int) -> dict[str, float]:
    """The least milliseconds that each way took."""
    least = dict.fromkeys(ways, float("inf"))
    for _ in range(rounds + 1):  # the first one compiles
        for name, way in ways.items():
            began = time.thread_time()
            way()
            least[name] = min(least[name], 1e3 * (time.thread_time() - began))
    return least


def _arrays(n_in: int, channels: int) -> tuple[Array, Array, Array, Array]:
    """Images, weights, bias, and a gradient of the pooled output."""
    random = np.random.default_rng(0)
    shapes = (
        (BATCH, n_in, SIDE, SIDE),
        (channels, n_in, 3, 3),
        (channels,),
        (BATCH, channels, SIDE // 2, SIDE // 2),
    )
    x, W, b, gy = (random.normal(size=shape).astype(np.float32) for shape in shapes)
    return x, W, b, gy


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kernels", description=__doc__)
    parser.add_argument("--rounds", type=int, default=25)
    rounds = parser.parse_args().rounds
    with threadpool_limits(limits=1):
        print("| 3x3 convolution, ReLU, 2x2 pool | forwards, ms | backwards, ms |")
        print("| --- | --- | --- |")
        cases = {f"1 channel by {n}": one_channel(n) for n in (1, 2, 4, 8, 30, 64, 128, 256)}
        cases |= {f"DeZero's layers, {i} by {n}": fused(i, n) for i, n in ((1, 16), (16, 16))}
        for name, ways in cases.items():
            both = (
                ", ".join(f"{way} {ms:.2f}" for way, ms in least_ms(of, rounds).items())
                for of in ways
            )
            print(f"| {name} |", " | ".join(both), "|")


if __name__ == "__main__":
    main()
