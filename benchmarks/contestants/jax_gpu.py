"""JAX on a GPU: an epoch is one compiled `lax.scan`, for one seed, or for several by `vmap`.

Written for speed: images on the GPU as uint8, the scan gathers its batches itself, weights and
Adam's moments are donated, masks come from the generator that is fastest there ("rbg"). Matrix
products are in float32 as PyTorch's are; JAX's own default is TF32.
"""

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # others are on the GPU, too

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import optax  # noqa: E402
from jax import lax  # noqa: E402

from benchmarks import images  # noqa: E402
from benchmarks.nets import (  # noqa: E402
    BATCH,
    DROPOUT_RATIO,
    FULL_SCALE,
    LEARNING_RATE,
    WEIGHT_DECAY,
    Net,
)

jax.config.update("jax_default_matmul_precision", "float32")
jax.config.update("jax_default_prng_impl", "rbg")

_OPTIMIZER = optax.chain(
    optax.add_decayed_weights(WEIGHT_DECAY), optax.scale_by_adam(), optax.scale(-LEARNING_RATE)
)
Tree = Any


class JaxOnCard:
    """`n_runs` networks whose arrays have a leading axis of seeds; `train` takes whole epochs, of
    at least `n_steps` steps."""

    def __init__(self, net: Net, folder: Path, n_runs: int) -> None:
        data = images.read(folder)
        self.train_images, self.train_labels = map(
            jnp.asarray, (data.train_images, data.train_labels)
        )
        self.test_images, self.test_labels = map(jnp.asarray, (data.test_images, data.test_labels))
        self.keys = jax.random.split(jax.random.key(0), n_runs)
        self.parameters = jax.vmap(lambda key: _first_parameters(net, key))(self.keys)
        self.moments = jax.vmap(_OPTIMIZER.init)(self.parameters)
        over_seeds = (0, 0, 0, None, None)
        self.epoch = jax.jit(jax.vmap(_epoch(net), in_axes=over_seeds), donate_argnums=(0, 1, 2))
        self.scores = jax.jit(
            jax.vmap(lambda p, x: _scores(net, p, x, key=None), in_axes=(0, None))
        )

    def train(self, n_steps: int) -> list[float]:
        losses = []
        for _ in range(math.ceil(n_steps / (len(self.train_images) // BATCH))):
            self.parameters, self.moments, self.keys, loss = self.epoch(
                self.parameters, self.moments, self.keys, self.train_images, self.train_labels
            )
            losses.append(float(loss.mean()))
        return losses

    def evaluate(self, n_batches: int) -> float:
        shares = []
        for i in range(n_batches):
            start = i * BATCH % len(self.test_images)
            y = self.scores(self.parameters, self.test_images[start : start + BATCH])
            shares.append((y.argmax(axis=2) == self.test_labels[start : start + BATCH]).mean())
        return float(sum(shares)) / n_batches


def _epoch(net: Net) -> Callable[..., tuple[Tree, Tree, Any, Any]]:
    """The function that trains one seed for an epoch, and its mean loss."""

    def loss_of(parameters: Tree, x: Any, t: Any, key: Any) -> Any:
        y = _scores(net, parameters, x, key)
        return optax.softmax_cross_entropy_with_integer_labels(y, t).mean(), y

    def epoch(parameters: Tree, moments: Tree, key: Any, x: Any, t: Any) -> Any:
        key, of_order, of_masks = jax.random.split(key, 3)
        n_steps = len(x) // BATCH
        order = jax.random.permutation(of_order, len(x))[: n_steps * BATCH]

        def step(state: tuple[Tree, Tree], batch: tuple[Any, Any]) -> Any:
            parameters, moments = state
            rows, mask_key = batch
            gradient = jax.value_and_grad(loss_of, has_aux=True)
            (loss, y), gradients = gradient(parameters, x[rows], t[rows], mask_key)
            updates, moments = _OPTIMIZER.update(gradients, moments, parameters)
            n_correct = (y.argmax(axis=1) == t[rows]).sum()
            return (optax.apply_updates(parameters, updates), moments), (loss, n_correct)

        batches = order.reshape(n_steps, BATCH), jax.random.split(of_masks, n_steps)
        (parameters, moments), (losses, _) = lax.scan(step, (parameters, moments), batches)
        return parameters, moments, key, losses.mean()

    return epoch


def _scores(net: Net, parameters: Tree, x: Any, key: Any) -> Any:
    """Scores (n, classes) of images (n, 1, 28, 28), uint8; dropout where there is a key."""
    x = x.astype(jnp.float32) / FULL_SCALE
    if net.channels:
        W, b = parameters["conv"]
        x = lax.conv_general_dilated(x, W, (1, 1), "SAME") + b[:, None, None]
        x = lax.reduce_window(
            jax.nn.relu(x), -jnp.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID"
        )
    x = x.reshape(len(x), -1)
    *hidden, (W_out, b_out) = parameters["linear"]
    for i, (W, b) in enumerate(hidden):
        x = jax.nn.relu(x @ W + b)
        if net.dropout and key is not None:
            kept = jax.random.bernoulli(jax.random.fold_in(key, i), 1 - DROPOUT_RATIO, x.shape)
            x = jnp.where(kept, x / (1 - DROPOUT_RATIO), 0)
    return x @ W_out + b_out


def _first_parameters(net: Net, key: Any) -> Tree:
    """Weights as DeZero begins with: normal, of variance 1 / inputs; biases 0."""
    sizes = net.layer_sizes
    keys = jax.random.split(key, len(sizes))
    linear = [
        (jax.random.normal(k, (n_in, n_out)) * n_in**-0.5, jnp.zeros(n_out))
        for k, n_in, n_out in zip(keys[1:], sizes, sizes[1:], strict=False)
    ]
    conv = (jax.random.normal(keys[0], (net.channels, 1, 3, 3)) / 3, jnp.zeros(net.channels))
    return {"linear": linear} | ({"conv": conv} if net.channels else {})
