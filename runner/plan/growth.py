"""A plan whose seeds come until its claims are decided: what it was, and what it grows to."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from runner.errors import StateError
from runner.plan import looks
from runner.plan import plan as plans
from runner.plan.looks import Look
from runner.plan.plan import Plan, PlannedRun
from runner.plan.planned import planned_runs
from runner.state.root import Root


def resumed(plan: Plan, root: Root) -> Plan:
    """The plan of a first look, grown to what the sweep has come to, in whatever process.

    A file that does not prove itself is not used: what it held follows from the runs.
    """
    path = root.sweep(plan.sweep_key).plan
    if not plan.looks or not path.exists():
        return plan
    try:
        kept = plans.read(path)
    except plans.LaterPlan:
        raise
    except StateError:
        return plan  # `plans.write` tells what is wrong with it
    n_known = len(plan.looks)
    for number, look in enumerate(kept.looks, 1):
        if number > n_known:
            cells = {run.cell_key for run in kept.runs if run.config.seed in look.seeds}
            plan = further(plan, cells)
        plan = decided(plan, look.decided, number)
    return plan


def decided(plan: Plan, verdicts: dict[str, str] | None, number: int) -> Plan:
    """The plan with what a look decided; looks are numbered from 1."""
    of = [*plan.looks]
    if verdicts is not None:
        of[number - 1] = Look(of[number - 1].seeds, verdicts)
    return replace(plan, looks=of)


def further(plan: Plan, cells: Collection[str]) -> Plan:
    """The plan with the next look of these cells, which doubles their seeds."""
    seeds = looks.next_seeds(plan.looks)
    more = runs_of(plan, seeds, cells)
    return replace(plan, runs=[*plan.runs, *more], looks=[*plan.looks, Look(seeds)])


def runs_of(plan: Plan, seeds: Sequence[int], cells: Collection[str]) -> list[PlannedRun]:
    """The runs of cells of the plan with other seeds, seed-major."""
    first = [runs[0] for key, runs in plan.cells.items() if key in cells]
    grown = (
        planned_runs(run.config, seeds, run.knobs, (run.data_name, run.data_sha256), run.device)
        for run in first
    )
    return [run for of_seed in zip(*grown, strict=True) for run in of_seed]
