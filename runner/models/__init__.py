"""The networks that ship, and the making of any network that a file of conf/model names."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from runner.config import parts
from runner.engine.dezero import named_parameters, no_grad, test_mode
from runner.engine.protocol import Engine
from runner.seeding import stream

N_CLASSES = 10


def build(
    config: Mapping[str, Any], engine: Engine, image_shape: tuple[int, ...], seed: int
) -> Any:
    """A model with its weights drawn from the seed, on the engine's device.

    Parameters
    ----------
    config
        The section `model` of a configuration: an import path in `_target_`, and its arguments.
    image_shape
        (channels, height, width) of one image.

    Raises
    ------
    ConfigError
        When there is no such class.
    """
    # A layer may draw by numpy.random, when it is made or in its first forward pass. That must come
    # from the seed, too, and must not change the caller's global generator.
    before = np.random.get_state()
    np.random.seed(stream(seed, "lazy").integers(2**32, size=8, dtype=np.uint32))
    try:
        model = parts.make("model", config, {"engine": engine, "n_classes": N_CLASSES})
        # DeZero's layers learn their input size in a first forward pass.
        with no_grad(), test_mode():
            model(np.zeros((1, *image_shape), dtype=np.float32))
    finally:
        np.random.set_state(before)
    _initialise(model, seed)
    engine.to_device(model)
    return model


def _initialise(model: Any, seed: int) -> None:
    """Draw each weight W from the stream of its name (`fc1/linear/W`).

    DeZero's rule is followed: normal, times sqrt(1 / fan-in). A layer that two cells share
    therefore starts equal in both. It is done on the CPU, so that a run on a GPU starts with the
    same bits.
    """
    for name, parameter in named_parameters(model).items():
        if parameter.name == "W":
            shape = parameter.data.shape
            # W of a linear layer is (n_in, n_out), of a convolution (out channels, in channels,
            # height, width).
            fan_in = shape[0] if len(shape) == 2 else int(np.prod(shape[1:]))
            drawn = stream(seed, "init", name).standard_normal(shape, dtype=np.float32)
            parameter.data = drawn * np.float32(np.sqrt(1.0 / fan_in))
        else:
            # numpy.random gives float64, and with one such parameter everything computed from it is
            # float64.
            parameter.data = parameter.data.astype(np.float32)
