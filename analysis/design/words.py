"""Why a claim has no cells to compare, in words for a message."""

from typing import Any

from analysis.design.cells import NO_EFFECT, Cells, same
from runner.record import Claim, as_text, short
from runner.system.language import Said, joined, say


def not_moved(claim: Claim, cells: Cells) -> Said | None:
    """Why there is nothing to compare, where the claim's knob did not move; None where it did."""
    knob, varied = claim.knob, ", ".join(cells.moving) or "nothing"
    for level in cells.repeated.get(knob, ()):
        if level in (claim.levels or [claim.winner]):
            others = cells.levels(knob) if knob in cells.values else [cells.fixed[knob]]
            return say(
                "{one} is the same configuration as {others}: nothing moves between the two",
                one=f"{knob}={as_text(level)}",
                others=joined(" or ", [f"{knob}={as_text(other)}" for other in others]),
            )
    if knob in cells.fixed:
        fixed = "{knob} was not varied: it is {value} in every run"
        if cells.n_without_effect[knob]:
            fixed = "{knob} was not varied: it is {value} wherever it has an effect"
        return say(fixed, knob=knob, value=as_text(cells.fixed[knob]))
    if knob in cells.n_without_effect:
        idle = "{knob} has no effect in any cell; what was varied is {varied}"
        return say(idle, knob=knob, varied=varied)
    if knob not in cells.values:
        unknown = "no run depends on a knob {knob}; what was varied is {varied}"
        return say(unknown, knob=knob, varied=varied)
    return None


def no_cell(claim: Claim, level: Any, is_around: bool) -> Said:
    """That no cell has a level with what the claim's `at` holds.

    Parameters
    ----------
    is_around
        Whether the design moves each knob alone around a base.
    """
    wanted = [f"{claim.knob}={as_text(level)}"]
    wanted += [f"{knob}={as_text(value)}" for knob, value in claim.at.items()]
    none = say("no cell has {wanted}", wanted=joined(" at ", wanted))
    if not is_around:
        return none
    return say("{none}; each knob was moved alone around the base", none=none)


def also_moved(knob: str, cells: Cells, cell_a: str, cell_b: str) -> Said:
    """Why two cells cannot be compared: which other knobs differ between them."""
    row_a, row_b = cells.rows[cell_a], cells.rows[cell_b]
    moved = [
        f"{other} {as_text(row_b[other])} -> {as_text(row_a[other])}"
        for other in cells.moving
        if other != knob
        and NO_EFFECT not in (row_a[other], row_b[other])
        and not same(row_a[other], row_b[other])
    ]
    cells_in_words = [
        f"{cells.names[cell]} ({short(knob)}={as_text(cells.rows[cell][knob])})"
        for cell in (cell_b, cell_a)
    ]
    return say(
        "several knobs moved at once: between {first} and {second} also {moved}; their effects"
        " cannot be told apart",
        first=cells_in_words[0],
        second=cells_in_words[1],
        moved=", ".join(moved),
    )
