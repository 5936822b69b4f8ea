"""What figures are made of: panels at fixed places, labels, bands, rows of intervals."""

import io
from collections.abc import Callable, Sequence
from math import ceil, isnan
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from analysis.report.pictures.style import COLUMN, GREY, INTERVAL_COLOUR, LINE, line_style
from analysis.statistics.bands import Band
from runner.errors import printable
from runner.words.columns import width_of, wrapped

#: Room beside a panel for the numbers of its axis, and below it, in inches.
_LEFT, _RIGHT, _BELOW, _GAP = 0.46, 0.08, 0.2, 0.08
#: How an interval is drawn.
INTERVAL: dict[str, Any] = {"linewidth": 1.6, "color": INTERVAL_COLOUR}
#: What a legend shows of a line, and between two entries, in inches.
_HANDLE = 0.5
#: Of a notebook's pictures.
_DPI = 150


class ShownFigure(Figure):
    """A figure that a notebook shows without pyplot."""

    def _repr_png_(self) -> bytes:
        png = io.BytesIO()
        self.savefig(png, format="png", dpi=_DPI, facecolor="white")
        return png.getvalue()


def panels(
    labels: Sequence[str],
    xlabels: Sequence[str],
    width: float,
    height: float,
    n_columns: int = 1,
    legend: Sequence[tuple[str, Line2D]] = (),
) -> tuple[ShownFigure, list[Axes]]:
    """A figure of panels row by row, each with its label above, and a legend below all.

    Every place follows from the texts' lengths: nothing is drawn to find the layout.

    Parameters
    ----------
    labels, xlabels
        Of each panel's vertical axis, which stands above it, and of its horizontal one.
    width
        Of the figure, in inches.
    height
        Of a panel without its labels, in inches.
    legend
        Each entry with a line like those that it names.
    """
    n_columns = min(n_columns, len(labels))
    n_rows, room = ceil(len(labels) / n_columns), width / n_columns
    n_letters = int((room - _RIGHT) / COLUMN)
    above, below = ([lines_of(text, n_letters) for text in texts] for texts in (labels, xlabels))
    n_above, n_below = (max(text.count("\n") + bool(text) for text in of) for of in (above, below))
    entries = [cut(name) for name, _ in legend]
    longest = max(map(width_of, entries), default=0)
    n_side_by_side = max(1, min(len(entries), int(width / (_HANDLE + longest * COLUMN))))
    at_bottom = (ceil(len(entries) / n_side_by_side) + 0.5) * LINE if entries else 0.0
    of_row = n_above * LINE + _GAP + height + _BELOW + n_below * LINE
    of_figure = n_rows * of_row + at_bottom
    figure = ShownFigure(figsize=(width, of_figure))
    axes = []
    for place, (label, xlabel) in enumerate(zip(above, below, strict=True)):
        row, column = divmod(place, n_columns)
        top = of_figure - row * of_row
        bottom = top - n_above * LINE - _GAP - height
        box = (column * room + _LEFT, bottom, room - _LEFT - _RIGHT, height)
        panel = figure.add_axes(
            (box[0] / width, box[1] / of_figure, box[2] / width, box[3] / of_figure)
        )
        panel.set_xlabel(xlabel, labelpad=1)
        left, high = (column * room + 0.02) / width, (top - n_above * LINE - 0.02) / of_figure
        figure.text(left, high, label, verticalalignment="bottom")
        axes.append(panel)
    if entries:
        handles = [line for _, line in legend]
        figure.legend(
            handles, entries, loc="lower left", bbox_to_anchor=(0, 0), ncols=n_side_by_side,
            borderaxespad=0, borderpad=0.2, labelspacing=0.25, handlelength=2.6, columnspacing=1.2,
        )  # fmt: skip
    return figure, axes


def interval_rows(
    rows: list[tuple[str, float, float, float]],
    xlabel: str,
    scale: float,
    margin: float,
    width: float,
) -> ShownFigure:
    """Intervals below each other from the top, each beside its name, `scale` times as large.

    Parameters
    ----------
    rows
        Name, low end, middle and high end of each.
    margin
        Values within it lie in grey.
    """
    share = 0.46
    n_letters = int(share * width / COLUMN) - 1
    names = [lines_of(name, n_letters) for name, *_ in rows]
    heights = [LINE * (name.count("\n") + 1) + 0.1 for name in names]
    label = lines_of(xlabel, int((1 - share) * width / COLUMN))
    below, above = _BELOW + LINE * (label.count("\n") + 1), 0.05
    of_figure = sum(heights) + below + above
    figure = ShownFigure(figsize=(width, of_figure))
    axes = figure.add_axes((share, below / of_figure, 1 - share - 0.02, sum(heights) / of_figure))
    places = [sum(heights[:place]) + height / 2 for place, height in enumerate(heights)]
    for place, name, (_, *ends) in zip(places, names, rows, strict=True):
        low, middle, high = (scale * end for end in ends)
        axes.plot((low, high), (place, place), **INTERVAL)
        axes.plot(middle, place, **dot(low, high))
        y = 1 - (above + place) / of_figure
        figure.text(0.005, y, name, verticalalignment="center")
    axes.axvline(0, color=GREY, linewidth=0.6)
    shade_margin(axes.axvspan, margin)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_ylim(sum(heights), 0)
    axes.set_xlabel(label, labelpad=1)
    return figure


def dot(low: float, high: float) -> dict[str, Any]:
    """The mark of an estimate; it is open where its interval has no ends that could be drawn."""
    face = "none" if isnan(low) or isnan(high) else INTERVAL_COLOUR
    return {"marker": "o", "markersize": 4, "color": INTERVAL_COLOUR, "markerfacecolor": face}


def whole_epochs(axes: Axes) -> None:
    """Ticks at whole numbers alone."""
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))


def shade_margin(span: Callable[..., Any], margin: float) -> None:
    """The values within the margin in grey; `span` is `axes.axhspan` or `axes.axvspan`."""
    if margin > 0:
        span(-margin, margin, color=GREY, alpha=0.2, linewidth=0)


def draw_band(axes: Axes, epochs: ArrayLike, band: Band, place: int, scale: float = 1.0) -> None:
    """A mean curve with its band, in the line style of a place."""
    style = line_style(place)
    axes.plot(epochs, scale * band.mean, **style)
    low, high = scale * band.low, scale * band.high
    axes.fill_between(epochs, low, high, color=style["color"], alpha=0.2, linewidth=0)


def lines_of(text: str, n_letters: int, most: int = 5) -> str:
    """A text as lines of so many columns, with `?` for what does not print; cut after `most`."""
    lines = [line for part in text.split("\n") for line in wrapped(printable(part), n_letters)]
    if len(lines) > most:
        lines = [*lines[: most - 1], lines[most - 1] + "\N{HORIZONTAL ELLIPSIS}"]
    return "\n".join(cut(line, n_letters) for line in lines)


def cut(text: str, most: int = 60) -> str:
    """A name as long as a figure has room for, with `?` for what does not print."""
    shown = printable(text)
    return shown if len(shown) <= most else shown[: most - 1] + "\N{HORIZONTAL ELLIPSIS}"
