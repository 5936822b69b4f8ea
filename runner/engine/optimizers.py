"""DeZero's optimizers from a configuration, and their state by parameter name for checkpoints."""

from typing import TYPE_CHECKING, Any

import numpy as np

from runner.engine.device import to_numpy
from runner.engine.dezero import dezero, named_parameters

if TYPE_CHECKING:
    from runner.config.schema import OptimizerConfig

# The attributes in which DeZero keeps one array a parameter, keyed by id(parameter).
_SLOTS = {"Adam": ("ms", "vs"), "MomentumSGD": ("vs",), "SGD": ()}


def build(config: "OptimizerConfig", model: Any) -> Any:
    """The configured optimizer, set up on the model, with the weight-decay hook when it is not 0."""
    if config.name == "adam":
        optimizer = dezero.optimizers.Adam(config.lr)
    elif config.name == "momentum":
        optimizer = dezero.optimizers.MomentumSGD(config.lr, config.momentum)
    else:
        optimizer = dezero.optimizers.SGD(config.lr)
    optimizer.setup(model)
    if config.weight_decay:
        optimizer.add_hook(dezero.optimizers.WeightDecay(config.weight_decay))
    return optimizer


def state(optimizer: Any, model: Any) -> dict[str, Any]:
    """The optimizer's arrays as `ms/fc1/linear/W`, on the CPU, and Adam's step count as `t`.

    By name and not by id as DeZero keeps them, so that another process can go on with them.
    """
    arrays = {"t": np.int64(optimizer.t)} if hasattr(optimizer, "t") else {}
    for slot in _SLOTS[type(optimizer).__name__]:
        by_id = getattr(optimizer, slot)
        for name, parameter in named_parameters(model).items():
            if id(parameter) in by_id:
                arrays[f"{slot}/{name}"] = to_numpy(by_id[id(parameter)])
    return arrays


def restore(optimizer: Any, model: Any, arrays: dict[str, Any]) -> None:
    """Put back what `state` gave, on the device of each parameter."""
    if "t" in arrays:
        optimizer.t = int(arrays["t"])
    for slot in _SLOTS[type(optimizer).__name__]:
        by_id = getattr(optimizer, slot)
        for name, parameter in named_parameters(model).items():
            if f"{slot}/{name}" in arrays:
                xp = dezero.cuda.get_array_module(parameter.data)
                values = xp.asarray(arrays[f"{slot}/{name}"])
                # Into the array that the fast engine's optimizers have already; DeZero's make theirs when asked.
                by_id.setdefault(id(parameter), xp.empty_like(parameter.data))[...] = values
