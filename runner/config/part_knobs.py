"""The knobs of the sections that name what makes them: options, and arguments of what ships."""

from dataclasses import dataclass
from typing import Any

from runner.config import effects, rules
from runner.config.knob import knob


@dataclass
class DataKnobs:
    name: str = knob(
        "Name of the data set that data=NAME chooses; of one of your own, that of its function.",
        rules.TEXT,
        bears_on_numbers=True,
    )
    # Any, because Hydra would turn 2 and `yes` into True before anybody could object.
    normalize: Any = knob(
        "true divides pixels by their largest value; false takes them raw, as was published.",
        rules.BOOLEAN,
        bears_on_numbers=True,
    )
    root: str | None = knob(
        "Folder of the data set's files; null: $MNIST_ROOT or $FASHION_MNIST_ROOT, cache, mirrors.",
        rules.TEXT_OR_NULL,
        is_argument=True,
    )
    allow_fallback: Any = knob(
        "true trains on mnist5k where MNIST cannot be had, and says so; false ends with code 3.",
        rules.BOOLEAN,
        is_argument=True,
    )


@dataclass
class ModelKnobs:
    kind: str = knob(
        "Kind of the network that model=NAME chooses; of one of your own, the name of its class.",
        rules.TEXT,
        bears_on_numbers=True,
    )
    channels: int = knob(
        "Channels of the only convolution.",
        rules.integer(1, 4096),
        bears_on_numbers=True,
        has_effect=effects.channels,
        is_argument=True,
    )
    blocks: list[list[int]] | None = knob(
        "Channels of each 3x3 convolution, by block; a 2x2 max-pool ends each; null: [[channels]].",
        rules.BLOCKS,
        bears_on_numbers=True,
        has_effect=effects.convolutions,
        is_argument=True,
    )
    hidden_size: int = knob(
        "Units of each hidden layer.",
        rules.integer(1, 65536),
        bears_on_numbers=True,
        has_effect=effects.hidden_layer,
        is_argument=True,
    )
    fc_depth: int = knob(
        "Number of hidden layers.", rules.integer(0, 16), bears_on_numbers=True, is_argument=True
    )
    dropout: Any = knob(
        "Dropout after each hidden layer.",
        rules.BOOLEAN,
        bears_on_numbers=True,
        has_effect=effects.hidden_layer,
        is_argument=True,
    )
    dropout_ratio: float = knob(
        "Share of the units that dropout drops.",
        rules.number("a number from 0 to below 1", lambda v: 0 <= v < 1),
        bears_on_numbers=True,
        has_effect=effects.dropout,
        is_argument=True,
    )


@dataclass
class OptimizerKnobs:
    name: str = knob(
        "Name of the optimizer that optimizer=NAME chooses; of one of your own, that of its class.",
        rules.TEXT,
        bears_on_numbers=True,
    )
    lr: float = knob(
        "Learning rate.",
        rules.number("a number above 0, at most 100", lambda v: 0 < v <= 100),
        bears_on_numbers=True,
        is_argument=True,
    )
    weight_decay: float = knob(
        "Share of each weight that is added to its gradient (L2, biases too).",
        rules.number("a number from 0 to 1", lambda v: 0 <= v <= 1),
        bears_on_numbers=True,
    )
    momentum: float = knob(
        "Share of a step that the next step keeps.",
        rules.number("a number from 0 to below 1", lambda v: 0 <= v < 1),
        bears_on_numbers=True,
        has_effect=effects.momentum,
        is_argument=True,
    )


#: By section, in the order in which a reader should see them.
PART_KNOBS: dict[str, type] = {
    "data": DataKnobs,
    "model": ModelKnobs,
    "optimizer": OptimizerKnobs,
}
