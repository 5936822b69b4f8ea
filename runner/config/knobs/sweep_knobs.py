"""The knobs of a sweep: which cells of the grid it has, and when it has seeds enough."""

from dataclasses import dataclass
from typing import Any

from runner.config import effects, rules
from runner.config.knob import knob

#: What `sweep.design` may be: runner/plan/cells/designs.py chooses the cells of each.
DESIGNS = ("grid", "one_at_a_time", "fraction")


@dataclass
class SweepConfig:
    seeds: str = knob(
        "fixed trains the seeds that are named; until_decided doubles them for open claims.",
        rules.one_of("fixed", "until_decided"),
        before="fixed",
    )
    max_seeds: int = knob(
        "The most seeds that until_decided may reach; a look above it is left out.",
        rules.integer(3, 100_000),
        has_effect=effects.looks,
        before=40,
    )
    max_minutes: float = knob(
        "Minutes of one command within which until_decided begins looks; 0 is no limit.",
        rules.number("a number of minutes up to 1e7, or 0 for no limit", lambda v: 0 <= v <= 1e7),
        has_effect=effects.looks,
        before=0.0,
    )
    design: str = knob(
        "Which cells of the grid a sweep has (docs/designs.md); grid is all of them.",
        rules.one_of(*DESIGNS),
        before="grid",
    )
    around: Any = knob(
        "The base by knob, such as '{model.channels:1}'; of any other knob the first level.",
        rules.DICTIONARY_OR_NULL,
        has_effect=effects.one_at_a_time,
        before=None,
    )
    cells: Any = knob(
        "The cells themselves, times what is swept besides.",
        rules.CELLS,
        has_effect=effects.grid,
        before=None,
    )
    resolution: int = knob(
        "From 4 on no main effect is aliased with a two-way effect, at 5 no two of these are.",
        rules.integer(3, 5),
        has_effect=effects.fraction,
        before=4,
    )
    n_cells: int | None = knob(
        "How many cells a fraction has; null is as few as sweep.resolution needs.",
        rules.POWER_OF_TWO_OR_NULL,
        has_effect=effects.fraction,
        before=None,
    )
