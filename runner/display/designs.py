"""Which cells of the grid a sweep has, and what they cannot tell apart, in lines for a terminal."""

import math
from collections.abc import Sequence

from runner import words
from runner.plan.cells.designs import CELLS, ONE_AT_A_TIME, Design
from runner.plan.plan import Plan
from runner.record import as_text, short
from runner.system.language import say
from runner.words.columns import wrapped

#: Of a line below the first of what is announced, which begins with two spaces.
_WIDTH = 78


def lines(plan: Plan, with_aliases: bool) -> list[str]:
    """What a sweep announces of its design; empty for the whole grid."""
    design = plan.design
    if design is None:
        return []
    n_grid = math.prod(len(levels) for levels in plan.swept.values())
    of = say("{n} of {all} cells", n=len(plan.cells), all=f"{n_grid:,}")
    if design.kind == CELLS:
        return [say("{n} cells that the sweep's file lists", n=len(plan.cells))]
    if design.kind == ONE_AT_A_TIME:
        base = " ".join(f"{short(knob)}={as_text(level)}" for knob, level in design.around.items())
        return _wrapped(say("one at a time around {base}: {of}", base=base, of=of))
    first = say("a fraction of resolution {n}: {of}", n=design.resolution, of=of)
    if not with_aliases:
        return [say("{fraction} (plan=true: what it cannot tell)", fraction=first)]
    return [first, *_aliases(design)]


def _aliases(design: Design) -> list[str]:
    """What a fraction cannot tell apart, a set of effects each, those of single knobs first."""
    told: list[str] = []
    with_knob = [of for of in design.aliases if len(of[0]) == 1]
    others = design.aliases[len(with_knob) :]
    if with_knob:
        told += [
            say("the effects of these knobs cannot be told from those of two others together:")
        ]
        told += _sets(with_knob)
    else:
        told += [say("the effect of each knob is clear of those of any two others together")]
    if others:
        told += [say("of two knobs together, these cannot be told apart:"), *_sets(others)]
    elif not with_knob:
        told += [say("the effect of any two knobs together is clear of those of any other two")]
    return told


def _sets(aliases: list[list[list[str]]]) -> list[str]:
    names = (" = ".join(_name(effect) for effect in of) for of in aliases)
    return [line for name in names for line in _wrapped(name, indent="  ")]


def _name(effect: Sequence[str]) -> str:
    """`channels x dropout`."""
    return " x ".join(map(short, effect))


def _wrapped(text: str, indent: str = "") -> list[str]:
    return wrapped(words.said(text), _WIDTH, indent, f"{indent}  ")
