"""A claim's contrast: which cells it sets against which, and what it comes to within each seed.

The cells that differ in the claim's knob alone are set against each other, once at each setting of the other knobs
that move (a simple effect); their mean, each setting weighing the same, is the main effect.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.design.cells import Cells, same
from runner.record import Claim, as_text, short

Array = np.ndarray[Any, np.dtype[Any]]


class NotTestable(Exception):
    """The claim cannot be decided by these runs; the text says why."""


@dataclass(frozen=True)
class Simple:
    """A contrast at one setting of the other knobs."""

    #: The other knobs that move, with their values; empty when none does.
    at: dict[str, Any]
    #: By cell key; they sum to 0.
    weights: dict[str, float]


@dataclass(frozen=True)
class Contrast:
    """A weighted sum of cells."""

    #: `dropout=true minus dropout=false`.
    label: str
    simples: list[Simple]

    @property
    def weights(self) -> dict[str, float]:
        """Of the main effect, by cell key: the mean of the simple effects'."""
        total: dict[str, float] = {}
        for simple in self.simples:
            for cell, weight in simple.weights.items():
                total[cell] = total.get(cell, 0.0) + weight / len(self.simples)
        return total

    @property
    def cells(self) -> list[str]:
        """The cells that take part."""
        return list(self.weights)

    def levels_of(self, knob: str) -> list[Any]:
        """The levels of another knob at which the contrast has simple effects."""
        found: list[Any] = []
        for simple in self.simples:
            if not any(same(simple.at.get(knob), level) for level in found):
                found.append(simple.at.get(knob))
        return found

    def at_level(self, knob: str, level: Any) -> dict[str, float]:
        """Weights of the mean simple effect where another knob has one level."""
        return Contrast(self.label, [s for s in self.simples if same(s.at.get(knob), level)]).weights


def table(runs: pd.DataFrame, values: pd.Series) -> pd.DataFrame:
    """A number a run as a table of seeds x cells.

    Parameters
    ----------
    runs
        One row a planned run, index run_key, with `seed` and `cell_key`.
    values
        By run_key; a run without one leaves NaN.

    Returns
    -------
    DataFrame of shape (n_seeds, n_cells)
        Seeds from the lowest to the highest, for a sum depends on its order in the last bit; cells in the plan's order.
    """
    seeds, cells = sorted(set(runs["seed"])), list(dict.fromkeys(runs["cell_key"]))
    found = pd.Series(values.reindex(runs.index).to_numpy(float), index=[runs["seed"], runs["cell_key"]])
    return found.unstack("cell_key").reindex(index=seeds, columns=cells)


def per_seed(numbers: pd.DataFrame, weights: dict[str, float]) -> Array:
    """The contrast within each seed, shape (n_seeds,): the differences of which everything else is made."""
    cells = list(weights)
    return np.asarray(numbers[cells].to_numpy(float) @ np.array([weights[cell] for cell in cells]))


def contrasts_of(claim: Claim, cells: Cells) -> list[Contrast]:
    """What the claim compares: one contrast, or one against every rival of a winner.

    Raises
    ------
    NotTestable
        When the sweep has no cells that differ in the claim's knob alone, naming what moved along.
    ValueError
        When the claim does not ask for exactly one kind of `KINDS`.
    """
    kinds = claim.kinds
    if len(kinds) != 1 or kinds[0] not in KINDS:
        raise ValueError(f"a claim gives {' and '.join(kinds) or 'no kind'}: allowed is one of {', '.join(KINDS)}")
    if claim.knob in cells.fixed:
        raise NotTestable(f"{claim.knob} was not varied: it is {as_text(cells.fixed[claim.knob])} in every run")
    if claim.knob not in cells.moving:
        varied = ", ".join(cells.moving) or "nothing"
        raise NotTestable(f"no effect of {claim.knob} can be seen: what was varied is {varied}")
    return KINDS[kinds[0]](claim, cells)


def _levels(claim: Claim, cells: Cells) -> list[Contrast]:
    assert claim.levels is not None
    return [_pair(claim, cells, *claim.levels)]


def _winner(claim: Claim, cells: Cells) -> list[Contrast]:
    rivals = [level for level in cells.levels(claim.knob) if not same(level, claim.winner)]
    return [_pair(claim, cells, claim.winner, rival) for rival in rivals]


def _pair(claim: Claim, cells: Cells, a: Any, b: Any) -> Contrast:
    ours, theirs = cells.having(claim.knob, a, claim.at), cells.having(claim.knob, b, claim.at)
    for level, found in ((a, ours), (b, theirs)):
        if not found:
            held = "".join(f" at {knob}={as_text(value)}" for knob, value in claim.at.items())
            raise NotTestable(f"no cell has {claim.knob}={as_text(level)}{held}")
    simples: list[Simple] = []
    matched: set[str] = set()
    for one in ours:
        for other in theirs:
            at = _setting(claim.knob, cells, [one, other])
            if at is not None:
                simples.append(Simple(at, {one: 1.0, other: -1.0}))
                matched |= {one, other}
    if not simples:
        raise NotTestable(_moved_along(claim.knob, cells, a, b, ours[0], theirs[0]))
    alone = [cells.names[cell] for cell in (*ours, *theirs) if cell not in matched]
    if alone:
        raise NotTestable(
            f"cells are missing: nothing differs from {' and '.join(alone)} in {claim.knob} alone;"
            " add those cells, or hold the other knobs with the claim's `at`"
        )
    return Contrast(f"{short(claim.knob)}={as_text(a)} minus {short(claim.knob)}={as_text(b)}", simples)


def _slope(claim: Claim, cells: Cells) -> list[Contrast]:
    """The least-squares slope on log2 of the knob, at each setting of the others where every level was run."""
    levels = cells.levels(claim.knob)
    if not all(type(level) in (int, float) and level > 0 for level in levels):
        raise NotTestable(f"a slope on log2 needs positive numbers; {claim.knob} has {', '.join(map(as_text, levels))}")
    x = np.log2(np.array(levels, float))
    slope = (x - x.mean()) / ((x - x.mean()) ** 2).sum()
    simples = []
    for first in cells.having(claim.knob, levels[0], claim.at):
        row = [first]
        for level in levels[1:]:
            fitting = [
                c
                for c in cells.having(claim.knob, level, claim.at)
                if _setting(claim.knob, cells, [first, c]) is not None
            ]
            row += fitting[:1]
        if len(row) < len(levels):
            raise NotTestable(f"cells are missing: not every {claim.knob} was run with {cells.names[first]}")
        weights = dict(zip(row, map(float, slope), strict=True))
        simples.append(Simple(_setting(claim.knob, cells, row) or {}, weights))
    if not simples:
        raise NotTestable(f"no cell has {claim.knob}={as_text(levels[0])} with what the claim's `at` holds")
    return [Contrast(f"change of the metric a doubling of {short(claim.knob)}", simples)]


#: Which contrasts each kind of `runner.record.CLAIM_KINDS` asks for (docs/add_a_claim_kind.md).
KINDS: dict[str, Callable[[Claim, Cells], list[Contrast]]] = {
    "levels": _levels,
    "winner": _winner,
    "slope": _slope,
}


def off_the_line(slope: Contrast, levels: list[Any]) -> list[tuple[Any, dict[str, float]]]:
    """How far the metric lies from a slope's straight line at each level, as weights by cell key.

    Empty for two levels, through which a line always goes.
    """
    x = np.log2(np.array(levels, float))
    x -= x.mean()
    residuals = np.eye(len(x)) - 1 / len(x) - np.outer(x, x) / (x @ x)
    found: list[tuple[Any, dict[str, float]]] = []
    for level, row in zip(levels, residuals, strict=True):
        # The cells of a simple slope are in the order of the levels.
        each = [Simple(one.at, dict(zip(one.weights, map(float, row), strict=True))) for one in slope.simples]
        found.append((level, Contrast(f"off the line at {as_text(level)}", each).weights))
    return found if len(levels) > 2 else []


def _setting(knob: str, cells: Cells, members: list[str]) -> dict[str, Any] | None:
    """The other knobs' values that all members share; None where one differs. A knob without effect fits any."""
    setting: dict[str, Any] = {}
    for other in cells.moving:
        if other == knob:
            continue
        given = [value for value in (cells.rows[cell][other] for cell in members) if value is not None]
        if any(not same(value, given[0]) for value in given):
            return None
        setting[other] = given[0] if given else None
    return setting


def _moved_along(knob: str, cells: Cells, a: Any, b: Any, one: str, other: str) -> str:
    moved = [
        f"{name} {as_text(there)} -> {as_text(here)}"
        for name in cells.moving
        if name != knob
        for here, there in [(cells.rows[one][name], cells.rows[other][name])]
        if here is not None and there is not None and not same(here, there)
    ]
    return (
        f"several knobs moved at once: between {cells.names[other]} ({short(knob)}={as_text(b)}) and"
        f" {cells.names[one]} ({short(knob)}={as_text(a)}) also {', '.join(moved)}; their effects cannot be told apart"
    )
