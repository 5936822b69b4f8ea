"""The sides of a fair comparison: cells that differ in nothing but knobs of `best_over` are one."""

from dataclasses import dataclass, replace
from typing import Any

from analysis.design.cells import NO_EFFECT, Cells, as_key, level_as_text
from analysis.design.contrasts import NotTestable
from runner.record import cell_name, short


@dataclass(frozen=True)
class Candidate:
    """A cell that an arm may be represented by."""

    cell: str
    #: Its levels of the knobs of `best_over`; `NO_EFFECT` where a knob changes nothing.
    at: dict[str, Any]

    @property
    def name(self) -> str:
        """`lr=0.001`; knobs without effect are left out."""
        levels = {knob: level for knob, level in self.at.items() if level is not NO_EFFECT}
        return ", ".join(f"{short(knob)}={level_as_text(level)}" for knob, level in levels.items())

    def fits(self, at: dict[str, Any]) -> bool:
        """Whether it has these levels; a knob without effect agrees with any."""
        return all(
            level is NO_EFFECT or as_key(level) == as_key(at[knob])
            for knob, level in self.at.items()
        )


@dataclass(frozen=True)
class Arms:
    """The arms of a sweep."""

    #: The arms as cells, by keys of their own.
    cells: Cells
    #: The range of each arm: every combination of the knobs of `best_over` that it was trained at.
    ranges: dict[str, list[Candidate]]

    def trained(self, arms: list[str]) -> list[str]:
        """The keys of all cells of some arms."""
        return [candidate.cell for arm in arms for candidate in self.ranges[arm]]


def arms_of(cells: Cells, best_over: list[str]) -> Arms:
    """The arms of a sweep's cells.

    Raises
    ------
    NotTestable
        Where a knob has one level alone, so that none is the best.
    """
    for knob in best_over:
        if knob not in cells.moving:
            raise NotTestable(f"{knob} was not varied, so that no level of it is the best")
    parts = {name: of for name, of in cells.parts.items() if name not in best_over}
    with_it = {part for name in best_over for part in cells.parts.get(name, {})}
    values = cells.values.drop(columns=[*best_over, *with_it])
    keys: dict[str, str] = {}
    ranges: dict[str, list[Candidate]] = {}
    for cell, row in zip(map(str, values.index), values.to_dict("records"), strict=True):
        levels = [None if level is NO_EFFECT else as_key(level) for level in row.values()]
        arm = keys.setdefault(repr(levels), f"best of {cell}")
        at = {knob: cells.rows[cell][knob] for knob in best_over}
        ranges.setdefault(arm, []).append(Candidate(cell, at))
    kept = values.loc[[of[0].cell for of in ranges.values()]].set_axis(list(ranges), axis=0)
    bare = replace(cells, values=kept, names={}, parts=parts)
    names = {
        arm: cell_name({k: row[k] for k in bare.moving if row[k] is not NO_EFFECT}) or "all"
        for arm, row in bare.rows.items()
    }
    return Arms(replace(bare, names=names), ranges)


def check_ranges(arms: Arms, compared: list[str]) -> None:
    """Refuse arms that were tried at other levels: the longer range has the better best.

    Raises
    ------
    NotTestable
    """
    ranges = {
        arm: {candidate.name for candidate in arms.ranges[arm]}
        for arm in compared
        if all(NO_EFFECT not in candidate.at.values() for candidate in arms.ranges[arm])
    }
    for arm, tried in ranges.items():
        first = next(iter(ranges))
        if tried != ranges[first]:
            lacking = sorted(ranges[first] ^ tried)[0]
            raise NotTestable(
                f"{arms.cells.names[first]} and {arms.cells.names[arm]} were not tried at the same"
                f" levels ({lacking} is of one alone); the one with more has the better best"
            )
