"""The cells of a sweep's design: all of the grid, each knob alone, a fraction, or those listed."""

import difflib
import itertools
import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from runner.config import overrides
from runner.config.knobs.sweep_knobs import SweepConfig
from runner.errors import ConfigError, short_text
from runner.plan.cells import fractions
from runner.plan.cells.fractions import Fraction
from runner.record import as_text, short

ONE_AT_A_TIME, FRACTION, CELLS = "one_at_a_time", "fraction", "cells"

#: One spelling KEY=VALUE of each override of a cell, by key.
Spelled = dict[str, str]


@dataclass(frozen=True)
class Design:
    """Which cells of the grid a sweep has, where it has not all of them, as its plan keeps it."""

    #: `one_at_a_time`, `fraction` or `cells`.
    kind: str
    #: Of one at a time: the level of each knob that is swept, in the base.
    around: dict[str, Any] = field(default_factory=dict)
    #: Of a fraction.
    resolution: int = 0
    #: Of a fraction: sets of effects that it cannot tell apart. An effect is a list of knobs, of
    #: one for a main effect, of two for an interaction; one that is in no set is clear of these.
    aliases: list[list[list[str]]] = field(default_factory=list)


@dataclass(frozen=True)
class Levels:
    """The values of an override, and their spellings KEY=VALUE; one of each where none is swept."""

    values: list[Any]
    spellings: list[str]
    is_swept: bool


def check(section: SweepConfig) -> None:
    """Refuse settings of a design that is not chosen.

    Raises
    ------
    ConfigError
    """
    if section.cells is not None and section.design != "grid":
        raise ConfigError(
            f"sweep.design={section.design}: sweep.cells lists the cells already; allowed is one of"
            " the two"
        )
    if section.around is not None and section.design != ONE_AT_A_TIME:
        raise ConfigError(
            f"sweep.around={as_text(section.around)}: allowed with sweep.design={ONE_AT_A_TIME}"
            f" alone, and it is {section.design}"
        )
    if section.n_cells is not None and section.design != FRACTION:
        raise ConfigError(
            f"sweep.n_cells={section.n_cells}: allowed with sweep.design={FRACTION} alone, and it"
            f" is {section.design}"
        )


def combinations(
    section: SweepConfig, given: dict[str, Levels]
) -> tuple[Design | None, int, Iterable[Spelled]]:
    """The design, how many cells it has, and the overrides of each cell.

    Parameters
    ----------
    given
        Every override but that of the seed.

    Raises
    ------
    ConfigError
        Where the design cannot be had of these knobs.
    """
    check(section)
    swept = {key: levels for key, levels in given.items() if levels.is_swept}
    if section.cells is not None:
        return _listed(section.cells, given)
    if section.design == ONE_AT_A_TIME:
        return _one_at_a_time(section, given, swept)
    if section.design == FRACTION:
        return _fraction(section, given, swept)
    n_cells = math.prod(len(levels.spellings) for levels in given.values())
    return None, n_cells, _grid(given)


def _grid(given: dict[str, Levels]) -> Iterable[Spelled]:
    spellings = (levels.spellings for levels in given.values())
    return (dict(zip(given, of_cell, strict=True)) for of_cell in itertools.product(*spellings))


def _at(given: dict[str, Levels], places: dict[str, int]) -> Spelled:
    """The spelling of each override at its place, which is the first by default."""
    return {key: levels.spellings[places.get(key, 0)] for key, levels in given.items()}


def _listed(
    cells: list[dict[str, Any]], given: dict[str, Levels]
) -> tuple[Design, int, Iterable[Spelled]]:
    listed = []
    for place, cell in enumerate(cells):
        words = [f"{key}={spelled(value)}" for key, value in cell.items()]
        where = f"sweep.cells[{place}]"
        try:
            overrides.check(words, multirun=True)
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from error
        for key, word in zip(cell, words, strict=True):
            if key in given:
                raise ConfigError(
                    f"{key}: {where} gives it, and it is given for all cells too; leave one out"
                )
            if key == "seed" or key.partition(".")[0] in ("sweep", "sweeps", "plan", "hydra"):
                raise ConfigError(f"{where}: {word}: allowed are knobs of a run, without its seed")
        listed.append(dict(zip(cell, words, strict=True)))
    n_others = math.prod(len(levels.spellings) for levels in given.values())
    each = ({**cell, **others} for cell in listed for others in _grid(given))
    return Design(CELLS), len(listed) * n_others, each


def spelled(value: Any) -> str:
    """A value of a file as the command line spells it."""
    if isinstance(value, str):
        # A plain word may be the name of a group's file, which has no quotes.
        is_plain = re.fullmatch(r"[A-Za-z_][\w-]*", value) and value.lower() not in (
            "true", "false", "null", "nan", "inf", "yes", "no", "on", "off",
        )  # fmt: skip
        return value if is_plain else "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return json.dumps(value, separators=(",", ":"))


def _one_at_a_time(
    section: SweepConfig, given: dict[str, Levels], swept: dict[str, Levels]
) -> tuple[Design | None, int, Iterable[Spelled]]:
    if not swept:
        raise ConfigError(
            f"sweep.design={ONE_AT_A_TIME}: no knob is swept; give one or more their levels, such"
            " as model.dropout=true,false"
        )
    base = dict.fromkeys(swept, 0)
    for key, level in (section.around or {}).items():
        if key not in swept:
            near = difflib.get_close_matches(str(key), swept, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ConfigError(
                f"sweep.around: {short_text(key)} is not swept; swept are {', '.join(swept)}{hint}"
            )
        places = [n for n, value in enumerate(swept[key].values) if _same(value, level)]
        if not places:
            levels = ", ".join(map(as_text, swept[key].values))
            raise ConfigError(
                f"sweep.around: {key}={as_text(level)} is none of the levels swept ({levels})"
            )
        base[key] = places[0]
    others = [
        base | {key: place}
        for key, levels in swept.items()
        for place in range(len(levels.values))
        if place != base[key]
    ]
    around = {key: swept[key].values[place] for key, place in base.items()}
    # With one knob, this is all of the grid.
    design = Design(ONE_AT_A_TIME, around) if len(swept) > 1 else None
    return design, 1 + len(others), (_at(given, places) for places in (base, *others))


def _same(a: Any, b: Any) -> bool:
    return isinstance(a, bool) == isinstance(b, bool) and bool(a == b)


def _fraction(
    section: SweepConfig, given: dict[str, Levels], swept: dict[str, Levels]
) -> tuple[Design, int, Iterable[Spelled]]:
    for key, levels in swept.items():
        if len(levels.values) != 2:
            raise ConfigError(
                f"{key}={','.join(map(as_text, levels.values))}: with sweep.design={FRACTION} a"
                f" knob has two levels, and this one has {len(levels.values)}"
            )
    fraction = _chosen(section, len(swept))
    knobs = list(swept)
    aliases = [[[knobs[n] for n in effect] for effect in of] for of in fraction.aliases()]
    design = Design(FRACTION, resolution=fraction.resolution, aliases=aliases)
    each = (_at(given, dict(zip(knobs, places, strict=True))) for places in fraction.cells())
    return design, 1 << fraction.n_base, each


def _chosen(section: SweepConfig, n: int) -> Fraction:
    """The fraction of n knobs that the section asks for.

    Raises
    ------
    ConfigError
        With what can be had.
    """
    asked = f"sweep.design={FRACTION}"
    resolution, n_cells = section.resolution, section.n_cells
    if not 3 <= n <= fractions.MOST_KNOBS:
        raise ConfigError(
            f"{asked}: allowed are 3 to {fractions.MOST_KNOBS} knobs of two levels, and not {n}"
        )
    smallest = fractions.smallest(n, resolution)
    needed = 1 << (smallest.n_base if smallest else n)
    if n_cells is None:
        if smallest is None:
            raise ConfigError(
                f"{asked}: sweep.resolution={resolution} needs all {needed} cells of these {n}"
                f" knobs; leave sweep.design out, or give a lower resolution (from 3 on)"
            )
        return smallest
    if n_cells >= 1 << n:
        raise ConfigError(
            f"sweep.n_cells={n_cells}: these {n} knobs have {1 << n} cells in all; leave"
            " sweep.design out"
        )
    found = fractions.best(n, n_cells.bit_length() - 1, resolution)
    if found is None:
        instead = f"sweep.n_cells={needed}" if smallest else "leave sweep.design out (all cells)"
        raise ConfigError(
            f"sweep.n_cells={n_cells}: {n} knobs do not reach sweep.resolution={resolution} in"
            f" {n_cells} cells, the fewest are {needed}; give {instead}, or a lower resolution"
            " (from 3 on)"
        )
    return found


def check_cells(
    cells: Sequence[tuple[dict[str, Any], Sequence[str]]],
    swept: dict[str, list[Any]],
    design: Design | None,
) -> None:
    """Refuse a fraction in which a knob changes nothing in some cell: it would not be balanced.

    Parameters
    ----------
    cells
        Of each cell the levels of the swept knobs, and the names of the knobs without effect.
    swept
        The levels of each knob, each once.

    Raises
    ------
    ConfigError
    """
    if design is None or design.kind != FRACTION:
        return
    for knob, levels in swept.items():
        if len(levels) < 2:
            raise ConfigError(
                f"{knob}: both of its levels are {as_text(levels[0])}; with"
                f" sweep.design={FRACTION} a knob has two"
            )
    for knobs, without_effect in cells:
        for knob in knobs:
            if knob in without_effect:
                others = " ".join(f"{short(k)}={as_text(v)}" for k, v in knobs.items() if k != knob)
                raise ConfigError(
                    f"{knob}: has no effect in the cell {others}; with sweep.design={FRACTION}"
                    " every knob needs one in every cell: leave it out, or sweep the grid"
                )
