"""Figures of differences: of one claim, of all claims, and of all main effects."""

from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from analysis.decide import verdicts
from analysis.decide.beside.exploratory import MAIN, METRICS
from analysis.decide.decision import Decision
from analysis.decide.study import Study
from analysis.report import numbers
from analysis.report.answers import WORDS
from analysis.report.pictures import plots
from analysis.report.pictures.style import (
    COLUMN,
    GREY,
    ONE_COLUMN,
    SEED_COLOUR,
    STYLE,
    TWO_COLUMNS,
)
from analysis.statistics.intervals import Interval
from runner.record import parse_reduction

#: How many intervals a figure has.
_MAX_ROWS = 24


@matplotlib.rc_context(STYLE)
def estimation_plot(decision: Decision, width: float = ONE_COLUMN) -> Figure | None:
    """Every seed a dot on both sides of the contrast, and the differences with their interval."""
    if decision.contrast is None or decision.bounds is None:
        return None
    interval, unit = decision.interval, _unit(decision)
    labels = [
        f"{_measured(decision)}{unit.of_level}, each seed",
        f"difference{unit.in_brackets}, {numbers.level_text(interval)}, n = {interval.n}",
    ]
    knob, names = _level_names(decision, int(0.2 * width / COLUMN))
    figure, (left, right) = plots.panels(labels, [knob, ""], width, 1.5, 2)
    dots: dict[str, Any] = {"color": SEED_COLOUR, "markersize": 3, "alpha": 0.75}
    for pair in decision.both_sides:
        left.plot((0, 1), unit.scale * pair, "o-", linewidth=0.6, **dots)
    left.set_xticks((0, 1), names)
    left.set_xlim(-0.4, 1.4)
    differences = unit.scale * decision.per_seed.to_numpy()
    differences = differences[np.isfinite(differences)]
    right.axhline(0, color=GREY, linewidth=0.6)
    right.plot(np.linspace(-0.12, 0.12, len(differences)), np.sort(differences), "o", **dots)
    low, middle, high = (unit.scale * end for end in _drawn(interval))
    right.plot((0.4, 0.4), (low, high), **plots.INTERVAL)
    right.plot(0.4, middle, **plots.dot(low, high))
    plots.shade_margin(right.axhspan, unit.scale * decision.claim.margin)
    right.set_xlim(-0.4, 0.7)
    right.set_xticks((0, 0.4), ("seeds", str(decision.by)))
    return figure


@matplotlib.rc_context(STYLE)
def interaction_plot(decision: Decision, width: float = ONE_COLUMN) -> Figure | None:
    """The contrast at each setting of the other knobs; None where no other knob moved."""
    rows = [(setting.name, *_drawn(setting.interval)) for setting in decision.settings[:_MAX_ROWS]]
    if not rows or decision.bounds is None:
        return None
    unit = _unit(decision)
    xlabel = f"difference in {_measured(decision)}{unit.in_brackets}"
    margin = unit.scale * decision.claim.margin
    return plots.interval_rows(rows, xlabel, unit.scale, margin, width)


@matplotlib.rc_context(STYLE)
def forest(study: Study, width: float = TWO_COLUMNS) -> Figure | None:
    """All contrasts with an answer, each turned so that what its claim says is on the right.

    They are in units of the claims' margins.
    """
    rows = []
    for decision in study.decisions:
        # Of what depends on other knobs no average is an answer.
        has_one = decision.bounds is not None and decision.verdict != verdicts.DEPENDS
        if has_one and decision.bounds and decision.claim.margin > 0:
            ends = _drawn(decision.interval)
            turned = verdicts.turned(ends, decision.claim.direction)
            low, middle, high = (end / decision.claim.margin for end in turned)
            rows.append((f"{decision.claim.says}: {WORDS[decision.verdict]}", low, middle, high))
    xlabel = "difference / margin; on the right: as the claim says"
    return plots.interval_rows(rows, xlabel, 1.0, 1.0, width) if rows else None


@matplotlib.rc_context(STYLE)
def contrasts(study: Study, width: float = TWO_COLUMNS) -> Figure | None:
    """Every main effect on the final test accuracy; None where there is none."""
    table = study.exploratory
    is_shown = (table["kind"] == MAIN) & (table["metric"] == METRICS[0])
    shown = table.loc[is_shown, ["contrast", "low", "estimate", "high"]].head(_MAX_ROWS)
    if not len(shown):
        return None
    rows = list(shown.itertuples(index=False, name=None))
    unit = numbers.unit_of(parse_reduction(METRICS[0]))
    xlabel = f"difference in {METRICS[0]}{unit.in_brackets}, 95 % interval"
    return plots.interval_rows(rows, xlabel, unit.scale, 0.0, width)


def _drawn(interval: Interval) -> tuple[float, float, float]:
    """The ends of an interval and its estimate; nan, which is not drawn, for one without an end."""
    low, estimate, high = (end if np.isfinite(end) else float("nan") for end in interval.ends)
    return low, estimate, high


def _level_names(decision: Decision, n_letters: int) -> tuple[str, list[str]]:
    """The knob of a contrast, if it has one, and what stands below its two sides."""
    assert decision.contrast
    first, _, second = decision.contrast.label.partition(" minus ")
    names = [second, first] if second else ["lower levels", "upper levels"]
    knobs = {name.partition("=")[0] for name in names if "=" in name}
    knob = knobs.pop() if len(knobs) == 1 else ""
    shown = [name.removeprefix(f"{knob}=") for name in names]
    return knob, [plots.lines_of(name, n_letters, most=1) for name in shown]


def _measured(decision: Decision) -> str:
    less = f" less {decision.claim.minus}" if decision.claim.minus else ""
    return f"{parse_reduction(decision.claim.metric)}{less}"


def _unit(decision: Decision) -> numbers.Unit:
    return numbers.unit_of(parse_reduction(decision.claim.metric))
