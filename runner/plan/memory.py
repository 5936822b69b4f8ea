"""The memory that a run needs, by its configuration; one that cannot fit is refused early."""

import math
import os

from runner.config.effects import SHIPPED_MODELS
from runner.config.schema import ModelConfig
from runner.errors import ConfigError

_FLOAT32_BYTES = 4
#: Copies of every weight: the weight, its gradient, Adam's two moments, and a gradient being made.
_COPIES_OF_WEIGHTS = 5


def parameters_and_activations(model: ModelConfig, image_shape: tuple[int, ...]) -> tuple[int, int]:
    """Number of parameters, and of float32 values that one image leaves in a step.

    Parameters
    ----------
    image_shape
        (channels, height, width).

    Raises
    ------
    ConfigError
        When there are more 2x2 pools than the image has pixels for.
    """
    channels, height, width = image_shape
    n_parameters = n_activations = 0
    blocks = (model.blocks or [[model.channels]]) if model.kind == "cnn" else []
    for block in blocks:
        for out in block:
            n_parameters += out * (channels * 9 + 1)
            # im2col forward and again for the weight's gradient; the output before and after ReLU,
            # and their gradients.
            n_activations += height * width * (2 * 9 * channels + 4 * out)
            channels = out
        height, width = height // 2, width // 2
        if height == 0 or width == 0:
            raise ConfigError(
                f"model.blocks={blocks}: {len(blocks)} blocks halve the"
                f" {image_shape[1]}x{image_shape[2]} images to nothing; at most"
                f" {int(math.log2(min(image_shape[1:])))} blocks are allowed"
            )
        n_activations += height * width * channels * 8
    features = channels * height * width
    for size in [model.hidden_size] * model.fc_depth + [10]:
        n_parameters += size * (features + 1)
        n_activations += 6 * size
        features = size
    return n_parameters, n_activations


def check(model: ModelConfig, batch_size: int, image_shape: tuple[int, ...], n_train: int) -> None:
    """Refuse a run that cannot fit this machine's memory, or whose batch exceeds the data set.

    The memory of a model that does not ship is not known, and no such model is refused.

    Raises
    ------
    ConfigError
        With the estimate, and the memory that there is.
    """
    if batch_size > n_train:
        raise ConfigError(
            f"train.batch_size={batch_size}: allowed is an integer from 1 to {n_train}, the number"
            " of training images"
        )
    if model.kind not in SHIPPED_MODELS:
        return
    n_parameters, n_activations = parameters_and_activations(model, image_shape)
    needed = _FLOAT32_BYTES * (
        _COPIES_OF_WEIGHTS * n_parameters + n_activations * max(batch_size, 100)
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > memory:
        raise ConfigError(
            f"model with {n_parameters:,} parameters and batches of {batch_size} needs about"
            f" {needed / 2**30:.0f} GiB and this machine has {memory / 2**30:.0f}; lower"
            " model.channels, model.blocks, model.hidden_size or train.batch_size"
        )
