"""What differs between the two sides of a claim besides the levels that it names, in words."""

import pandas as pd

from analysis.decide.claims import Decision
from analysis.design import confounds
from analysis.design.cells import Cells, as_key, level_as_text, same
from runner.record import as_text


def moved_along(cells: Cells, decision: Decision) -> list[str]:
    """Of a claim about a group: the knobs that move with it between the levels compared."""
    group, contrast = decision.claim.knob, decision.contrast
    if contrast is None or group not in cells.parts:
        return []
    by_sign = {weight > 0: cells.rows[cell][group] for cell, weight in contrast.weights.items()}
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
    compared = decision.contrast.compared if decision.contrast else []
    members = [runs[runs["cell_key"].isin(cells)] for cells in compared]
    return [
        line
        for column, line in lines.items()
        if column in runs and any(confounds.differing(both, column) for both in members)
    ]
