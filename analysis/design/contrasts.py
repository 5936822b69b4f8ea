"""A claim's contrasts: which cells are compared, and with which weights.

Cells that differ in the claim's knob alone are compared at each setting of the other factors that
move (a simple effect). The mean over these settings, with equal weights, is the main effect.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from analysis.design import fractions, words
from analysis.design.cells import NO_EFFECT, Cells, distinct, same
from analysis.design.matching import partners
from analysis.design.within_seed import Array
from runner.record import Claim, as_text, short
from runner.system.language import joined, say


class NotTestable(Exception):
    """These runs cannot decide the claim; its argument, a text, says why."""


@dataclass(frozen=True)
class Simple:
    """A contrast at one setting of the other knobs."""

    #: The other factors that move, with their levels; empty when no other moves.
    at: dict[str, Any]
    #: By cell key; they sum to 0.
    weights: dict[str, float]


@dataclass(frozen=True)
class Contrast:
    """A weighted sum of cells."""

    #: `dropout=true minus dropout=false`.
    label: str
    simples: list[Simple]
    #: The two levels compared, as in the label; empty for a slope.
    sides: tuple[str, ...] = ()
    #: What has to be known of it, a sentence or two; empty for nothing.
    caveat: str = ""

    @property
    def weights(self) -> dict[str, float]:
        """The weights of the main effect by cell key: the mean of those of the simple effects."""
        total: dict[str, float] = {}
        for simple in self.simples:
            for cell, weight in simple.weights.items():
                total[cell] = total.get(cell, 0.0) + weight / len(self.simples)
        return total

    @property
    def cells(self) -> list[str]:
        """The cells that take part."""
        return list(self.weights)

    @property
    def compared(self) -> list[list[str]]:
        """The cells of each simple effect."""
        return [list(simple.weights) for simple in self.simples]

    def levels_of(self, knob: str) -> list[Any]:
        """The levels of another knob at which the contrast has simple effects."""
        return distinct(simple.at.get(knob) for simple in self.simples)

    def at_level(self, knob: str, level: Any) -> dict[str, float]:
        """The weights of the mean simple effect where another knob has one level."""
        simples = [simple for simple in self.simples if same(simple.at.get(knob), level)]
        return Contrast(self.label, simples).weights


def contrasts_of(claim: Claim, cells: Cells) -> list[Contrast]:
    """The contrasts that a claim asks for: one, or one with each rival of a winner.

    Raises
    ------
    NotTestable
        When the sweep has no cells that differ in the claim's knob alone, naming the other knobs
        that moved.
    ValueError
        When the claim does not ask for exactly one kind of `KINDS`.
    """
    kinds = claim.kinds
    if len(kinds) != 1 or kinds[0] not in KINDS:
        raise ValueError(
            f"a claim gives {' and '.join(kinds) or 'no kind'}: allowed is one of"
            f" {', '.join(KINDS)}"
        )
    not_moved = words.not_moved(claim, cells)
    if not_moved:
        raise NotTestable(not_moved)
    if not cells.is_fraction:
        cells = cells.told_apart(claim.knob)
    return KINDS[kinds[0]](claim, cells)


def _levels(claim: Claim, cells: Cells) -> list[Contrast]:
    assert claim.levels is not None
    return [_pair(claim, cells, *claim.levels)]


def _winner(claim: Claim, cells: Cells) -> list[Contrast]:
    rivals = [level for level in cells.levels(claim.knob) if not same(level, claim.winner)]
    return [_pair(claim, cells, claim.winner, rival) for rival in rivals]


def _pair(claim: Claim, cells: Cells, a: Any, b: Any) -> Contrast:
    """Level a minus level b, at each setting of the other knobs that both have."""
    knob = claim.knob
    sides = tuple(f"{short(knob)}={as_text(level)}" for level in (a, b))
    contrast = Contrast(" minus ".join(sides), [], sides)
    cells_a, cells_b = _having(claim, cells, a), _having(claim, cells, b)
    if cells.is_fraction:
        return _over_fraction(contrast, claim, cells, [(cells_a, 1.0), (cells_b, -1.0)])
    simples: list[Simple] = []
    matched: set[str] = set()
    for cell_a, partners_b in partners(cells, knob, cells_a, cells_b).items():
        for cell_b in partners_b:
            at = _setting(knob, cells, [cell_a, cell_b])
            simples.append(Simple(at, {cell_a: 1.0, cell_b: -1.0}))
            matched |= {cell_a, cell_b}
    if not simples:
        raise NotTestable(words.also_moved(knob, cells, cells_a[0], cells_b[0]))
    alone = [cells.names[cell] for cell in (*cells_a, *cells_b) if cell not in matched]
    # Of a design that is no grid, the cells that have a partner are compared.
    if alone and cells.design is None:
        raise NotTestable(
            say(
                "cells are missing: no cell differs from {cells} in {knob} alone; add those cells,"
                " or hold the other knobs with the claim's `at`",
                cells=joined(" or ", alone),
                knob=knob,
            )
        )
    return replace(contrast, simples=simples)


def _having(claim: Claim, cells: Cells, level: Any) -> list[str]:
    """The cells where the claim's knob has a level; one at a time, those at the base otherwise.

    Raises
    ------
    NotTestable
        When there is none.
    """
    around = cells.design.around if cells.design else {}
    base = {
        k: v for k, v in around.items() if k in cells.moving and k not in (claim.knob, *claim.at)
    }
    found = [
        cell
        for cell in cells.having(claim.knob, level, claim.at)
        if all(cells.rows[cell][k] is NO_EFFECT or same(cells.rows[cell][k], base[k]) for k in base)
    ]
    if not found:
        raise NotTestable(words.no_cell(claim, level, is_around=bool(around)))
    return found


def _over_fraction(
    contrast: Contrast, claim: Claim, cells: Cells, sides: list[tuple[list[str], float]]
) -> Contrast:
    """The weighted sum of the means at each level, over which the other knobs are balanced."""
    assert cells.design
    reason = fractions.refusal(claim, cells)
    if reason:
        raise NotTestable(reason)
    weights = {cell: weight / len(of) for of, weight in sides for cell in of}
    caveat = fractions.caveat(cells.design, claim)
    return replace(contrast, simples=[Simple({}, weights)], caveat=caveat)


def _slope(claim: Claim, cells: Cells) -> list[Contrast]:
    """The least-squares slope on log2 of the knob, at each setting that every level has."""
    knob, levels = claim.knob, cells.levels(claim.knob)
    if not all(type(level) in (int, float) and level > 0 for level in levels):
        given = ", ".join(map(as_text, levels))
        numbers = "a slope on log2 needs positive numbers; {knob} has {given}"
        raise NotTestable(say(numbers, knob=knob, given=given))
    contrast = Contrast(f"change of the metric a doubling of {short(knob)}", [])
    x = _centred_log2(levels)
    slope = list(map(float, x / (x**2).sum()))
    having = [_having(claim, cells, level) for level in levels]
    fitting = [partners(cells, knob, having[0], of_level) for of_level in having[1:]]
    if cells.is_fraction:
        sides = list(zip(having, slope, strict=True))
        return [_over_fraction(contrast, claim, cells, sides)]
    simples = []
    for first in having[0]:
        members = [first]
        for of_level in fitting:
            members += of_level[first][:1]
        if len(members) == len(levels):
            weights = dict(zip(members, slope, strict=True))
            simples.append(Simple(_setting(knob, cells, members), weights))
        elif cells.design is None:
            missing = "cells are missing: not every {knob} was run with {cell}"
            raise NotTestable(say(missing, knob=knob, cell=cells.names[first]))
    if not simples:
        none = "no setting of the other knobs was run with every {knob}"
        raise NotTestable(say(none, knob=knob))
    return [replace(contrast, simples=simples)]


#: Which contrasts each kind of `runner.record.CLAIM_KINDS` asks for (docs/add_a_claim_kind.md).
KINDS: dict[str, Callable[[Claim, Cells], list[Contrast]]] = {
    "levels": _levels,
    "winner": _winner,
    "slope": _slope,
}


def off_the_line(slope: Contrast, levels: list[Any]) -> list[tuple[Any, dict[str, float]]]:
    """How far each level lies from the straight line of a slope, as weights by cell key.

    Empty for two levels, which are always on a line.
    """
    x = _centred_log2(levels)
    residuals = np.eye(len(x)) - 1 / len(x) - np.outer(x, x) / (x @ x)
    by_level: list[tuple[Any, dict[str, float]]] = []
    for level, row in zip(levels, residuals, strict=True):
        # The cells of a simple slope are in the order of the levels.
        simples = [
            Simple(simple.at, dict(zip(simple.weights, map(float, row), strict=True)))
            for simple in slope.simples
        ]
        by_level.append((level, Contrast(f"off the line at {as_text(level)}", simples).weights))
    return by_level if len(levels) > 2 else []


def _centred_log2(levels: list[Any]) -> Array:
    x = np.log2(np.array(levels, float))
    return np.asarray(x - x.mean())


def _setting(knob: str, cells: Cells, members: list[str]) -> dict[str, Any]:
    """The levels of the other factors that all members share; empty where they differ in one.

    A knob that has no effect in a cell agrees with any value.
    """
    setting: dict[str, Any] = {}
    for other in cells.moving:
        if other == knob:
            continue
        values = [cells.rows[cell][other] for cell in members]
        levels = distinct(value for value in values if value is not NO_EFFECT)
        if len(levels) > 1:
            return {}
        setting[other] = levels[0] if levels else NO_EFFECT
    return setting
