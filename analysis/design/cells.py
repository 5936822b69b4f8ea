"""The cells of a sweep as a design: which factors move, and where a knob has no effect."""

import json
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property
from typing import Any

import pandas as pd

from analysis.read.runs import Sweep
from analysis.read.sweeps import FRACTION, Design
from runner.record import as_text


class _Level(Enum):
    NO_EFFECT = "none"


#: The level of a knob in a cell where it changes nothing, or does not exist; None is the value
#: `null`.
NO_EFFECT = _Level.NO_EFFECT


@dataclass(frozen=True)
class Cells:
    """A sweep's cells.

    A group that was swept, such as `model=cnn,mlp`, is a factor. The knobs that move with its level
    alone, such as `model.kind`, are part of it.
    """

    #: One row a cell (index cell_key, in the plan's order), one column a group or knob that moves;
    #: `NO_EFFECT` where the knob has no effect in that cell.
    values: pd.DataFrame
    #: Each cell in words, by cell key.
    names: dict[str, str]
    #: Knobs that have the same value wherever they have an effect: all conclusions depend on them.
    fixed: dict[str, Any]
    #: In how many cells each knob that does not move has no effect.
    n_without_effect: dict[str, int]
    #: By group, the knobs that are part of it: the value of each by `as_key` of the group's level.
    parts: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    #: By group, levels that no cell has: their runs are those of another level.
    repeated: dict[str, list[Any]] = field(default_factory=dict)
    #: Which cells of the grid these are; None for all.
    design: Design | None = None

    @cached_property
    def rows(self) -> dict[str, dict[str, Any]]:
        """The rows of `values` by cell key, each by knob."""
        return dict(zip(map(str, self.values.index), self.values.to_dict("records"), strict=True))

    @cached_property
    def moving(self) -> list[str]:
        """The factors: the groups and knobs that move, and are no part of a group."""
        in_groups = {knob for parts in self.parts.values() for knob in parts}
        return [str(name) for name in self.values if name not in in_groups]

    @property
    def is_fraction(self) -> bool:
        """Whether no two cells differ in one knob alone, and each is balanced over the others."""
        return self.design is not None and self.design.kind == FRACTION

    def told_apart(self, knob: str) -> "Cells":
        """The cells for a question about a knob: the parts of its group are factors in its place.

        For any other knob, and for a group, the cells as they are.
        """
        groups = [group for group, parts in self.parts.items() if knob in parts]
        values = self.values.drop(columns=groups)
        parts = {group: of for group, of in self.parts.items() if group not in groups}
        return replace(self, values=values, parts=parts) if groups else self

    def moved_by(self, factor: str) -> list[str]:
        """What moves with a factor, itself first: the knobs that are part of it.

        In a fraction all other factors move too, evenly on both sides.
        """
        others = [other for other in self.moving if other != factor] if self.is_fraction else []
        return [name for of in (factor, *others) for name in (of, *self.parts.get(of, {}))]

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
        """The levels at which a knob that moves has an effect, each once, in the plan's order."""
        return distinct(value for value in self.values[knob] if value is not NO_EFFECT)


def cells_of(
    runs: pd.DataFrame,
    knobs: Iterable[str],
    groups: Mapping[str, Sequence[Any]] | None = None,
    design: Design | None = None,
) -> Cells:
    """The cells of planned runs.

    Parameters
    ----------
    runs
        One row a run with `cell_key`, `cell`, a column a knob and group, and `without_effect`: the
        names of the knobs that change nothing in it.
    knobs
        The knobs that bear on numbers, by dotted name.
    groups
        The groups that were swept, each with its levels as they were given.
    design
        Which cells of the grid were planned; None for all.
    """
    groups, knobs = groups or {}, list(knobs)
    first = runs.drop_duplicates("cell_key").set_index("cell_key")
    names = {str(cell): str(name) or "all" for cell, name in first["cell"].items()}
    idle = [set(nothing) for nothing in first["without_effect"]]
    table: dict[str, list[Any]] = {}
    fixed, n_without_effect = {}, {}
    columns = {
        name: [NO_EFFECT if name in no else v for v, no in zip(first[name], idle, strict=True)]
        for name in (*groups, *knobs)
    }
    for name, values in columns.items():
        effective = [value for value in values if value is not NO_EFFECT]
        levels = {as_key(value): value for value in effective}
        if len(levels) > 1:
            table[name] = values
            continue
        n_without_effect[name] = len(values) - len(effective)
        if levels:
            (fixed[name],) = levels.values()
    frame = pd.DataFrame(table, index=list(names), dtype=object)
    parts: dict[str, dict[str, dict[str, Any]]] = {}
    for group in groups:
        taken = {knob for of in parts.values() for knob in of}
        free = [knob for knob in knobs if knob not in taken]
        parts[group] = _parts(columns[group], {knob: columns[knob] for knob in free})
    repeated = {
        group: [level for level in given if not any(same(level, v) for v in columns[group])]
        for group, given in groups.items()
    }
    return Cells(frame, names, fixed, n_without_effect, parts, repeated, design)


def cells_of_sweep(sweep: Sweep) -> Cells:
    """The cells of a sweep as it was planned."""
    groups = {knob.name: sweep.swept[knob.name] for knob in sweep.knobs if knob.is_group}
    return cells_of(sweep.runs, bearing_knobs(sweep), groups, sweep.design)


def bearing_knobs(sweep: Sweep) -> list[str]:
    """The knobs of a sweep's runs on which numbers depend, groups not among them."""
    bearing = {k.name for k in sweep.knobs if k.bears_on_numbers and not k.is_group}
    return [str(name) for name in sweep.runs if name in bearing]


def of_common_seeds(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs of the seeds that all cells have: looks give more of them to some cells alone."""
    n_cells = runs.groupby("seed")["cell_key"].transform("nunique")
    return runs[n_cells == runs["cell_key"].nunique()]


def _parts(levels: list[Any], columns: dict[str, list[Any]]) -> dict[str, dict[str, Any]]:
    """The knobs that have one value at each level of a group, and not the same at all of them.

    A `null` at some levels and nothing at the others is no move.
    """
    found = {}
    for knob, values in columns.items():
        at: dict[str, dict[str, Any]] = {as_key(level): {} for level in levels}
        for level, value in zip(levels, values, strict=True):
            if value is not NO_EFFECT:
                at[as_key(level)][as_key(value)] = value
        moves = len({tuple(of_level) for of_level in at.values()}) > 1
        moves = moves and any(value not in (None, NO_EFFECT) for value in values)
        if moves and all(len(of_level) <= 1 for of_level in at.values()):
            found[knob] = {
                level: next(iter(of_level.values()), NO_EFFECT) for level, of_level in at.items()
            }
    return found


def as_key(value: Any) -> str:
    """A knob's value as a text that differs for any two levels: `true` is not `1`."""
    return json.dumps(value, sort_keys=True)


def level_as_text(level: Any) -> str:
    """A level as it is typed on the command line; `none` where the knob has no effect."""
    return str(level.value) if level is NO_EFFECT else as_text(level)


def distinct(values: Iterable[Any]) -> list[Any]:
    """Each level once, in the order in which it first occurs."""
    levels: dict[Hashable, Any] = {}
    for value in values:
        levels.setdefault(level_key(value), value)
    return list(levels.values())


def level_key(value: Any) -> Hashable:
    """What is equal for two values that are the same level, and for no others."""
    return isinstance(value, bool), _hashable(value)


def _hashable(value: Any) -> Hashable:
    if isinstance(value, list | tuple):
        return tuple(map(_hashable, value))
    if isinstance(value, dict):
        return frozenset((name, _hashable(of)) for name, of in value.items())
    assert isinstance(value, Hashable)
    return value


def same(a: Any, b: Any) -> bool:
    """Whether two values of a knob are the same level: 1 and 1.0 are, 1 and true are not."""
    return isinstance(a, bool) == isinstance(b, bool) and bool(a == b)
