"""How the parts of a network are computed on a card: what `runner.engine.cpu` does, behind the same names.

One object serves one run. A model that is not on the card yet learns its shapes in a forward pass on NumPy's arrays
(`runner.models.build`): of those, shapes alone are computed. Where the CPU's kernels are told the step, the row and the
learning rate, these read them from the card (`passes.py`), so that the same launches, captured once, are right for
every step.
"""

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from runner.engine.device import LEFT_POOLS, is_on_cpu
from runner.engine.gpu import convolution
from runner.engine.gpu import narrow as few
from runner.engine.gpu.blas import Blas
from runner.engine.gpu.module import blocks, launch
from runner.engine.gpu.passes import STATE, Pass
from runner.seeding import Draw


class Kernels:
    """A run's stream, its handle of cuBLAS, its memory, and the kernels on them; arrays are float32 in C order."""

    def __init__(self, tf32: bool = False) -> None:
        import cupy

        self.stream = cupy.cuda.Stream(non_blocking=True)
        self.blas = Blas(self.stream, tf32)
        self._pool = cupy.cuda.MemoryPool()
        weakref.finalize(self, LEFT_POOLS.append, self._pool).atexit = False
        #: The gradient that a loss begins with; `is_one` knows it by itself, without a look at the card.
        self.one = cupy.ones((), dtype=cupy.float32)
        no_image = cupy.zeros((1, 1, 1, 1), dtype=cupy.uint8)
        board = cupy.zeros(STATE.itemsize, dtype=cupy.uint8)
        self._own = Pass(no_image, cupy.zeros(1, dtype=cupy.int32), board, in_training=False)
        #: The pass that the next launches belong to.
        self.at = self._own
        self._tickets: dict[int, Any] = {}

    @contextmanager
    def on_card(self) -> Iterator[None]:
        """What is launched and allocated in the block goes to the run's own stream and memory."""
        import cupy

        # A stream of one's own does not wait for what was done on the common one.
        cupy.cuda.get_current_stream().synchronize()
        with self.stream, cupy.cuda.using_allocator(self._pool.malloc):
            yield

    @contextmanager
    def during(self, of: Pass) -> Iterator[None]:
        """The launches of the block belong to this pass."""
        self.at = of
        try:
            yield
        finally:
            self.at = self._own

    # =========================================================================
    # Batches
    # =========================================================================
    def batch(self, of: Pass, n: int, scale: float) -> tuple[Any, Any]:
        """The next n images of the pass, (n, channels, height, width), divided by `scale`, and their labels (n,)."""
        import cupy

        x = cupy.empty((n, *of.images.shape[1:]), dtype=cupy.float32)
        t = cupy.empty(n, dtype=cupy.int32)
        n_pixels = x.size // n
        arrays, numbers = (of.images, of.labels, of.order, of.state), (np.int32(n_pixels), np.float32(scale))
        launch("gather", (n, *blocks(n_pixels)), *arrays, *numbers, x, t)
        return x, t

    def pixels(self, images: Any, rows: Any, scale: float) -> Any:
        """The images of these rows as float32, divided by `scale`: a batch of no pass."""
        return images[rows].astype(np.float32) / np.float32(scale)

    # =========================================================================
    # Convolutions
    # =========================================================================
    def conv_relu_pool(self, x: Any, W: Any, b: Any) -> tuple[Any, Any]:
        """As `runner.engine.cpu.conv_relu_pool`."""
        if is_on_cpu(x):
            return _shaped(len(x), len(W), x.shape[2] // 2, x.shape[3] // 2), None
        if convolution.is_direct(x, W):
            return convolution.direct(x, W, b)
        return convolution.bias_relu_pool(convolution.product(self.blas, x, W), b)

    def conv_relu_pool_gradients(self, x: Any, W: Any, winners: Any, gy: Any, gW: Any, gb: Any, want_gx: bool) -> Any:
        """As `runner.engine.cpu.conv_relu_pool_gradients`."""
        tickets = self._tickets_of(len(W))
        if convolution.is_direct(x, W) and not want_gx:
            convolution.direct_gradients(x, winners, gy, gW, gb, tickets)
            return None
        gz = convolution.pool_gradients(gy, winners, (len(x), len(W), *x.shape[2:]), gb, tickets)
        return convolution.gradients(self.blas, x, W, gz, gW, want_gx)

    def _tickets_of(self, n: int) -> Any:
        """Zeros, int32 (n,), for blocks that must know which of them is the last."""
        import cupy

        if n not in self._tickets:
            # As old as any graph: kept by the kernels of the run, made before its first capture (warm-up).
            self._tickets[n] = cupy.zeros(n, dtype=cupy.int32)
        return self._tickets[n]

    def conv_relu(self, x: Any, W: Any, b: Any) -> Any:
        """As `runner.engine.cpu.conv_relu`."""
        if is_on_cpu(x):
            return _shaped(len(x), len(W), *x.shape[2:])
        z = convolution.product(self.blas, x, W)
        convolution.bias_relu(z, b)
        return z

    def conv_relu_gradients(self, x: Any, W: Any, y: Any, gy: Any, gW: Any, gb: Any, want_gx: bool) -> Any:
        """As `runner.engine.cpu.conv_relu_gradients`."""
        gz = convolution.relu_gradients(gy, y, gb, self._tickets_of(len(W)))
        return convolution.gradients(self.blas, x, W, gz, gW, want_gx)

    # =========================================================================
    # Linear layers
    # =========================================================================
    def linear(self, x: Any, W: Any, b: Any) -> Any:
        """x @ W + b: (n, n_in) by (n_in, n_out), (n_out,)."""
        import cupy

        n_out = W.shape[1]
        if is_on_cpu(x):
            return _shaped(len(x), n_out)
        y = cupy.empty((len(x), n_out), dtype=x.dtype)
        if few.is_few(W):
            few.linear(x, W, b, y)
        else:
            self.blas.product(x, W, y)
            launch("add_bias", blocks(y.size), y, b, np.int64(y.size), np.int32(n_out))
        return y

    def linear_gradients(self, x: Any, W: Any, gy: Any, gW: Any, gb: Any, want_gx: bool) -> Any:
        """Fill gW and gb; return the gradient of x, or None when nobody wants it."""
        if few.is_few(W):
            return few.gradients(x, W, gy, gW, gb, want_gx)
        n_out = np.int32(W.shape[1])
        launch("row_sums", (-(-W.shape[1] // 32),), gy, np.int32(len(x)), n_out, gb)
        return self.product_gradients(x, W, gy, gW, want_gx)

    def linear_and_relu_gradients(
        self, x: Any, W: Any, ratio: float | None, gy: Any, gW: Any, gb: Any, gb_before: Any
    ) -> tuple[Any, Any] | None:
        """`linear_gradients`, and on the way `linear_relu_gradients` of the layer whose output x is.

        Fills gb_before as well, and returns the gradient of x and that of what the ReLU was applied to, both like x;
        `product_gradients` has the rest. None: there is no such kernel for so many units.
        """
        if not few.is_few(W):
            return None
        return few.relu_gradients(x, W, np.float32(1.0 - (ratio or 0.0)), gy, gW, gb, gb_before)

    def linear_relu(self, x: Any, W: Any, b: Any, draw: Draw | None) -> Any:
        """relu(x @ W + b), and with a draw the units that it keeps, divided by their share."""
        import cupy

        if is_on_cpu(x):
            return _shaped(len(x), W.shape[1])
        n_units = np.int32(W.shape[1])
        y = cupy.empty((len(x), W.shape[1]), dtype=x.dtype)
        self.blas.product(x, W, y)
        if draw is None:
            launch("bias_relu", blocks(y.size), y, b, np.int64(y.size), n_units)
            return y
        if self.at is self._own:
            self.at.place(row=draw.first_row, time=draw.time)
        launch(
            "bias_relu_dropout",
            blocks(y.size // 4 + 2),
            y,
            b,
            np.int32(len(x)),
            n_units,
            *(np.uint32(draw.threshold), np.float32(1.0 - draw.ratio), np.uint32(draw.layer), np.uint32(draw.purpose)),
            *(np.uint32(word) for word in draw.key),
            self.at.state,
            np.int32(self.at.in_training),
        )
        return y

    def linear_relu_gradients(
        self, x: Any, W: Any, y: Any, ratio: float | None, gy: Any, gW: Any, gb: Any, want_gx: bool
    ) -> Any:
        """Fill gW and gb; return the gradient of x, or None. `ratio` is that of the draw; None: no dropout."""
        import cupy

        gz, n_units = cupy.empty_like(y), y.shape[1]
        kept = np.float32(1.0 - (ratio or 0.0))
        launch("relu_gradients", (-(-n_units // 32),), gy, y, kept, np.int32(len(y)), np.int32(n_units), gz, gb)
        return self.product_gradients(x, W, gz, gW, want_gx)

    def product_gradients(self, x: Any, W: Any, gz: Any, gW: Any, want_gx: bool) -> Any:
        """Fill gW for gz, the gradient of x @ W; return that of x, or None when nobody wants it."""
        import cupy

        self.blas.product(x, gz, gW, transpose_a=True)
        if not want_gx:
            return None
        gx = cupy.empty_like(x)
        self.blas.product(gz, W, gx, transpose_b=True)
        return gx

    # =========================================================================
    # The loss and the optimizers
    # =========================================================================
    def softmax_cross_entropy(self, y: Any, t: Any) -> tuple[Any, Any, Any]:
        """Mean loss (0-d), right or wrong (n,) bool, and the gradient of the loss by y (n, n_classes).

        In a pass, right and wrong are written where the pass keeps them, and the pass is moved on by the batch.
        """
        import cupy

        n, n_classes = y.shape
        gradient, loss = cupy.empty_like(y), cupy.empty((), dtype=y.dtype)
        t = t.astype(cupy.int32, copy=False)
        correct = self.at.correct
        if self.at is self._own:
            correct = cupy.empty(n, dtype=cupy.uint8)
            self.at.place()
        state, in_training = self.at.state, np.int32(self.at.in_training)
        numbers = np.int32(n), np.int32(n_classes)
        launch("softmax_cross_entropy", (1,), y, t, *numbers, gradient, correct, loss, state, in_training)
        return loss, correct.view(cupy.bool_), gradient

    def is_one(self, gradient: Any) -> bool:
        """Whether it is the gradient that a loss begins with; a number on the card is not looked at."""
        return gradient is self.one

    def adam(
        self, p: Any, g: Any, m: Any, v: Any, lr: float, beta1: float, beta2: float, eps: float, decay: float
    ) -> None:
        """As `runner.engine.cpu.adam`; within a pass the rate is that of the pass's step."""
        rests = np.float32(1 - beta1), np.float32(1 - beta2)
        self._update("adam", (p, g, m, v), lr, *rests, np.float32(eps), np.float32(decay))

    def momentum(self, p: Any, g: Any, v: Any, lr: float, factor: float, decay: float) -> None:
        """As `runner.engine.cpu.momentum`; within a pass the rate is that of the pass's step."""
        self._update("momentum", (p, g, v), lr, np.float32(factor), np.float32(decay))

    def sgd(self, p: Any, g: Any, lr: float, decay: float) -> None:
        """As `runner.engine.cpu.sgd`; within a pass the rate is that of the pass's step."""
        self._update("sgd", (p, g), lr, np.float32(decay))

    def _update(self, name: str, arrays: tuple[Any, ...], lr: float, *numbers: Any) -> None:
        if self.at is self._own:
            self.at.place(steps=1)
            self.at.set_rates(np.array([lr]))
        n = arrays[0].size
        launch(name, blocks(n), *arrays, np.int64(n), self.at.rates, self.at.state, *numbers)


def _shaped(*shape: int) -> Any:
    return np.zeros(shape, dtype=np.float32)
