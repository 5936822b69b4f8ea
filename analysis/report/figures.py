"""The report's figures, each a function from a study to a matplotlib figure; the only place where anything is drawn."""

import hashlib
import io
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.decide import pairing
from analysis.decide.claims import Decision
from analysis.decide.exploratory import MAIN, METRICS
from analysis.decide.study import Study
from analysis.design.contrasts import Contrast
from analysis.report import sentences
from analysis.statistics.bands import Band, pointwise_band, simultaneous_band
from runner.errors import printable
from runner.record import METRICS as RECORDED
from runner.record import as_text, parse_reduction, short

#: Okabe and Ito's colours, which the colour-blind tell apart; repeated with other dashes.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_DASHES = ("-", "--", ":", "-.")
#: More cells than this are not told apart by eye: the others are named under the figure.
MAX_CURVES = 12
_MAX_ROWS = 24
_STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "svg.fonttype": "path",
    # A `$` in a cell's name is a `$`.
    "text.parse_math": False,
    # Letters are a little wider in the PNG than in the SVG, whose layout both have.
    "figure.constrained_layout.w_pad": 0.1,
}
_SIZE = (6.4, 3.8)
_DPI = 110


def drawn(figure: Figure) -> tuple[bytes, bytes]:
    """A figure as SVG and as PNG, the same bytes whenever it is drawn."""
    svg, png = io.BytesIO(), io.BytesIO()
    title = figure.axes[0].get_title() + figure.axes[0].get_xlabel()
    # Ids within an SVG: of its own, for several figures share a page, and the same every time.
    salt = hashlib.sha256(title.encode()).hexdigest()
    with matplotlib.rc_context(_STYLE | {"svg.hashsalt": salt}):
        # By the canvases themselves, for `savefig` draws everything twice.
        FigureCanvasSVG(figure).print_svg(  # type: ignore[no-untyped-call]
            svg, metadata={"Date": None, "Creator": None}
        )
        # The layout found for one is that of both; to find it takes as long as to draw.
        figure.set_layout_engine("none")
        figure.set_dpi(_DPI)
        FigureCanvasAgg(figure).print_png(  # type: ignore[no-untyped-call]
            png, metadata={"Software": None}
        )
    return svg.getvalue(), png.getvalue()


@matplotlib.rc_context(_STYLE)
def learning_curves(study: Study, curve: str) -> Figure:
    """The mean of a curve over the seeds, a line a cell, with each epoch's 95 % t interval.

    Cells are drawn up to `MAX_CURVES`; a cell with runs that are not done is marked in the legend.
    """
    figure, axes = _figure(xlabel="epoch", ylabel=_axis(curve))
    epochs = _done(study)
    for place, (cell, name) in enumerate(list(study.cells.names.items())[:MAX_CURVES]):
        planned = study.sweep.runs[study.sweep.runs["cell_key"] == cell]
        values = _by_seed(epochs[epochs["run_key"].isin(planned.index)], curve)
        label = f"{_cut(name)} (n = {len(values)}{'' if len(values) == len(planned) else f' of {len(planned)}'})"
        if len(values) == 0:
            axes.plot([], [], label=label, **_line(place))
        elif len(values) == 1 or not np.isfinite(values.to_numpy()).all():
            axes.plot(values.columns, values.to_numpy().mean(axis=0), label=label, **_line(place))
        else:
            _draw_band(axes, values.columns.to_numpy(float), pointwise_band(values.to_numpy()), label, place)
    axes.legend()
    return figure


@matplotlib.rc_context(_STYLE)
def contrast_curve(study: Study, decision: Decision) -> Figure | None:
    """A contrast at every epoch, with a band that holds the whole curve at once; None where there is none."""
    if decision.contrast is None or decision.bounds is None:
        return None
    curve = parse_reduction(decision.claim.metric).curve
    values = _contrast_by_epoch(study, decision.contrast, curve)
    if decision.claim.minus:
        values = values - _contrast_by_epoch(study, decision.contrast, parse_reduction(decision.claim.minus).curve)
    if values.shape[1] < 2 or not np.isfinite(values.to_numpy()).all():
        return None
    figure, axes = _figure(xlabel="epoch", ylabel=_axis(curve, "difference in "))
    axes.axhline(0, color="#777777", linewidth=0.8)
    x, band = values.columns.to_numpy(float), simultaneous_band(values.to_numpy())
    for seed in values.to_numpy():
        axes.plot(x, seed, color="#999999", linewidth=0.6)
    _draw_band(axes, x, band, "", 0)
    axes.set_title(
        f"{_cut(decision.contrast.label)}: 95 % over all epochs ({band.method}), n = {len(values)}", fontsize=9
    )
    return figure


@matplotlib.rc_context(_STYLE)
def estimation_plot(study: Study, decision: Decision) -> Figure | None:
    """Every seed a dot in both arms, joined; beside them the differences with their interval."""
    if decision.contrast is None or decision.bounds is None:
        return None
    interval, scale = decision.bounds.interval, _scale(decision)
    figure = Figure(figsize=_SIZE, layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    for pair in pairing.arms(decision, study.sweep.runs, _done(study)):
        left.plot((0, 1), scale * pair, "o-", color=_COLOURS[0], markersize=4, linewidth=0.8, alpha=0.75)
    ours, _, theirs = decision.contrast.label.partition(" minus ")
    left.set_xticks((0, 1), (_cut(theirs, 22), _cut(ours, 22)) if theirs else ("lower levels", "upper levels"))
    left.set_xlim(-0.3, 1.3)
    left.set_ylabel(_measured(decision))
    left.set_title("each seed", fontsize=9)
    d = scale * decision.per_seed.to_numpy()
    right.axhline(0, color="#777777", linewidth=0.8)
    right.plot(np.linspace(-0.12, 0.12, len(d)), np.sort(d), "o", color=_COLOURS[0], markersize=4, alpha=0.75)
    _interval(right, 0.4, *interval.ends, scale)
    _margin(right.axhspan, scale * decision.claim.margin)
    right.set_xlim(-0.4, 0.7)
    right.set_xticks((0, 0.4), ("seeds", "mean"))
    right.set_title(f"difference, {sentences.level_text(interval)}, n = {interval.n}", fontsize=9)
    return figure


@matplotlib.rc_context(_STYLE)
def interaction_plot(decision: Decision) -> Figure | None:
    """The contrast at each level of the other knobs, each with its interval; None where no other knob moved."""
    rows = [
        (f"{short(one.knob)}={as_text(level)}", *effect.ends)
        for one in decision.interactions
        for level, effect in one.effects
    ]
    if not rows or decision.bounds is None:
        return None
    scale = _scale(decision)
    return _rows(rows, _measured(decision, "difference in "), scale, scale * decision.claim.margin)


@matplotlib.rc_context(_STYLE)
def forest(study: Study) -> Figure | None:
    """All testable contrasts in one picture, each in units of its claim's margin."""
    rows = []
    for one in study.decisions:
        if one.bounds is not None and one.claim.margin > 0:
            low, middle, high = (x / one.claim.margin for x in one.bounds.interval.ends)
            rows.append((f"{_cut(one.name, 30)}\n{one.verdict}", low, middle, high))
    return _rows(rows, "difference / the claim's margin", 1.0, 1.0) if rows else None


@matplotlib.rc_context(_STYLE)
def published(study: Study, curves: pd.DataFrame) -> Figure:
    """The published test accuracy over the band of our runs, a panel an experiment.

    Parameters
    ----------
    curves
        `experiment`, `epoch`, `test_accuracy`; an experiment belongs to the cell whose preset's name it starts with.
    """
    matched = [
        (str(experiment), group, cell)
        for experiment, group in curves.groupby("experiment", sort=False)
        for cell, name in study.cells.names.items()
        if str(experiment).startswith(name.rpartition("=")[2] + "_")
    ]
    figure = Figure(figsize=(_SIZE[0], 2.8 * max(1, len(matched))), layout="constrained")
    epochs = _done(study)
    panels = figure.subplots(max(1, len(matched)), 1, squeeze=False)[:, 0]
    for axes, (experiment, group, cell) in zip(panels, matched, strict=False):
        ours = epochs[epochs["cell_key"] == cell]
        modes = {"in test mode": "test/accuracy", "masks on": "test_masked/accuracy"}
        if ours["test/accuracy"].equals(ours["test_masked/accuracy"]):
            modes = {"": "test/accuracy"}
        for place, (mode, curve) in enumerate(modes.items()):
            values = _by_seed(ours, curve)
            if len(values) > 1 and np.isfinite(values.to_numpy()).all():
                label = f"{study.cells.names[cell]} {mode}".strip() + f" (n = {len(values)})"
                _draw_band(axes, values.columns.to_numpy(float), pointwise_band(values.to_numpy()), label, 2 * place)
        axes.plot(group["epoch"], group["test_accuracy"], label=f"published: {experiment}", **_line(1))
        axes.set(xlabel="epoch", ylabel="test accuracy")
        # A t interval knows no bound; an accuracy does.
        axes.set_ylim(top=min(1.0, axes.get_ylim()[1]))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend()
    return figure


@matplotlib.rc_context(_STYLE)
def contrasts(study: Study) -> Figure | None:
    """Every main effect on the final test accuracy, in points; None where there is none."""
    found = study.explored
    rows = found[(found["kind"] == MAIN) & (found["metric"] == METRICS[0])].head(_MAX_ROWS)
    if not len(rows):
        return None
    told = list(rows[["contrast", "low", "estimate", "high"]].itertuples(index=False, name=None))
    return _rows(told, f"difference in {METRICS[0]} [points], 95 % interval", 100.0, 0.0)


def _figure(height: float = _SIZE[1], **labels: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(_SIZE[0], height), layout="constrained")
    axes = figure.subplots()
    axes.set(**labels)
    if labels.get("xlabel") == "epoch":
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure, axes


def _rows(rows: list[tuple[str, float, float, float]], xlabel: str, scale: float, margin: float) -> Figure:
    """Intervals below each other, from the top: name, low end, middle and high end, drawn `scale` times as large."""
    figure, axes = _figure(height=1.2 + 0.45 * len(rows), xlabel=xlabel)
    for place, (_, low, middle, high) in enumerate(rows[::-1]):
        _interval(axes, place, low, middle, high, scale, across=True)
    axes.axvline(0, color="#777777", linewidth=0.8)
    _margin(axes.axvspan, margin)
    axes.set_yticks(range(len(rows)), [_cut(name) for name, *_ in rows[::-1]])
    axes.set_ylim(-0.6, len(rows) - 0.4)
    return figure


def _interval(
    axes: Axes, place: float, low: float, estimate: float, high: float, scale: float, across: bool = False
) -> None:
    ends, middle = (scale * low, scale * high), scale * estimate
    ours: dict[str, Any] = {"color": _COLOURS[1]}
    axes.plot(*((ends, (place, place)) if across else ((place, place), ends)), linewidth=2, **ours)
    axes.plot(*((middle, place) if across else (place, middle)), "o", markersize=6, **ours)


def _margin(span: Any, margin: float) -> None:
    if margin > 0:
        span(-margin, margin, color="#777777", alpha=0.15)


def _draw_band(axes: Axes, x: Any, band: Band, label: str, place: int) -> None:
    line = _line(place)
    axes.plot(x, band.mean, label=label, **line)
    axes.fill_between(x, band.low, band.high, color=line["color"], alpha=0.2, linewidth=0)


def _line(place: int) -> dict[str, Any]:
    dashes = _DASHES[place // len(_COLOURS) % len(_DASHES)]
    return {"color": _COLOURS[place % len(_COLOURS)], "linestyle": dashes, "linewidth": 1.6}


def _done(study: Study) -> pd.DataFrame:
    """The epochs of the runs that are done, with their seed and cell."""
    runs = study.sweep.runs[study.sweep.runs["state"] == "done"]
    return study.sweep.epochs.merge(runs[["seed", "cell_key"]], left_on="run_key", right_index=True)


def _by_seed(epochs: pd.DataFrame, curve: str) -> pd.DataFrame:
    """A curve as a table of seeds x epochs."""
    return epochs.pivot(index="seed", columns="epoch", values=curve)


def _contrast_by_epoch(study: Study, contrast: Contrast, curve: str) -> pd.DataFrame:
    """The contrast within each seed at each epoch that all of its runs have, a table of seeds x epochs."""
    epochs = _done(study)
    total: pd.DataFrame | float = 0.0
    for cell, weight in contrast.weights.items():
        total = total + weight * _by_seed(epochs[epochs["cell_key"] == cell], curve)
    assert isinstance(total, pd.DataFrame)
    return total.dropna(axis=1, how="any")


def _measured(decision: Decision, prefix: str = "") -> str:
    metric = parse_reduction(decision.claim.metric)
    less = f" less {decision.claim.minus}" if decision.claim.minus else ""
    return f"{prefix}{metric}{less} [{sentences.unit_of(metric).name}]"


def _scale(decision: Decision) -> float:
    return sentences.unit_of(parse_reduction(decision.claim.metric)).scale


def _axis(curve: str, prefix: str = "") -> str:
    return f"{prefix}{curve}" + (" [nats]" if RECORDED[curve].unit == "nats" else "")


def _cut(text: str, most: int = 60) -> str:
    """A name as a figure has room for it; control and direction marks, which no font draws, as `?`."""
    shown = "\n".join(map(printable, text.split("\n")))
    return shown if len(shown) <= most else shown[: most - 1] + "\N{HORIZONTAL ELLIPSIS}"
