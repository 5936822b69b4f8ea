"""What differs between the two sides of a claim besides the levels that it names, in words."""

import pandas as pd

from analysis.decide import verdicts
from analysis.decide.beside.multiverse import Multiverse
from analysis.decide.decision import Decision
from analysis.decide.evidence import By
from analysis.design import confounds
from analysis.design.cells import Cells, as_key, level_as_text, same
from runner.record import as_text, short
from runner.system.language import joined, say

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
        second, first = (round(n_runs * float(of)) for of in decision.both_sides.mean(axis=0))
        this, that = decision.contrast.sides
        counts = "Diverged: {n} of {all} runs with {this}, {others} of {all} with {that}."
        return [say(counts, n=first, all=n_runs, this=this, others=second, that=that)]
    if not decision.n_diverged:
        return []
    worse = "{n} runs diverged, which is worse than any number: what is said is of the median seed."
    if decision.n_diverged == 1:
        worse = (
            "1 run diverged, which is worse than any number: what is said is of the median seed."
        )
    return [say(worse, n=decision.n_diverged)]


def best_levels(decision: Decision) -> list[str]:
    """Of sides that each have their own best level: which, in how many seeds, and at what edge."""
    choice = decision.choice
    if choice is None:
        return []
    names = choice.arms.cells.names
    arms = [arm for arm in choice.worth if len(choice.arms.ranges[arm]) > 1]
    said = []
    for arm in arms[:_N_SIDES]:
        (level, n), *others = choice.counts(arm)
        usual = "{cell} at {level} in {n} of {all} seeds"
        text = say(usual, cell=names[arm], level=level, n=n, all=len(choice.worth[arm]))
        if others:
            listed = joined(", ", [say("{level} in {n}", level=of, n=m) for of, m in others])
            text = say("{usual} (and {others})", usual=text, others=listed)
        said.append(text)
    if len(arms) > _N_SIDES:
        said.append(say("{n} more sides", n=len(arms) - _N_SIDES))
    lines: list[str] = [say("Best on the validation images: {sides}.", sides=joined("; ", said))]
    edges: dict[tuple[str, str], list[str]] = {}
    for arm in arms:
        for knob, level in choice.at_edge(arm):
            edges.setdefault((knob, as_text(level)), []).append(names[arm])
    if edges:
        at = [
            say("{level} for {cells}", level=f"{short(k)}={level}", cells=joined(" and ", of))
            for (k, level), of in edges.items()
        ]
        edge = "At the edge of what was tried: {levels}; widen the range."
        lines.append(say(edge, levels=joined(", ", at)))
    return lines


def at_fixed_levels(decision: Decision, choices: Multiverse) -> list[str]:
    """At how many levels that are the same for all sides the claim holds, and at which not."""
    if decision.choice is None or not choices.at_fixed:
        return []
    holds = say(
        "With the same {knobs} on all sides it holds at {n} of {all} levels",
        knobs=joined(" and ", [short(knob) for knob in decision.claim.best_over]),
        n=choices.n_hold,
        all=len(choices.at_fixed),
    )
    others = [level for level, given in choices.at_fixed.items() if given not in verdicts.HOLDS]
    if not others:
        return [say("{holds}.", holds=holds)]
    return [say("{holds} (not at {levels}).", holds=holds, levels="; ".join(others[:_N_SIDES]))]
