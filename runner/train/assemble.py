"""The parts of a run, put together by one function, whoever trains and for whatever purpose."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from runner import engine as engines
from runner import models
from runner.config.schema import Config
from runner.data.asked import Asked
from runner.engine import device as devices
from runner.engine import model_state
from runner.engine.dezero import named_parameters
from runner.engine.protocol import Data, Engine, Loop
from runner.engine.recipe import recipe
from runner.engine.update.optimizers import Optimizer
from runner.seeding import Masks
from runner.train import augment, global_random

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
        with_scores = {name.partition("/")[0] for name in self.config.metrics}
        return self.engine.loop(self.model, self.optimizer, self.data, batch_size, with_scores)

    def warm_up(self) -> None:
        """Have the engine compile all that it will need, on two images, before any epoch.

        Raises
        ------
        ModelError
            When the model draws random numbers that are not the run's, or hands on arrays that no
            kernel takes.
        """
        data = self.data
        rows = self.engine.asarray(np.arange(min(2, len(data.train_images))))
        images = self.engine.pixels(data.train_images, rows, data.scale)
        batch = images, data.train_labels[rows]

        def warm_up() -> None:
            with model_state.untouched(self.model):
                self.engine.warm_up(self.model, self.optimizer, *batch)

        global_random.refuse_drawing(warm_up)

    def weights(self) -> dict[str, Any]:
        """Each parameter, and each array that a layer keeps, by its name, as a NumPy array."""
        arrays = model_state.named_arrays(self.model)
        return {name: devices.to_numpy(array) for name, array in arrays.items()}

    def snapshot(self) -> dict[str, Any]:
        """The weights and the optimizer's state by name, as NumPy arrays: what `restore` takes."""
        return {_WEIGHTS + name: array for name, array in self.weights().items()} | {
            _OPTIMIZER + name: array for name, array in self.optimizer.state().items()
        }

    def restore(self, arrays: dict[str, Any]) -> None:
        """Put back what `snapshot` gave, each array on the device of its parameter."""
        model_state.put(self.model, _of(_WEIGHTS, arrays))
        self.optimizer.restore(_of(_OPTIMIZER, arrays))


def _of(prefix: str, arrays: dict[str, Any]) -> dict[str, Any]:
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }


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
    data, asked = load(engine), Asked.of(config.data)
    scale = data.scale if asked.normalize else 1.0
    data = dataclasses.replace(data, scale=scale, augment=augment.of(asked.augment, config.seed))
    image_shape = data.train_images.shape[1:]
    model = models.build(config.model, engine, image_shape, config.seed, data.n_classes)
    optimizer = engine.optimizer(recipe(config.optimizer, config.train.epochs), model)
    return Assembly(config, engine, data, model, optimizer)
