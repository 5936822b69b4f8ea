"""The networks, one file for each kind: `model.kind=NAME` calls `build` of `runner/models/NAME.py`.

docs/models.md shows how to add one.
"""

import importlib
import inspect
import pkgutil
from types import ModuleType
from typing import Any

import numpy as np

from runner.config.schema import ModelConfig
from runner.engine.dezero import named_parameters, no_grad, test_mode
from runner.engine.protocol import Engine
from runner.errors import ConfigError
from runner.seeding import stream


def build(
    config: ModelConfig,
    engine: Engine,
    image_shape: tuple[int, ...],
    seed: int,
    n_classes: int = 10,
) -> Any:
    """A model with its weights drawn from the seed, on the engine's device.

    Parameters
    ----------
    image_shape
        Of one image: (channels, height, width) for a convolution.
    n_classes
        How many scores an image has. A model whose `build` has a parameter of this name is given
        it.

    Raises
    ------
    ConfigError
        When there is no model of the configured kind.
    """
    # A layer may draw by numpy.random, when it is made or in its first forward pass. That must come
    # from the seed, too, and must not change the caller's global generator.
    before = np.random.get_state()
    np.random.seed(stream(seed, "lazy").integers(2**32, size=8, dtype=np.uint32))
    try:
        make = _module(config.kind).build
        takes = "n_classes" in inspect.signature(make).parameters
        model = make(config, engine, **({"n_classes": n_classes} if takes else {}))
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
