"""The report's figures, each a function from a study to a matplotlib figure."""

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.decide import verdicts
from analysis.decide.decision import Decision
from analysis.decide.exploratory import MAIN, METRICS
from analysis.decide.study import Study
from analysis.report import numbers
from analysis.report.pictures import plots
from analysis.statistics.bands import pointwise_band, simultaneous_band
from analysis.statistics.intervals import Interval
from runner import record
from runner.record import parse_reduction

#: Readers do not tell more cells than this apart by eye; the caption says how many there are.
MAX_CURVES = 12
#: How many exploratory contrasts are drawn.
_MAX_ROWS = 24


@matplotlib.rc_context(plots.STYLE)
def learning_curves(study: Study, curve: str) -> plots.ShownFigure:
    """The mean of a curve over the seeds, a line a cell, with each epoch's 95 % t interval.

    Cells are drawn up to `MAX_CURVES`; a cell with runs that are not done is marked in the legend.
    """
    figure, axes = plots.figure_of(xlabel="epoch", ylabel=_axis(curve))
    epochs = _done(study)
    for place, (cell, name) in enumerate(list(study.cells.names.items())[:MAX_CURVES]):
        planned = study.sweep.runs[study.sweep.runs["cell_key"] == cell]
        values = _by_seed(epochs[epochs["run_key"].isin(planned.index)], curve)
        of_planned = "" if len(values) == len(planned) else f" of {len(planned)}"
        label = f"{plots.cut(name)} (n = {len(values)}{of_planned})"
        if len(values) == 0:
            axes.plot([], [], label=label, **plots.line_style(place))
        elif len(values) == 1 or not np.isfinite(values.to_numpy()).all():
            mean = values.to_numpy().mean(axis=0)
            axes.plot(values.columns, mean, label=label, **plots.line_style(place))
        else:
            band = pointwise_band(values.to_numpy())
            plots.draw_band(axes, values.columns.to_numpy(float), band, label, place)
    axes.legend()
    return figure


@matplotlib.rc_context(plots.STYLE)
def contrast_curve(study: Study, decision: Decision) -> Figure | None:
    """A contrast at every epoch, with a simultaneous band; None where there is no contrast."""
    if decision.contrast is None or decision.bounds is None:
        return None
    claim = decision.claim
    curve = parse_reduction(claim.metric).curve
    if not curve or decision.n_diverged:
        return None
    values = _contrast_by_epoch(study, decision, curve)
    if claim.minus:
        values = values - _contrast_by_epoch(study, decision, parse_reduction(claim.minus).curve)
    if values.shape[1] < 2 or not np.isfinite(values.to_numpy()).all():
        return None
    figure, axes = plots.figure_of(xlabel="epoch", ylabel=_axis(curve, "difference in "))
    axes.axhline(0, color=plots.GREY, linewidth=0.8)
    epochs, band = values.columns.to_numpy(float), simultaneous_band(values.to_numpy())
    for seed in values.to_numpy():
        axes.plot(epochs, seed, color="#999999", linewidth=0.6)
    plots.draw_band(axes, epochs, band, "", 0)
    label = plots.cut(decision.contrast.label)
    axes.set_title(f"{label}: 95 % over all epochs ({band.method}), n = {len(values)}", fontsize=9)
    return figure


@matplotlib.rc_context(plots.STYLE)
def estimation_plot(decision: Decision) -> Figure | None:
    """Every seed a dot on both sides of the contrast, and the differences with their interval."""
    if decision.contrast is None or decision.bounds is None:
        return None
    interval, scale = decision.interval, _scale(decision)
    figure = Figure(figsize=plots.SIZE, layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    dots = {"color": plots.SEED_COLOUR, "markersize": 4, "alpha": 0.75}
    for pair in decision.both_sides:
        left.plot((0, 1), scale * pair, "o-", linewidth=0.8, **dots)
    first, _, second = decision.contrast.label.partition(" minus ")
    names = (
        (plots.cut(second, 22), plots.cut(first, 22))
        if second
        else ("lower levels", "upper levels")
    )
    left.set_xticks((0, 1), names)
    left.set_xlim(-0.3, 1.3)
    left.set_ylabel(_measured(decision))
    left.set_title("each seed", fontsize=9)
    differences = scale * decision.per_seed.to_numpy()
    differences = differences[np.isfinite(differences)]
    right.axhline(0, color=plots.GREY, linewidth=0.8)
    right.plot(np.linspace(-0.12, 0.12, len(differences)), np.sort(differences), "o", **dots)
    low, middle, high = (scale * end for end in _drawn(interval))
    right.plot((0.4, 0.4), (low, high), linewidth=2, color=plots.INTERVAL_COLOUR)
    right.plot(0.4, middle, "o", markersize=6, color=plots.INTERVAL_COLOUR)
    plots.shade_margin(right.axhspan, scale * decision.claim.margin)
    right.set_xlim(-0.4, 0.7)
    right.set_xticks((0, 0.4), ("seeds", str(decision.by)))
    right.set_title(f"difference, {numbers.level_text(interval)}, n = {interval.n}", fontsize=9)
    return figure


@matplotlib.rc_context(plots.STYLE)
def interaction_plot(decision: Decision) -> Figure | None:
    """The contrast at each setting of the other knobs; None where no other knob moved."""
    rows = [(setting.name, *_drawn(setting.interval)) for setting in decision.settings[:_MAX_ROWS]]
    if not rows or decision.bounds is None:
        return None
    scale = _scale(decision)
    xlabel = _measured(decision, "difference in ")
    return plots.interval_rows(rows, xlabel, scale, scale * decision.claim.margin)


@matplotlib.rc_context(plots.STYLE)
def forest(study: Study) -> Figure | None:
    """All contrasts with an answer in one figure, each in units of its claim's margin."""
    rows = []
    for decision in study.decisions:
        # Of what depends on other knobs no average is an answer.
        has_one = decision.bounds is not None and decision.verdict != verdicts.DEPENDS
        if has_one and decision.bounds and decision.claim.margin > 0:
            low, middle, high = (end / decision.claim.margin for end in _drawn(decision.interval))
            rows.append((f"{plots.cut(decision.name, 30)}\n{decision.verdict}", low, middle, high))
    return plots.interval_rows(rows, "difference / the claim's margin", 1.0, 1.0) if rows else None


@matplotlib.rc_context(plots.STYLE)
def published(study: Study, curves: pd.DataFrame) -> Figure:
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
    n_panels = max(1, len(matched))
    figure = Figure(figsize=(plots.SIZE[0], 2.8 * n_panels), layout="constrained")
    epochs = _done(study)
    panels = figure.subplots(n_panels, 1, squeeze=False)[:, 0]
    for axes, (experiment, group, cell) in zip(panels, matched, strict=False):
        of_cell = epochs[epochs["cell_key"] == cell]
        modes = {"in test mode": "test/accuracy", "masks on": "test_masked/accuracy"}
        if of_cell["test/accuracy"].equals(of_cell["test_masked/accuracy"]):
            modes = {"": "test/accuracy"}
        for place, (mode, curve) in enumerate(modes.items()):
            values = _by_seed(of_cell, curve)
            if len(values) > 1 and np.isfinite(values.to_numpy()).all():
                label = f"{study.cells.names[cell]} {mode}".strip() + f" (n = {len(values)})"
                band = pointwise_band(values.to_numpy())
                plots.draw_band(axes, values.columns.to_numpy(float), band, label, 2 * place)
        label = f"published: {experiment}"
        axes.plot(group["epoch"], group["test_accuracy"], label=label, **plots.line_style(1))
        axes.set(xlabel="epoch", ylabel="test accuracy")
        # A t interval knows no bound; an accuracy does.
        axes.set_ylim(top=min(1.0, axes.get_ylim()[1]))
        plots.whole_epochs(axes)
        axes.legend()
    return figure


@matplotlib.rc_context(plots.STYLE)
def contrasts(study: Study) -> Figure | None:
    """Every main effect on the final test accuracy, in points; None where there is none."""
    table = study.exploratory
    is_shown = (table["kind"] == MAIN) & (table["metric"] == METRICS[0])
    shown = table.loc[is_shown, ["contrast", "low", "estimate", "high"]].head(_MAX_ROWS)
    if not len(shown):
        return None
    rows = list(shown.itertuples(index=False, name=None))
    return plots.interval_rows(
        rows, f"difference in {METRICS[0]} [points], 95 % interval", 100.0, 0.0
    )


def _drawn(interval: Interval) -> tuple[float, float, float]:
    """The ends of an interval and its estimate; nan, which is not drawn, for one without an end."""
    low, estimate, high = (end if np.isfinite(end) else float("nan") for end in interval.ends)
    return low, estimate, high


def _done(study: Study) -> pd.DataFrame:
    """The epochs of the runs that are done, with their seed and cell."""
    return _with_cells(study, study.sweep.runs[study.sweep.runs["state"] == record.DONE])


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


def _measured(decision: Decision, prefix: str = "") -> str:
    """A label of an axis: what is measured, and in what unit."""
    metric = parse_reduction(decision.claim.metric)
    less = f" less {decision.claim.minus}" if decision.claim.minus else ""
    unit = numbers.unit_of(metric).name
    return f"{prefix}{metric}{less}" + (f" [{unit}]" if unit else "")


def _scale(decision: Decision) -> float:
    return numbers.unit_of(parse_reduction(decision.claim.metric)).scale


def _axis(curve: str, prefix: str = "") -> str:
    unit = record.metric_of(curve).unit
    return f"{prefix}{curve}" + (f" [{unit}]" if unit == "nats" else "")
