"""The cells of a sweep as a design: which knobs move, and where a knob has no effect."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class Cells:
    """A sweep's cells."""

    #: One row a cell (index cell_key, in the plan's order), one column a knob that moves; None
    #: where the knob has no effect in that cell.
    values: pd.DataFrame
    #: Each cell in words, by cell key.
    names: dict[str, str]
    #: Knobs that have the same value wherever they have an effect: all conclusions depend on them.
    fixed: dict[str, Any]
    #: Of the fixed knobs: in how many cells each has no effect.
    n_without_effect: dict[str, int]

    @cached_property
    def rows(self) -> dict[str, dict[str, Any]]:
        """The rows of `values` by cell key, each by knob."""
        return dict(zip(map(str, self.values.index), self.values.to_dict("records"), strict=True))

    @property
    def moving(self) -> list[str]:
        """The knobs that move."""
        return list(self.values.columns)

    def having(self, knob: str, level: Any, at: dict[str, Any] | None = None) -> list[str]:
        """The keys of the cells where a knob has a level, and other knobs have those of `at`."""
        wanted = {knob: level} | (at or {})
        return [
            cell
            for cell, row in self.rows.items()
            if all(
                same(row.get(name, self.fixed.get(name)), value) for name, value in wanted.items()
            )
        ]

    def levels(self, knob: str) -> list[Any]:
        """The levels of a knob that moves, each once, in the plan's order; without None."""
        return distinct(value for value in self.values[knob] if value is not None)


def cells_of(runs: pd.DataFrame, knobs: Iterable[str]) -> Cells:
    """The cells of planned runs.

    Parameters
    ----------
    runs
        One row a run with `cell_key`, `cell`, a column a knob, and `without_effect`: the names of
        the knobs that change nothing in it.
    knobs
        The knobs that bear on numbers, by dotted name.
    """
    first = runs.drop_duplicates("cell_key").set_index("cell_key")
    names = {str(cell): str(name) or "all" for cell, name in first["cell"].items()}
    given = dict(zip(map(str, first.index), first[list(knobs)].to_dict("records"), strict=True))
    idle = {str(cell): set(nothing) for cell, nothing in first["without_effect"].items()}
    moving, fixed, n_without_effect = [], {}, {}
    for knob in knobs:
        effective = [row[knob] for cell, row in given.items() if knob not in idle[cell]]
        levels = {as_key(value): value for value in effective}
        if len(levels) > 1:
            moving.append(knob)
        elif levels:
            (fixed[knob],) = levels.values()
            n_without_effect[knob] = len(given) - len(effective)
    rows = [
        [None if knob in idle[cell] else row[knob] for knob in moving]
        for cell, row in given.items()
    ]
    table = pd.DataFrame(rows, index=list(given), columns=moving, dtype=object)
    return Cells(table, names, fixed, n_without_effect)


def as_key(value: Any) -> str:
    """A knob's value as a text that differs for any two levels: `true` is not `1`."""
    return json.dumps(value, sort_keys=True)


def distinct(values: Iterable[Any]) -> list[Any]:
    """Each level once, in the order in which it first occurs."""
    levels: list[Any] = []
    for value in values:
        if not any(same(value, level) for level in levels):
            levels.append(value)
    return levels


def same(a: Any, b: Any) -> bool:
    """Whether two values of a knob are the same level: 1 and 1.0 are, 1 and true are not."""
    return isinstance(a, bool) == isinstance(b, bool) and bool(a == b)
