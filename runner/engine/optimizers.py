"""Tables of optimizers, and what a checkpoint keeps of an optimizer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from runner.config.names import refused_optimizer
from runner.engine.device import to_numpy
from runner.engine.dezero import dezero, named_parameters


@dataclass(frozen=True)
class Entry:
    """One optimizer of an engine's table `OPTIMIZERS`."""

    #: Makes it from the group `optimizer` of a configuration; the fast engine gives its kernels,
    #: too.
    make: Callable[..., Any]
    #: The attributes in which it keeps one array a parameter, by id(parameter) as DeZero does.
    slots: tuple[str, ...] = ()


def create(table: Mapping[str, Entry], engine: str, config: Any, *kernels: Any) -> Any:
    """The configured optimizer of an engine's table; its `slots` are the entry's.

    Raises
    ------
    ConfigError
        When the table has none of this name.
    """
    if config.name not in table:
        raise refused_optimizer(config.name, engine, table)
    entry = table[config.name]
    optimizer = entry.make(config, *kernels)
    optimizer.slots = entry.slots
    return optimizer


def state(optimizer: Any, model: Any) -> dict[str, Any]:
    """The optimizer's arrays as `ms/fc1/linear/W`, on the CPU, and as `t` its step count if any.

    They are named by parameter and not by id as DeZero keeps them, so that another process can go
    on with them.
    """
    arrays = {"t": np.int64(optimizer.t)} if hasattr(optimizer, "t") else {}
    for slot in optimizer.slots:
        by_id = getattr(optimizer, slot)
        for name, parameter in named_parameters(model).items():
            if id(parameter) in by_id:
                arrays[f"{slot}/{name}"] = to_numpy(by_id[id(parameter)])
    return arrays


def restore(optimizer: Any, model: Any, arrays: dict[str, Any]) -> None:
    """Put back what `state` gave, on the device of each parameter."""
    if "t" in arrays:
        optimizer.t = int(arrays["t"])
    for slot in optimizer.slots:
        by_id = getattr(optimizer, slot)
        for name, parameter in named_parameters(model).items():
            if f"{slot}/{name}" in arrays:
                xp = dezero.cuda.get_array_module(parameter.data)
                values = xp.asarray(arrays[f"{slot}/{name}"])
                # The fast engine's optimizers have their arrays already; DeZero's make theirs in
                # the first step.
                by_id.setdefault(id(parameter), xp.empty_like(parameter.data))[...] = values
