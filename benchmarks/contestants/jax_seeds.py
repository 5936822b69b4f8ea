"""JAX: compiled steps, of one seed, or of several by `vmap`.

Written for speed: images on the device as uint8, a step gathers its batch itself, weights and
Adam's moments are donated, masks come from the generator that is fastest there ("rbg"). Matrix
products are in float32 as PyTorch's are; JAX's own default on a GPU is TF32. The steps of a
call are one loop, but for several convolutions on the CPU: there XLA computes those within a loop
several times as slowly as outside.
"""

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # others are on the GPU, too

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
import optax  # noqa: E402
from jax import lax  # noqa: E402

from benchmarks import images  # noqa: E402
from benchmarks.nets import (  # noqa: E402
    BATCH,
    DROPOUT_RATIO,
    FULL_SCALE,
    LEARNING_RATE,
    NORM_DECAY,
    NORM_EPS,
    WEIGHT_DECAY,
    Net,
)

jax.config.update("jax_default_matmul_precision", "float32")
jax.config.update("jax_default_prng_impl", "rbg")

_OPTIMIZER = optax.chain(
    optax.add_decayed_weights(WEIGHT_DECAY), optax.scale_by_adam(), optax.scale(-LEARNING_RATE)
)
Tree = Any


class Jax:
    """`n_runs` networks whose arrays have a leading axis of seeds.

    On a GPU `train` takes whole epochs, of at least `n_steps` steps.
    """

    def __init__(self, net: Net, folder: Path, n_runs: int, gpu: bool) -> None:
        data = images.read(folder)
        self.train_images, self.train_labels = map(
            jnp.asarray, (data.train_images, data.train_labels)
        )
        self.test_images, self.test_labels = map(jnp.asarray, (data.test_images, data.test_labels))
        self.keys = jax.random.split(jax.random.key(0), n_runs)
        parameters, averages = jax.vmap(lambda key: _first_state(net, key))(self.keys)
        self.state = parameters, averages, jax.vmap(_OPTIMIZER.init)(parameters)
        self.gpu, self.n_steps, self.step = gpu, len(self.train_images) // BATCH, 0
        self.n_at_once = 1 if len(net.convolutions) > 1 and not gpu else self.n_steps
        steps = _steps(net, self.n_at_once)

        def of_seeds(state: Tree, rows: Any, keys: Any, x: Any, t: Any, first: Any, n: Any) -> Any:
            def of_a_seed(*own: Any) -> Any:
                return steps(*own, x, t, first, n)

            return jax.vmap(of_a_seed)(state, rows, keys)

        # A GPU does not have to ask the CPU how a loop goes on whose length it was compiled for.
        known = (6,) if gpu or self.n_at_once == 1 else ()
        self.steps = jax.jit(of_seeds, donate_argnums=0, static_argnums=known)
        self.shuffled = jax.jit(jax.vmap(self._shuffled))
        share = jax.vmap(_share_right(net), in_axes=(0, 0, None, None, None))
        self.share_right = jax.jit(share)

    def _shuffled(self, key: Any) -> tuple[Any, Any, Any]:
        """The key of the next epoch, and the batches' rows and the key of the masks of this one."""
        key, of_order, of_masks = jax.random.split(key, 3)
        order = jax.random.permutation(of_order, len(self.train_images))
        return key, order[: self.n_steps * BATCH].reshape(self.n_steps, BATCH), of_masks

    def train(self, n_steps: int) -> list[float]:
        if self.gpu:
            n_steps = math.ceil(n_steps / self.n_steps) * self.n_steps
        losses, data = [], (self.train_images, self.train_labels)
        while n_steps:
            if self.step == 0:
                self.keys, self.rows, self.mask_keys = self.shuffled(self.keys)
            n = min(n_steps, self.n_at_once, self.n_steps - self.step)
            mine = self.state, self.rows, self.mask_keys
            self.state, found, _ = self.steps(*mine, *data, self.step, n)
            losses.append((found, n))
            self.step = (self.step + n) % self.n_steps
            n_steps -= n
        return [loss for found, n in losses for loss in np.mean(found, axis=0)[:n].tolist()]

    def evaluate(self, n_batches: int) -> float:
        parameters, averages, _ = self.state
        shares = []
        for i in range(n_batches):
            start = i * BATCH % len(self.test_images)
            shares.append(
                self.share_right(parameters, averages, self.test_images, self.test_labels, start)
            )
        return float(sum(share.mean() for share in shares)) / n_batches


def _steps(net: Net, most: int) -> Callable[..., Any]:
    """The function that trains one seed for `n` steps, `most` or fewer.

    It returns the state, the loss of each step, 0 beyond them, and how many were right.
    """

    def loss_of(parameters: Tree, averages: Tree, x: Any, t: Any, key: Any) -> Any:
        y, averages = _scores(net, parameters, averages, x, key)
        loss = optax.softmax_cross_entropy_with_integer_labels(y, t).mean()
        return loss, ((y.argmax(axis=1) == t).sum(), averages)

    def steps(state: Tree, rows: Any, key: Any, x: Any, t: Any, first: Any, n: Any) -> Any:
        def step(i: Any, carried: Any) -> Any:
            (parameters, averages, moments), losses, n_correct = carried
            taken = rows[first + i]
            gradient = jax.value_and_grad(loss_of, has_aux=True)
            mask_key = jax.random.fold_in(key, first + i)
            (loss, (correct, averages)), gradients = gradient(
                parameters, averages, x[taken], t[taken], mask_key
            )
            updates, moments = _OPTIMIZER.update(gradients, moments, parameters)
            state = optax.apply_updates(parameters, updates), averages, moments
            return state, losses.at[i].set(loss), n_correct + correct

        nothing = state, jnp.zeros(most), jnp.int32(0)
        # XLA would leave a loop of one step a loop.
        return step(0, nothing) if most == 1 else lax.fori_loop(0, n, step, nothing)

    return steps


def _share_right(net: Net) -> Callable[..., Any]:
    """The function that evaluates one seed with the batch of test images from `start` on."""

    def share_right(parameters: Tree, averages: Tree, x: Any, t: Any, start: Any) -> Any:
        taken = lax.dynamic_slice_in_dim(x, start, BATCH)
        y, _ = _scores(net, parameters, averages, taken, None)
        return (y.argmax(axis=1) == lax.dynamic_slice_in_dim(t, start, BATCH)).mean()

    return share_right


def _scores(net: Net, parameters: Tree, averages: Tree, x: Any, key: Any) -> tuple[Any, Tree]:
    """Scores (n, classes) of images (n, 1, 28, 28), uint8, and BatchNorm's averages after them.

    With a key it is training: dropout drops, and BatchNorm takes the batch's own mean and variance.
    """
    x = x.astype(jnp.float32) / FULL_SCALE
    activation = jnp.tanh if net.users else jax.nn.relu
    moved = []
    for i, (W, b) in enumerate(parameters["conv"]):
        x = lax.conv_general_dilated(x, W, (1, 1), "SAME") + b[:, None, None]
        if net.users:
            gamma, beta = parameters["norm"][i]
            x, average = _normalised(x, gamma, beta, averages[i], key is not None)
            moved.append(average)
        x = activation(x)
    if net.channels:
        x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")
    x = x.reshape(len(x), -1)
    *hidden, (W_out, b_out) = parameters["linear"]
    for i, (W, b) in enumerate(hidden):
        x = activation(x @ W + b)
        if net.dropout and key is not None:
            kept = jax.random.bernoulli(jax.random.fold_in(key, i), 1 - DROPOUT_RATIO, x.shape)
            x = jnp.where(kept, x / (1 - DROPOUT_RATIO), 0)
    return x @ W_out + b_out, moved


def _normalised(x: Any, gamma: Any, beta: Any, average: Any, training: bool) -> tuple[Any, Any]:
    """BatchNorm of (n, channels, height, width), and the average mean and variance after it."""
    mean, variance = average
    if training:
        mean, variance = x.mean(axis=(0, 2, 3)), x.var(axis=(0, 2, 3))
        n = x.size // len(gamma)
        found = lax.stop_gradient((mean, variance * (n / (n - 1))))
        average = tuple(
            NORM_DECAY * old + (1 - NORM_DECAY) * new
            for old, new in zip(average, found, strict=True)
        )
    factor = gamma * lax.rsqrt(variance + NORM_EPS)
    return (x - mean[:, None, None]) * factor[:, None, None] + beta[:, None, None], average


def _first_state(net: Net, key: Any) -> tuple[Tree, Tree]:
    """Weights as DeZero begins with: normal, of variance 1 / inputs; biases 0. And averages."""
    sizes, n_convolutions = net.layer_sizes, len(net.convolutions)
    keys = jax.random.split(key, n_convolutions + len(sizes))
    conv = [
        (jax.random.normal(k, (n_out, n_in, 3, 3)) * (9 * n_in) ** -0.5, jnp.zeros(n_out))
        for k, (n_in, n_out) in zip(keys, net.convolutions, strict=False)
    ]
    linear = [
        (jax.random.normal(k, (n_in, n_out)) * n_in**-0.5, jnp.zeros(n_out))
        for k, n_in, n_out in zip(keys[n_convolutions:], sizes, sizes[1:], strict=False)
    ]
    norms = [n_out for _, n_out in net.convolutions] if net.users else []
    ones_and_zeros = [(jnp.ones(n), jnp.zeros(n)) for n in norms]
    averages = [(jnp.zeros(n), jnp.ones(n)) for n in norms]
    return {"conv": conv, "norm": ones_and_zeros, "linear": linear}, averages
