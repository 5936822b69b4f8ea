"""The parts of a network on a GPU, behind the names of `runner.engine.cpu`.

One `Kernels` serves one run. Before a model moves to the GPU, a forward pass on NumPy arrays tells
it its shapes (`runner.models.build`): for such arrays only shapes are computed. Where the CPU's
kernels get the step, the row and the learning rate as arguments, these read them from GPU memory
(batches.py), so that a CUDA graph of a step is right for every step.
"""

import weakref
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from runner.engine.device import LEFT_POOLS, Array, is_on_cpu
from runner.engine.gpu import convolution, linear
from runner.engine.gpu.batches import Batches, Phase
from runner.engine.gpu.blas import Blas
from runner.engine.gpu.module import blocks, launch
from runner.engine.protocol import Betas
from runner.seeding import Draw


class Kernels:
    """The stream, the cuBLAS handle and the memory of a run, and the kernels that it launches.

    Arrays are float32 in C order.

    Parameters
    ----------
    tf32
        Whether matrix products round their factors to TF32.
    """

    def __init__(self, tf32: bool = False) -> None:
        import cupy

        self.stream = cupy.cuda.Stream(non_blocking=True)
        self.blas = Blas(self.stream, tf32)
        self._pool = cupy.cuda.MemoryPool()
        weakref.finalize(self, LEFT_POOLS.append, self._pool).atexit = False
        #: The gradient that a backward pass starts with; `is_one` recognises this very array.
        self.one = cupy.ones((), dtype=cupy.float32)
        no_image = cupy.zeros((1, 1, 1, 1), dtype=cupy.uint8)
        #: For launches that belong to no pass, such as those of a warm-up; its image is never read.
        self._no_batches = Batches(Phase.TEST, no_image, cupy.zeros(1, dtype=cupy.int32), 1)
        self._batches = self._no_batches
        self._tickets: dict[int, Array] = {}

    @contextmanager
    def on_stream(self) -> Iterator[None]:
        """Launch on the run's own stream, and allocate from its own memory pool, in the block."""
        import cupy

        # The run's stream does not wait by itself for work on the default stream.
        cupy.cuda.get_current_stream().synchronize()
        with self.stream, cupy.cuda.using_allocator(self._pool.malloc):
            yield

    @contextmanager
    def using(self, batches: Batches) -> Iterator[None]:
        """Read row, time and learning rate from these batches, and move them on, in the block."""
        self._batches = batches
        try:
            yield
        finally:
            self._batches = self._no_batches

    # =========================================================================
    # Batches
    # =========================================================================
    def next_batch(self, n: int, scale: float) -> tuple[Array, Array]:
        """The next n images, float32 (n, ...), divided by `scale`, and labels (n,)."""
        import cupy

        batches = self._batches
        x = cupy.empty((n, *batches.images.shape[1:]), dtype=cupy.float32)
        t = cupy.empty(n, dtype=cupy.int32)
        n_pixels = x.size // n
        arrays, numbers = (
            (batches.images, batches.labels, batches.order),
            (np.int32(n_pixels), np.float32(scale)),
        )
        kernel = f"gather_{batches.images.dtype}"
        launch(kernel, (n, *blocks(n_pixels)), *arrays, batches.state, *numbers, x, t)
        return x, t

    def pixels(self, images: Array, rows: Array, scale: float) -> Array:
        """The images of these rows as float32, divided by `scale`."""
        return images[rows].astype(np.float32) / np.float32(scale)

    # =========================================================================
    # Convolutions
    # =========================================================================
    def conv_relu_pool(self, x: Array, W: Array, b: Array) -> tuple[Array, Array]:
        """As `runner.engine.cpu.conv_relu_pool`."""
        if is_on_cpu(x):
            return _shaped(len(x), len(W), x.shape[2] // 2, x.shape[3] // 2), None
        if convolution.is_direct(x, W):
            return convolution.direct(x, W, b)
        return convolution.bias_relu_pool(convolution.product(self.blas, x, W), b)

    def conv_relu_pool_gradients(
        self, x: Array, W: Array, winners: Array, gy: Array, gW: Array, gb: Array, want_gx: bool
    ) -> Array | None:
        """As `runner.engine.cpu.conv_relu_pool_gradients`."""
        tickets = self._tickets_for(len(W))
        if convolution.is_direct(x, W) and not want_gx:
            convolution.direct_gradients(x, winners, gy, gW, gb, tickets)
            return None
        gz = convolution.pool_gradients(gy, winners, (len(x), len(W), *x.shape[2:]), gb, tickets)
        return convolution.gradients(self.blas, x, W, gz, gW, want_gx)

    def conv_relu(self, x: Array, W: Array, b: Array) -> Array:
        """As `runner.engine.cpu.conv_relu`."""
        if is_on_cpu(x):
            return _shaped(len(x), len(W), *x.shape[2:])
        z = convolution.product(self.blas, x, W)
        convolution.bias_relu(z, b)
        return z

    def conv_relu_gradients(
        self, x: Array, W: Array, y: Array, gy: Array, gW: Array, gb: Array, want_gx: bool
    ) -> Array | None:
        """As `runner.engine.cpu.conv_relu_gradients`."""
        gz = convolution.relu_gradients(gy, y, gb, self._tickets_for(len(W)))
        return convolution.gradients(self.blas, x, W, gz, gW, want_gx)

    def _tickets_for(self, n: int) -> Array:
        """Counters, int32 (n,), all 0, by which the last of several blocks recognises itself."""
        import cupy

        if n not in self._tickets:
            # A graph keeps addresses and no arrays. These arrays are made in the warm-up, before
            # the first capture, and live as long as the kernels.
            self._tickets[n] = cupy.zeros(n, dtype=cupy.int32)
        return self._tickets[n]

    # =========================================================================
    # Linear layers
    # =========================================================================
    def linear(self, x: Array, W: Array, b: Array) -> Array:
        """As `runner.engine.cpu.linear`."""
        import cupy

        if is_on_cpu(x):
            return _shaped(len(x), len(b))
        y = cupy.empty((len(x), len(b)), dtype=x.dtype)
        if linear.is_narrow(W):
            linear.narrow(x, W, b, y)
        else:
            self.blas.product(x, W, y)
            linear.add_bias(y, b)
        return y

    def linear_gradients(
        self, x: Array, W: Array, gy: Array, gW: Array, gb: Array, want_gx: bool
    ) -> Array | None:
        """As `runner.engine.cpu.linear_gradients`."""
        if linear.is_narrow(W):
            return linear.narrow_gradients(x, W, gy, gW, gb, want_gx)
        linear.sum_rows(gy, gb)
        return self.product_gradients(x, W, gy, gW, want_gx)

    def linear_and_relu_gradients(
        self,
        x: Array,
        W: Array,
        draw: Draw | None,
        gy: Array,
        gW: Array,
        gb: Array,
        gb_before: Array,
    ) -> tuple[Array, Array] | None:
        """`linear_gradients`, and part of `linear_relu_gradients` of the layer whose output is x.

        Fills gb_before as well, and returns the gradient of x and that of the input of the ReLU,
        both like x; `product_gradients` computes the rest. None when no kernel does both, for so
        many units.
        """
        if not linear.is_narrow(W):
            return None
        return linear.narrow_and_relu_gradients(x, W, draw, gy, gW, gb, gb_before)

    def linear_relu(self, x: Array, W: Array, b: Array, draw: Draw | None) -> Array:
        """As `runner.engine.cpu.linear_relu`."""
        import cupy

        if is_on_cpu(x):
            return _shaped(len(x), len(b))
        y = cupy.empty((len(x), len(b)), dtype=x.dtype)
        self.blas.product(x, W, y)
        if draw is None:
            linear.bias_relu(y, b)
            return y
        self._place_of(draw)
        linear.bias_relu_dropout(y, b, draw, self._batches)
        return y

    def keep(self, x: Array, draw: Draw) -> Array:
        """Which numbers of x (n, ...) dropout keeps, bool of its shape."""
        self._place_of(draw)
        return linear.keep(x, draw, self._batches)

    def _place_of(self, draw: Draw) -> None:
        """Outside of a pass, have kernels read the step or epoch and the row of this draw."""
        if self._batches is self._no_batches:
            self._batches.set_state(row=draw.first_row, time=draw.time)

    def linear_relu_gradients(
        self,
        x: Array,
        W: Array,
        y: Array,
        draw: Draw | None,
        gy: Array,
        gW: Array,
        gb: Array,
        want_gx: bool,
    ) -> Array | None:
        """As `runner.engine.cpu.linear_relu_gradients`."""
        gz = linear.relu_gradients(gy, y, draw, gb)
        return self.product_gradients(x, W, gz, gW, want_gx)

    def product_gradients(
        self, x: Array, W: Array, gz: Array, gW: Array, want_gx: bool
    ) -> Array | None:
        """Fill gW from gz, the gradient of x @ W; return that of x, or None unless `want_gx`."""
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
    def softmax_cross_entropy(self, y: Array, t: Array) -> tuple[Array, Array, Array]:
        """Mean loss (0-d), correct rows (n,) bool, gradient of the loss by y (n, n_classes).

        Within `using`, the second one is instead the predicted classes of the whole pass, of which
        the rows of this batch are filled, and the state of the pass moves on by the batch.
        """
        batches = self._batches
        return linear.softmax_cross_entropy(y, t, batches, batches is self._no_batches)

    def is_one(self, gradient: Array) -> bool:
        """Whether it is the gradient that a backward pass starts with; its value is not read."""
        return gradient is self.one

    def adam(
        self,
        p: Array,
        g: Array,
        m: Array,
        v: Array,
        lr: float,
        betas: Betas,
        eps: float,
        decay: float,
        keep: float = 1.0,
    ) -> None:
        """As `runner.engine.cpu.adam`; within `using`, with `lr` and `keep` of the batch."""
        numbers = (*(1 - beta for beta in betas), eps, decay)
        self._update("adam", (p, g, m, v), lr, keep, *numbers)

    def momentum(
        self,
        p: Array,
        g: Array,
        v: Array,
        lr: float,
        factor: float,
        decay: float,
        keep: float = 1.0,
    ) -> None:
        """As `runner.engine.cpu.momentum`; within `using`, with `lr` and `keep` of the batch."""
        self._update("momentum", (p, g, v), lr, keep, factor, decay)

    def sgd(self, p: Array, g: Array, lr: float, decay: float, keep: float = 1.0) -> None:
        """As `runner.engine.cpu.sgd`; within `using`, with `lr` and `keep` of the batch."""
        self._update("sgd", (p, g), lr, keep, decay)

    def _update(
        self, name: str, arrays: tuple[Array, ...], lr: float, keep: float, *numbers: float
    ) -> None:
        batches, n = self._batches, arrays[0].size
        if batches is self._no_batches:
            batches.set_state(steps=1)
            batches.set_learning_rates(np.array([lr]))
            batches.set_keeps(np.array([keep]))
        position = batches.learning_rates, batches.keeps, batches.state
        launch(name, blocks(n), *arrays, np.int64(n), *position, *map(np.float32, numbers))


def _shaped(*shape: int) -> Array:
    return np.zeros(shape, dtype=np.float32)
