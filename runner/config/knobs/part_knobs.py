"""The knobs of the sections that name what makes them: options, and arguments of what ships."""

from dataclasses import dataclass
from typing import Any

from runner.config import effects, rules
from runner.config.knob import knob


@dataclass
class DataKnobs:
    name: str = knob(
        "Name of the data set; of one of your own, that of its function.",
        rules.chosen_by("data"),
        bears_on_numbers=True,
    )
    # Any, because Hydra would turn 2 and `yes` into True before anybody could object.
    normalize: Any = knob(
        "true divides pixels by their largest value; false takes them raw, as was published.",
        rules.BOOLEAN,
        bears_on_numbers=True,
    )
    n_train: int | None = knob(
        "Number of training images that are used, of every class alike; null: all.",
        rules.COUNT_OR_NULL,
        bears_on_numbers=True,
        before=None,
    )
    label_noise: float = knob(
        "Share of the training labels that are another class's.",
        rules.number("a number from 0 to 1", lambda v: 0 <= v <= 1),
        bears_on_numbers=True,
        before=0.0,
    )
    validation: int = knob(
        "Number of training images that are held out for val/loss and val/accuracy.",
        rules.integer(0, 10_000_000),
        bears_on_numbers=True,
        before=0,
    )
    augment: str | None = knob(
        "Import path of your own function f(x, rng) that changes training batches (files only).",
        rules.TEXT_OR_NULL,
        bears_on_numbers=True,
        before=None,
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
        "Kind of the network; of one of your own, the name of its class.",
        rules.chosen_by("model"),
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
        rules.BELOW_ONE,
        bears_on_numbers=True,
        has_effect=effects.dropout,
        is_argument=True,
    )


@dataclass
class ScheduleKnobs:
    kind: str = knob(
        "How the learning rate goes: constant, step (at epochs), or cosine (down to 0).",
        rules.one_of("constant", "step", "cosine"),
        bears_on_numbers=True,
        before="constant",
    )
    at: list[int] = knob(
        "Epochs after which the learning rate is multiplied by factor.",
        rules.EPOCHS,
        bears_on_numbers=True,
        has_effect=effects.steps,
        before=[],
    )
    factor: float = knob(
        "What the learning rate is multiplied by at each step.",
        rules.number("a number above 0, at most 1", lambda v: 0 < v <= 1),
        bears_on_numbers=True,
        has_effect=effects.steps,
        before=0.1,
    )
    warmup_epochs: float = knob(
        "Epochs in which the learning rate rises from 0, linearly.",
        rules.number("a number from 0 to 10000", lambda v: 0 <= v <= 10_000),
        bears_on_numbers=True,
        before=0.0,
    )


@dataclass(kw_only=True)
class OptimizerKnobs:
    name: str = knob(
        "Name of the optimizer; of one of your own, that of its class.",
        rules.chosen_by("optimizer"),
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
    decoupled_decay: Any = knob(
        "true takes weight_decay off the weights themselves (AdamW); false adds it to gradients.",
        rules.BOOLEAN,
        bears_on_numbers=True,
        has_effect=effects.decay,
        before=False,
    )
    clip_grad: float | None = knob(
        "Largest norm of all gradients together; larger ones are scaled down; null: no limit.",
        rules.POSITIVE_OR_NULL,
        bears_on_numbers=True,
        before=None,
    )
    schedule: ScheduleKnobs
    momentum: float = knob(
        "Share of a step that the next step keeps.",
        rules.BELOW_ONE,
        bears_on_numbers=True,
        has_effect=effects.momentum,
        is_argument=True,
    )
    beta1: float = knob(
        "Share of Adam's mean gradient that the next step keeps.",
        rules.BELOW_ONE,
        bears_on_numbers=True,
        has_effect=effects.adam,
        before=0.9,
        is_argument=True,
    )
    beta2: float = knob(
        "Share of Adam's mean square of the gradient that the next step keeps.",
        rules.BELOW_ONE,
        bears_on_numbers=True,
        has_effect=effects.adam,
        before=0.999,
        is_argument=True,
    )
    eps: float = knob(
        "What is added to the root of that mean square.",
        rules.number("a number above 0, at most 1", lambda v: 0 < v <= 1),
        bears_on_numbers=True,
        has_effect=effects.adam,
        before=1e-8,
        is_argument=True,
    )


#: By section, in the order in which a reader should see them.
PART_KNOBS: dict[str, type] = {
    "data": DataKnobs,
    "model": ModelKnobs,
    "optimizer": OptimizerKnobs,
}
