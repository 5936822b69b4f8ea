"""What differs between the two sides of a claim besides the levels that it names, in words."""

from collections.abc import Iterable

import pandas as pd

from analysis.decide import verdicts
from analysis.decide.beside.multiverse import Multiverse
from analysis.decide.claims import Decision
from analysis.decide.evidence import By
from analysis.design import confounds
from analysis.design.cells import Cells, as_key, level_as_text, same
from runner.record import as_text, short

#: Sides whose levels are listed.
_N_SIDES = 4


def moved_along(cells: Cells, decision: Decision) -> list[str]:
    """Of a claim about a group: the knobs that move with it between the levels compared."""
    group, contrast = decision.claim.knob, decision.contrast
    if contrast is None or group not in cells.parts:
        return []
    rows = decision.choice.arms.cells.rows if decision.choice else cells.rows
    by_sign = {weight > 0: rows[cell][group] for cell, weight in contrast.weights.items()}
    a, b = by_sign[True], by_sign[False]
    values = {knob: (of[as_key(b)], of[as_key(a)]) for knob, of in cells.parts[group].items()}
    moved = ", ".join(
        f"{knob} {level_as_text(before)} -> {level_as_text(after)}"
        for knob, (before, after) in values.items()
        if not same(before, after)
    )
    what = f"with it move {moved}" if moved else "no knob moves with it, only what `_target_` names"
    return [f"{group}={as_text(a)} against {group}={as_text(b)}: {what}."]


def other_data(runs: pd.DataFrame, decision: Decision) -> list[str]:
    """Of a claim about data: what the two sides of a seed do not have in common."""
    lines = {
        "data.sha256": "The two sides are trained and tested on data of their own.",
        confounds.BATCHES: "Their batches differ: a seed pairs at most the initial weights.",
    }
    members = []
    if decision.contrast:
        runs = decision.compared(runs)
        members = [runs[runs["cell_key"].isin(cells)] for cells in decision.contrast.compared]
    return [
        line
        for column, line in lines.items()
        if column in runs and any(confounds.differing(both, column) for both in members)
    ]


def diverged(decision: Decision) -> list[str]:
    """Where runs that diverged are data: how many did, on which side."""
    if decision.by is By.SHARE and decision.contrast:
        n_runs = len(decision.contrast.simples) * len(decision.both_sides)
        of_sides = [round(n_runs * float(share)) for share in decision.both_sides.mean(axis=0)]
        first, _, second = decision.contrast.label.partition(" minus ")
        return [
            f"Diverged: {of_sides[1]} of {n_runs} runs with {first}, {of_sides[0]} of {n_runs} with"
            f" {second}."
        ]
    if not decision.n_diverged:
        return []
    runs = f"{decision.n_diverged} run{'s' * (decision.n_diverged != 1)}"
    return [f"{runs} diverged, which is worse than any number: what is said is of the median seed."]


def best_levels(decision: Decision) -> list[str]:
    """Of sides that each have their own best level: which, in how many seeds, and at what edge."""
    choice = decision.choice
    if choice is None:
        return []
    names = choice.arms.cells.names
    arms = [arm for arm in choice.worth if len(choice.arms.ranges[arm]) > 1]
    said = []
    for arm in arms[:_N_SIDES]:
        counts = [f"{level} in {n}" for level, n in choice.counts(arm)]
        counts[0] += f" of {len(choice.worth[arm])} seeds"
        said.append(f"{names[arm]} at {_listed(counts)}")
    n_more = len(arms) - _N_SIDES
    more = f"; and {n_more} more sides" if n_more > 0 else ""
    lines = [f"Best on the validation images: {'; '.join(said)}{more}."]
    edges: dict[tuple[str, str], list[str]] = {}
    for arm in arms:
        for knob, level in choice.at_edge(arm):
            edges.setdefault((knob, as_text(level)), []).append(names[arm])
    if edges:
        at = [f"{short(k)}={level} for {_listed(of)}" for (k, level), of in edges.items()]
        lines.append(f"At the edge of what was tried: {_listed(at)}; widen the range.")
    return lines


def at_fixed_levels(decision: Decision, choices: Multiverse) -> list[str]:
    """At how many levels that are the same for all sides the claim holds, and what it is there."""
    if decision.choice is None or not choices.at_fixed:
        return []
    knobs = _listed(map(short, decision.claim.best_over))
    count = f"{choices.n_hold} of {len(choices.at_fixed)}"
    others = [
        f"{level}: {given}"
        for level, given in choices.at_fixed.items()
        if given not in verdicts.HOLDS
    ]
    no = f" (not at {'; '.join(others[:_N_SIDES])})" if others else ""
    return [f"With the same {knobs} on all sides it holds at {count} levels{no}."]


def _listed(words: Iterable[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last
