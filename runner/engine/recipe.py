"""What a configuration says about the optimizer of a run, before any class is imported."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Options:
    """What every optimizer may be told beside the arguments of its class."""

    #: The share of each weight that is added to its gradient or, decoupled, that times the learning
    #: rate is taken off the weight before the update.
    weight_decay: float = 0.0
    decoupled_decay: bool = False
    #: The largest norm that all gradients together may have; None is any.
    clip_grad: float | None = None
    #: Of `kind` (step, cosine), `at`, `factor` (step) and `warmup_epochs` those with an effect.
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
    """The recipe of the section `optimizer` of a configuration."""
    settings = {name: v for name, v in optimizer.items() if name not in ("_target_", "name")}
    if "schedule" in settings:
        settings["schedule"] = _schedule(**settings["schedule"])
    return Recipe(optimizer["_target_"], settings, n_epochs)


def _schedule(
    kind: str, at: list[int], factor: float, warmup_epochs: float
) -> dict[str, Any] | None:
    """What of a schedule changes the rate; None where it is constant."""
    changes: dict[str, Any] = {} if kind == "constant" else {"kind": kind}
    changes |= {"at": at, "factor": factor} if kind == "step" else {}
    changes |= {"warmup_epochs": warmup_epochs} if warmup_epochs else {}
    return changes or None
