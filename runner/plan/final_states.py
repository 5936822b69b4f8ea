"""Whether the runs of a sweep keep their final state, from which more epochs can go on."""

from collections.abc import Callable
from dataclasses import replace

from runner.plan.plan import Plan, PlannedRun

#: So much of the disk the final states of a sweep may take that nobody asked for.
MOST_BYTES = 2 * 10**9


def resolved(plan: Plan, size: Callable[[PlannedRun], int | None]) -> tuple[Plan, int | None]:
    """The plan with `runner.keep=auto` decided, and the bytes of all its final states.

    Parameters
    ----------
    size
        Bytes of the final state of a run; None where they are not known.
    """
    sizes = [size(run) for run in plan.runs]
    known = [size for size in sizes if size is not None]
    total = sum(known) if len(known) == len(sizes) else None
    decided = "always" if total is not None and total <= MOST_BYTES else "never"

    def of(run: PlannedRun) -> PlannedRun:
        runner = run.config.runner
        if runner.keep != "auto":
            return run
        return replace(run, config=replace(run.config, runner=replace(runner, keep=decided)))

    return replace(plan, runs=[of(run) for run in plan.runs]), total
