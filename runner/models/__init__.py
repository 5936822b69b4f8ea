"""The networks that ship, and the making of any network that a file of conf/model names."""

import contextlib
import random
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from runner.config import parts
from runner.engine.dezero import (
    all_parameters,
    fan_in,
    makes_its_weight_later,
    named_parameters,
    no_grad,
    test_mode,
)
from runner.engine.forward import forward
from runner.engine.model_state import named_layers, no_weights_later
from runner.engine.protocol import Engine
from runner.errors import ModelError
from runner.seeding import stream
from runner.system import user_code


def build(
    config: Mapping[str, Any],
    engine: Engine,
    image_shape: tuple[int, ...],
    seed: int,
    n_classes: int = 10,
) -> Any:
    """A model with its weights drawn from the seed, on the engine's device.

    Parameters
    ----------
    config
        The section `model` of a configuration: an import path in `_target_`, and its arguments.
    image_shape
        Of one image: (channels, height, width) for a convolution.
    n_classes
        How many scores an image has; given to a class whose signature has it.

    Raises
    ------
    ConfigError
        When there is no such class.
    ModelError
        When a parameter has two names.
    """
    with _seeded_global_generators(seed):
        model = parts.make("model", config, {"engine": engine, "n_classes": n_classes})
        later = {path for path, layer in named_layers(model) if makes_its_weight_later(layer)}
        # DeZero's layers learn their input size in a first forward pass.
        with no_grad(), test_mode():
            forward(model, np.zeros((1, *image_shape), dtype=np.float32), engine)
    _refuse_shared(model)
    _initialise(model, later, seed)
    no_weights_later(model)
    engine.to_device(model)
    return model


@contextlib.contextmanager
def _seeded_global_generators(seed: int) -> Iterator[None]:
    """Have `numpy.random` and `random` draw from the seed in the block, and put them back.

    A layer may draw from them, when it is made or in its first forward pass.
    """
    before, python_before = np.random.get_state(), random.getstate()
    words = stream(seed, "lazy").integers(2**32, size=8, dtype=np.uint32)
    np.random.seed(words)
    random.seed(words.tobytes())
    try:
        yield
    finally:
        np.random.set_state(before)
        random.setstate(python_before)


def _refuse_shared(model: Any) -> None:
    names: dict[int, str] = {}
    for name, parameter in all_parameters(model).items():
        first = names.setdefault(id(parameter), name)
        if first != name:
            line = user_code.place_of_text(type(model), f"self.{name.partition('/')[0]}")
            place = f"{line}: " if line else ""
            raise ModelError(
                f"{place}{name} is {first}, too, and DeZero would take its steps twice: keep"
                " the layer in one attribute, and use that wherever forward needs it"
            )


def _initialise(model: Any, later: set[str], seed: int) -> None:
    """Draw the weights that DeZero made later, each from the stream of its name (`fc1/linear/W`).

    DeZero's rule is followed: normal, times sqrt(1 / fan-in). A layer that two cells share
    therefore starts equal in both. It is done on the CPU, so that a run on a GPU starts with the
    same bits. What the model's constructor gave a parameter stays.
    """
    for path, layer in named_layers(model):
        if path in later and layer.W.data is not None:  # a layer may be left out in forward
            drawn = stream(seed, "init", f"{path}W").standard_normal(
                layer.W.shape, dtype=np.float32
            )
            layer.W.data = drawn * np.float32(np.sqrt(1.0 / fan_in(layer)))
    for parameter in named_parameters(model).values():
        # numpy.random gives float64, and with one such parameter everything computed from it is
        # float64.
        parameter.data = parameter.data.astype(np.float32, copy=False)
