"""Figures over the epochs: the cells' curves, the published ones, and a claim's contrast."""

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.decide.decision import Decision
from analysis.decide.study import Study
from analysis.report import numbers
from analysis.report.pictures import plots
from analysis.report.pictures.plots import ShownFigure
from analysis.report.pictures.style import (
    GREY,
    ONE_COLUMN,
    SEED_COLOUR,
    STYLE,
    TWO_COLUMNS,
    line_style,
)
from analysis.statistics.bands import pointwise_band, simultaneous_band
from runner.record import DONE, parse_reduction

#: Readers do not tell more lines than this apart; where there are more cells, each has a panel.
MAX_LINES = 8
#: How many cells have a panel; the caption says how many there are.
MAX_PANELS = 24


@matplotlib.rc_context(STYLE)
def by_metric(study: Study, curves: tuple[str, ...], width: float = TWO_COLUMNS) -> ShownFigure:
    """A panel a curve, a line a cell: the mean over the seeds, with each epoch's 95 % t interval.

    A cell with runs that are not done is marked in the legend.
    """
    cells = dict(list(study.cells.names.items())[:MAX_LINES])
    epochs, planned = _done(study), study.sweep.runs["cell_key"].value_counts()
    entries = []
    for place, (cell, name) in enumerate(cells.items()):
        n = epochs.loc[epochs["cell_key"] == cell, "seed"].nunique()
        of_planned = "" if n == planned[cell] else f" of {planned[cell]}"
        entries.append((f"{name} (n = {n}{of_planned})", _sample(place)))
    labels = [_axis(curve) for curve in curves]
    n_columns = len(curves) if width > ONE_COLUMN else 1
    figure, panels = plots.panels(labels, ["epoch"] * len(curves), width, 1.6, n_columns, entries)
    for curve, axes in zip(curves, panels, strict=True):
        for place, cell in enumerate(cells):
            _draw_mean(axes, _by_seed(epochs[epochs["cell_key"] == cell], curve), curve, place)
        _bound(axes, curve)
    return figure


@matplotlib.rc_context(STYLE)
def by_cell(study: Study, curves: tuple[str, ...], width: float = TWO_COLUMNS) -> ShownFigure:
    """A panel a cell, a line a curve, as in `by_metric`; the other cells' first curve in grey.

    Parameters
    ----------
    curves
        Of one unit.
    """
    cells = dict(list(study.cells.names.items())[:MAX_PANELS])
    epochs = _done(study)
    entries = [(_axis(curve), _sample(place)) for place, curve in enumerate(curves)]
    if len(cells) > 1:
        entries.append((f"{curves[0]} of the other cells", Line2D([], [], color=GREY, lw=0.4)))
    xlabels = ["epoch"] * len(cells)
    n_columns = 4 if width > ONE_COLUMN else 2
    figure, panels = plots.panels(list(cells.values()), xlabels, width, 0.9, n_columns, entries)
    tables = {
        curve: {cell: _by_seed(of_cell, curve) for cell, of_cell in epochs.groupby("cell_key")}
        for curve in curves
    }
    scale = numbers.unit_of_curve(curves[0]).scale
    means = [table.mean() for table in tables[curves[0]].values()]
    lines = [np.column_stack([mean.index, scale * mean]) for mean in means]
    for axes in panels[1:]:
        axes.sharey(panels[0])
    for axes, cell in zip(panels, cells, strict=True):
        axes.add_collection(LineCollection(lines, colors=GREY, linewidths=0.4, alpha=0.6))
        for place, curve in enumerate(curves):
            _draw_mean(axes, tables[curve].get(cell, pd.DataFrame()), curve, place)
    for axes in panels:
        _bound(axes, curves[0])
    return figure


@matplotlib.rc_context(STYLE)
def published(study: Study, curves: pd.DataFrame, width: float = TWO_COLUMNS) -> ShownFigure:
    """The published test accuracy over the band of the study's runs, a panel an experiment.

    Parameters
    ----------
    curves
        `experiment`, `epoch`, `test_accuracy`; an experiment belongs to the cell whose preset's
        name it starts with.
    """
    matched = [
        (str(experiment), group, cell)
        for experiment, group in curves.groupby("experiment", sort=False)
        for cell, name in study.cells.names.items()
        if str(experiment).startswith(name.rpartition("=")[2] + "_")
    ]
    epochs, modes = _done(study), ("test/accuracy", "test_masked/accuracy")
    labels = [f"{study.cells.names[cell]}: test accuracy [%]" for _, _, cell in matched]
    said = ("these runs, in test mode", "these runs, masks on", "published")
    entries = [(text, _sample(place)) for place, text in enumerate(said)]
    xlabels = [f"epoch (published: {experiment})" for experiment, _, _ in matched]
    n_columns = 3 if width > ONE_COLUMN else 1
    figure, panels = plots.panels(labels or [""], xlabels or [""], width, 1.8, n_columns, entries)
    for axes, (_, group, cell) in zip(panels, matched, strict=False):
        of_cell = epochs[epochs["cell_key"] == cell]
        is_same = of_cell[modes[0]].equals(of_cell[modes[1]])
        for place, curve in enumerate(modes[:1] if is_same else modes):
            _draw_mean(axes, _by_seed(of_cell, curve), curve, place)
        axes.plot(group["epoch"], 100 * group["test_accuracy"], **line_style(2))
        _bound(axes, modes[0])
    return figure


@matplotlib.rc_context(STYLE)
def contrast_curve(study: Study, decision: Decision, width: float = ONE_COLUMN) -> Figure | None:
    """A contrast at every epoch, with a simultaneous band; None where there is no contrast."""
    if decision.contrast is None or decision.bounds is None:
        return None
    claim = decision.claim
    curve = parse_reduction(claim.metric).curve
    if not curve or decision.n_diverged:
        return None
    values = _contrast_by_epoch(study, decision, curve)
    less = ""
    if claim.minus:
        minus = parse_reduction(claim.minus).curve
        values, less = values - _contrast_by_epoch(study, decision, minus), f" less {minus}"
    if values.shape[1] < 2 or not np.isfinite(values.to_numpy()).all():
        return None
    unit, band = numbers.unit_of_curve(curve), simultaneous_band(values.to_numpy())
    label = f"difference in {curve}{less}{unit.in_brackets}, {decision.contrast.label}"
    figure, (axes,) = plots.panels([label], ["epoch"], width, 1.6)
    epochs = values.columns.to_numpy(float)
    axes.axhline(0, color=GREY, linewidth=0.6)
    for seed in values.to_numpy():
        axes.plot(epochs, unit.scale * seed, color=GREY, linewidth=0.4)
    axes.plot(epochs, unit.scale * band.mean, color=SEED_COLOUR, linewidth=1.2)
    plots.draw_band(axes, epochs, band, 0, unit.scale)
    plots.whole_epochs(axes)
    return figure


def _draw_mean(axes: Axes, values: pd.DataFrame, curve: str, place: int) -> None:
    """The mean of a table of seeds x epochs, with a band where several seeds have all epochs."""
    unit, epochs = numbers.unit_of_curve(curve), values.columns.to_numpy(float)
    if len(values) > 1 and np.isfinite(values.to_numpy()).all():
        plots.draw_band(axes, epochs, pointwise_band(values.to_numpy()), place, unit.scale)
    elif len(values):
        axes.plot(epochs, unit.scale * values.to_numpy().mean(axis=0), **line_style(place))


def _bound(axes: Axes, curve: str) -> None:
    """Ticks at whole epochs; no accuracy beyond 100 %: a t interval knows no bound."""
    plots.whole_epochs(axes)
    if numbers.unit_of_curve(curve).of_level == " [%]":
        axes.set_ylim(top=min(100.0, axes.get_ylim()[1]))


def _sample(place: int) -> Line2D:
    """A line for the legend, in the style of a place."""
    return Line2D([], [], **(line_style(place) | {"markevery": None}))


def _axis(curve: str) -> str:
    return curve + numbers.unit_of_curve(curve).of_level


def _done(study: Study) -> pd.DataFrame:
    """The epochs of the runs that are done, with their seed and cell."""
    return _with_cells(study, study.sweep.runs[study.sweep.runs["state"] == DONE])


def _with_cells(study: Study, runs: pd.DataFrame) -> pd.DataFrame:
    return study.sweep.epochs.merge(runs[["seed", "cell_key"]], left_on="run_key", right_index=True)


def _by_seed(epochs: pd.DataFrame, curve: str) -> pd.DataFrame:
    """A curve as a table of seeds x epochs."""
    return epochs.pivot(index="seed", columns="epoch", values=curve)


def _contrast_by_epoch(study: Study, decision: Decision, curve: str) -> pd.DataFrame:
    """The contrast at each epoch that all of its runs have, a table of seeds x epochs."""
    assert decision.contrast
    runs = decision.compared(study.sweep.runs)
    epochs = _with_cells(study, runs)
    total: pd.DataFrame | float = 0.0
    for cell, weight in decision.contrast.weights.items():
        total = total + weight * _by_seed(epochs[epochs["cell_key"] == cell], curve)
    assert isinstance(total, pd.DataFrame)
    return total.dropna(axis=1, how="any")
