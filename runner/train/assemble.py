"""The parts of a run put together: engine, data, model, optimizer. Whoever trains, for whatever
purpose, does it so."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from runner import engine as engines
from runner import models
from runner.config.schema import Config
from runner.engine.protocol import Data, Engine
from runner.seeding import Masks


@dataclass
class Assembly:
    """What the training loop works with."""

    config: Config
    engine: Engine
    data: Data
    model: Any
    optimizer: Any

    def warm_up(self) -> None:
        """Have the engine compile all it will need, on two images, so that no epoch's time holds
        it."""
        data = self.data
        rows = self.engine.asarray(np.arange(min(2, len(data.train_images))))
        images = self.engine.pixels(data.train_images, rows, data.scale)
        self.engine.warm_up(self.model, self.optimizer, images, data.train_labels[rows])


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
    return Assembly(config, engine, data, model, engine.optimizer(config.optimizer, model))
