"""Whether the runs of a sweep keep their final state, from which more epochs can go on."""

from dataclasses import replace

from runner.config.effects import SHIPPED_MODELS
from runner.data import catalogue
from runner.plan import memory
from runner.plan.plan import Plan, PlannedRun

#: So much of the disk the final states of a sweep may take that nobody asked for.
MOST_BYTES = 2 * 10**9
_FLOAT32_BYTES = 4
#: How many arrays of the size of the weights an optimizer keeps.
_MOMENTS = {"adam": 2, "momentum": 1, "sgd": 0}


def final_state_bytes(run: PlannedRun) -> int | None:
    """The size of a run's weights and optimizer's state; None for a model that does not ship."""
    model = run.config.model
    if model.kind not in SHIPPED_MODELS:
        return None
    shape = catalogue.find(run.data_name).image_shape
    n_parameters, _ = memory.parameters_and_activations(model, shape)
    return _FLOAT32_BYTES * n_parameters * (1 + _MOMENTS.get(run.config.optimizer.name, 2))


def resolved(plan: Plan) -> tuple[Plan, int | None]:
    """The plan with `runner.keep=auto` decided, and the size of all its final states."""
    sizes = [final_state_bytes(run) for run in plan.runs]
    known = [size for size in sizes if size is not None]
    total = sum(known) if len(known) == len(sizes) else None
    decided = "always" if total is not None and total <= MOST_BYTES else "never"

    def of(run: PlannedRun) -> PlannedRun:
        runner = run.config.runner
        if runner.keep != "auto":
            return run
        return replace(run, config=replace(run.config, runner=replace(runner, keep=decided)))

    return replace(plan, runs=[of(run) for run in plan.runs]), total
