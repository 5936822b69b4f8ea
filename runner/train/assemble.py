"""The parts of a run, put together by one function, whoever trains and for whatever purpose."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from runner import engine as engines
from runner import models
from runner.config.schema import Config
from runner.engine import device as devices
from runner.engine.dezero import named_parameters
from runner.engine.optimizers import Optimizer
from runner.engine.protocol import Data, Engine, Loop
from runner.engine.recipe import recipe, spelled
from runner.seeding import Masks

_WEIGHTS, _OPTIMIZER = "weights/", "optimizer/"


@dataclass
class Assembly:
    """What the training loop works with."""

    config: Config
    engine: Engine
    data: Data
    model: Any
    optimizer: Optimizer

    @property
    def n_parameters(self) -> int:
        """How many numbers the model learns."""
        return sum(parameter.data.size for parameter in named_parameters(self.model).values())

    def loop(self) -> Loop:
        """How the engine goes through the epochs of this run."""
        batch_size = self.config.train.batch_size
        return self.engine.loop(self.model, self.optimizer, self.data, batch_size)

    def warm_up(self) -> None:
        """Have the engine compile all that it will need, on two images, before any epoch."""
        data = self.data
        rows = self.engine.asarray(np.arange(min(2, len(data.train_images))))
        images = self.engine.pixels(data.train_images, rows, data.scale)
        self.engine.warm_up(self.model, self.optimizer, images, data.train_labels[rows])

    def weights(self) -> dict[str, Any]:
        """Each parameter by its name (`fc1/linear/W`), as a NumPy array."""
        return {
            name: devices.to_numpy(parameter.data)
            for name, parameter in named_parameters(self.model).items()
        }

    def snapshot(self) -> dict[str, Any]:
        """The weights and the optimizer's state by name, as NumPy arrays: what `restore` takes."""
        return {_WEIGHTS + name: array for name, array in self.weights().items()} | {
            _OPTIMIZER + name: array for name, array in self.optimizer.state().items()
        }

    def restore(self, arrays: dict[str, Any]) -> None:
        """Put back what `snapshot` gave, each array on the device of its parameter."""
        for name, parameter in named_parameters(self.model).items():
            values = arrays[_WEIGHTS + name]
            if not devices.is_on_cpu(parameter.data):
                values = devices.array_module("gpu").asarray(values)
            parameter.data[...] = values
        state = {
            name.removeprefix(_OPTIMIZER): array
            for name, array in arrays.items()
            if name.startswith(_OPTIMIZER)
        }
        self.optimizer.restore(state)


def assemble(
    config: Config, device: str, load: Callable[[Engine], Data], masks: Masks | None = None
) -> Assembly:
    """Everything that a configuration says about one training, with weights drawn from its seed.

    Parameters
    ----------
    device
        "cpu" or "gpu", after `auto`.
    load
        Gives the data where the engine computes, with the scale of the brightest pixel.
    masks
        Of dropout; by default those of the seed.
    """
    how = config.engine
    engine = engines.create(how.name, masks or Masks(config.seed), device, how.graph, how.tf32)
    data = load(engine)
    if not config.data.normalize:
        data = dataclasses.replace(data, scale=1.0)
    model = models.build(config.model, engine, data.train_images.shape[1:], config.seed)
    optimizer = engine.optimizer(recipe(spelled(config.optimizer), config.train.epochs), model)
    return Assembly(config, engine, data, model, optimizer)
