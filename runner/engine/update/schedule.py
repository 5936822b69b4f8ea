"""The learning rate of a step: a function of its number alone, so that a resume needs no state."""

import math
from collections.abc import Mapping
from typing import Any


def rate(
    schedule: Mapping[str, Any] | None, lr: float, step: int, steps_per_epoch: int, n_epochs: int
) -> float:
    """The rate of one step.

    Parameters
    ----------
    schedule
        As `Options` of recipe.py holds it. `step` multiplies the rate by `factor` after
        each epoch of `at`; `cosine` goes from `lr` in the first step to 0 after the last one of all
        epochs, along half a cosine; before either, or alone, the steps of `warmup_epochs` go up to
        `lr` in a straight line from 0.
    lr
        The rate that the schedule starts from.
    step
        From 1, over all epochs.
    """
    if schedule is None:
        return lr
    n_warmup = schedule.get("warmup_epochs", 0) * steps_per_epoch
    if step <= n_warmup:
        lr *= step / n_warmup
    kind = schedule.get("kind")
    if kind == "step":
        epoch = (step - 1) // steps_per_epoch + 1
        for end in schedule["at"]:
            if epoch > end:
                lr *= schedule["factor"]
    elif kind == "cosine" and step > n_warmup:
        done, total = step - 1 - n_warmup, n_epochs * steps_per_epoch - n_warmup
        lr *= (1 + math.cos(math.pi * min(max(done, 0) / total, 1))) / 2
    return lr


def depends_on_n_epochs(schedule: Mapping[str, Any] | None) -> bool:
    """Whether the same step has another rate in a run of more epochs."""
    return schedule is not None and schedule.get("kind") == "cosine"
