"""The networks. One file a kind: `model.kind=NAME` builds what `runner/models/NAME.py` calls `build`.

docs/models.md shows how to add one.
"""

import importlib
import pkgutil
from types import ModuleType
from typing import Any

import numpy as np

from runner.config.schema import ModelConfig
from runner.engine.dezero import named_parameters, no_grad, test_mode
from runner.engine.protocol import Engine
from runner.errors import ConfigError
from runner.seeding import stream

N_CLASSES = 10


def build(config: ModelConfig, engine: Engine, image_shape: tuple[int, ...], seed: int) -> Any:
    """A model with its weights drawn from the seed, on the engine's device.

    Parameters
    ----------
    image_shape
        (channels, height, width) of one image.

    Raises
    ------
    ConfigError
        When there is no model of the configured kind.
    """
    # What DeZero's layers or a user's own draw by numpy.random, when they are made or in the first forward
    # pass, must come from the seed too; the caller's global generator is put back.
    before = np.random.get_state()
    np.random.seed(stream(seed, "lazy").integers(2**32, size=8, dtype=np.uint32))
    try:
        model = _module(config.kind).build(config, engine)
        # DeZero's layers learn their input size in a first forward pass.
        with no_grad(), test_mode():
            model(np.zeros((1, *image_shape), dtype=np.float32))
    finally:
        np.random.set_state(before)
    _initialise(model, seed)
    engine.to_device(model)
    return model


def _module(kind: str) -> ModuleType:
    name = f"{__name__}.{kind}"
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:  # the model is there, and what it imports is not
            raise
    known = ", ".join(sorted(module.name for module in pkgutil.iter_modules(__path__)))
    raise ConfigError(f"model.kind={kind}: allowed is one of {known}")


def _initialise(model: Any, seed: int) -> None:
    """Draw every weight W from a stream of its own, named by the parameter (`fc1/linear/W`).

    DeZero's rule: normal, scaled by sqrt(1 / fan-in), biases zero. A layer that two cells share starts
    equal in both, whatever else differs. On the CPU always, so that a GPU run starts with the same bits.
    """
    for name, parameter in named_parameters(model).items():
        if parameter.name == "W":
            shape = parameter.data.shape
            # Linear is (fan-in, out); a convolution is (out channels, in channels, height, width).
            fan_in = shape[0] if len(shape) == 2 else int(np.prod(shape[1:]))
            drawn = stream(seed, "init", name).standard_normal(shape, dtype=np.float32)
            parameter.data = drawn * np.float32(np.sqrt(1.0 / fan_in))
        else:
            # numpy.random gives float64, and one such parameter makes everything after it float64.
            parameter.data = parameter.data.astype(np.float32)
