"""What a configuration says about the optimizer of a run, before any class is imported."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # a program that only defines a model need not load Hydra
    from runner.config.schema import OptimizerConfig

_TARGETS = {
    "adam": "dezero.optimizers.Adam",
    "momentum": "dezero.optimizers.MomentumSGD",
    "sgd": "dezero.optimizers.SGD",
}


@dataclass(frozen=True)
class Options:
    """What every optimizer may be told beside the arguments of its class."""

    #: The share of each weight that is added to its gradient or, decoupled, that times the learning
    #: rate is taken off the weight before the update.
    weight_decay: float = 0.0
    decoupled_decay: bool = False
    #: The largest norm that all gradients together may have; None is any.
    clip_grad: float | None = None
    #: As `runner.config.schedule.check` allows it.
    schedule: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Recipe:
    """The class of an optimizer, and what it is to do."""

    #: Import path of the class: `dezero.optimizers.Adam`, `mine.MyOptimizer`.
    target: str
    #: Arguments of the class and fields of Options, by name; `lr` is also what DeZero's Adam calls
    #: alpha.
    settings: Mapping[str, Any] = field(default_factory=dict)
    #: Epochs of the run, for a schedule that looks at them.
    n_epochs: int = 1


def recipe(optimizer: Mapping[str, Any], n_epochs: int) -> Recipe:
    """The recipe of a group `optimizer` as its YAML file spells it."""
    settings = {name: v for name, v in optimizer.items() if name not in ("_target_", "name")}
    return Recipe(optimizer["_target_"], settings, n_epochs)


def spelled(config: "OptimizerConfig") -> dict[str, Any]:
    """The typed group `optimizer` as the YAML file of an open group would spell it."""
    own = {"momentum": config.momentum} if config.name == "momentum" else {}
    return {
        "_target_": _TARGETS[config.name],
        "name": config.name,
        "lr": config.lr,
        "weight_decay": config.weight_decay,
    } | own
