"""Which cells of the grid a sweep has, and what they cannot tell apart, in lines for a terminal."""

import math
import textwrap
from collections.abc import Sequence

from runner.plan.cells.designs import CELLS, ONE_AT_A_TIME, Design
from runner.plan.plan import Plan
from runner.record import as_text, short

#: Of a line below the first of what is announced, which begins with two spaces.
_WIDTH = 78


def lines(plan: Plan, with_aliases: bool) -> list[str]:
    """What a sweep announces of its design; empty for the whole grid."""
    design = plan.design
    if design is None:
        return []
    n_grid = math.prod(len(levels) for levels in plan.swept.values())
    of = f"{len(plan.cells)} of {n_grid:,} cells"
    if design.kind == CELLS:
        return [f"{len(plan.cells)} cells that the sweep's file lists"]
    if design.kind == ONE_AT_A_TIME:
        base = " ".join(f"{short(knob)}={as_text(level)}" for knob, level in design.around.items())
        return _wrapped(f"one at a time around {base}: {of}")
    first = f"a fraction of resolution {design.resolution}: {of}"
    if not with_aliases:
        return [f"{first} (plan=true: what it cannot tell)"]
    return [first, *_aliases(design)]


def _aliases(design: Design) -> list[str]:
    """What a fraction cannot tell apart, a set of effects each, those of single knobs first."""
    told: list[str] = []
    with_knob = [of for of in design.aliases if len(of[0]) == 1]
    others = design.aliases[len(with_knob) :]
    if with_knob:
        told += ["the effects of these knobs cannot be told from those of two others together:"]
        told += _sets(with_knob)
    else:
        told += ["the effect of each knob is clear of those of any two others together"]
    if others:
        told += ["of two knobs together, these cannot be told apart:", *_sets(others)]
    elif not with_knob:
        told += ["the effect of any two knobs together is clear of those of any other two"]
    return told


def _sets(aliases: list[list[list[str]]]) -> list[str]:
    names = (" = ".join(_name(effect) for effect in of) for of in aliases)
    return [line for name in names for line in _wrapped(name, indent="  ")]


def _name(effect: Sequence[str]) -> str:
    """`channels x dropout`."""
    return " x ".join(map(short, effect))


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, initial_indent=indent, subsequent_indent=f"{indent}  ",
        break_on_hyphens=False,
    )  # fmt: skip
