"""How figures are drawn: style, colours, bands, intervals, and the bytes of their files."""

import hashlib
import io
from collections.abc import Callable
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from analysis.statistics.bands import Band
from runner.errors import printable

#: The colours of Okabe and Ito, which colour-blind readers tell apart; repeated with other dashes.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_DASHES = ("-", "--", ":", "-.")
#: Of a seed's dots and lines, and of an interval.
SEED_COLOUR, INTERVAL_COLOUR = _COLOURS[0], _COLOURS[1]
GREY = "#777777"
SIZE = (6.4, 3.8)
STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "svg.fonttype": "path",
    # A `$` in the name of a cell is a `$`.
    "text.parse_math": False,
    # Letters are a little wider in the PNG than in the SVG, and both have one layout.
    "figure.constrained_layout.w_pad": 0.1,
}
_DPI = 110


def drawn(figure: Figure) -> tuple[bytes, bytes]:
    """A figure as SVG and as PNG, the same bytes whenever it is drawn."""
    svg, png = io.BytesIO(), io.BytesIO()
    title = figure.axes[0].get_title() + figure.axes[0].get_xlabel()
    # The ids within an SVG: several figures share a page, and a figure has the same ids every time.
    salt = hashlib.sha256(title.encode()).hexdigest()
    with matplotlib.rc_context(STYLE | {"svg.hashsalt": salt}):
        # `Figure.savefig` draws everything twice; the canvases do not.
        FigureCanvasSVG(figure).print_svg(  # type: ignore[no-untyped-call]
            svg, metadata={"Date": None, "Creator": None}
        )
        # The layout is kept for the PNG: to find it takes as long as to draw.
        figure.set_layout_engine("none")
        figure.set_dpi(_DPI)
        FigureCanvasAgg(figure).print_png(  # type: ignore[no-untyped-call]
            png, metadata={"Software": None}
        )
    return svg.getvalue(), png.getvalue()


class ShownFigure(Figure):
    """A figure that a notebook shows without pyplot."""

    def _repr_png_(self) -> bytes:
        png = io.BytesIO()
        self.savefig(png, format="png", dpi=_DPI)
        return png.getvalue()


def figure_of(height: float = SIZE[1], **labels: str) -> tuple[ShownFigure, Axes]:
    """A figure with one pair of axes."""
    figure = ShownFigure(figsize=(SIZE[0], height), layout="constrained")
    axes = figure.subplots()
    axes.set(**labels)
    if labels.get("xlabel") == "epoch":
        whole_epochs(axes)
    return figure, axes


def whole_epochs(axes: Axes) -> None:
    """Ticks at whole numbers alone."""
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def interval_rows(
    rows: list[tuple[str, float, float, float]], xlabel: str, scale: float, margin: float
) -> Figure:
    """Intervals below each other from the top, drawn `scale` times as large.

    Parameters
    ----------
    rows
        Name, low end, middle and high end of each.
    """
    figure, axes = figure_of(height=1.2 + 0.45 * len(rows), xlabel=xlabel)
    for place, (_, *ends) in enumerate(rows[::-1]):
        low, middle, high = (scale * end for end in ends)
        axes.plot((low, high), (place, place), linewidth=2, color=INTERVAL_COLOUR)
        axes.plot(middle, place, "o", markersize=6, color=INTERVAL_COLOUR)
    axes.axvline(0, color=GREY, linewidth=0.8)
    shade_margin(axes.axvspan, margin)
    axes.set_yticks(range(len(rows)), [cut(name) for name, *_ in rows[::-1]])
    axes.set_ylim(-0.6, len(rows) - 0.4)
    return figure


def shade_margin(span: Callable[..., Any], margin: float) -> None:
    """The values within the margin in grey; `span` is `axes.axhspan` or `axes.axvspan`."""
    if margin > 0:
        span(-margin, margin, color=GREY, alpha=0.15)


def draw_band(axes: Axes, epochs: ArrayLike, band: Band, label: str, place: int) -> None:
    """A mean curve with its band, in the line style of a place."""
    style = line_style(place)
    axes.plot(epochs, band.mean, label=label, **style)
    axes.fill_between(epochs, band.low, band.high, color=style["color"], alpha=0.2, linewidth=0)


def line_style(place: int) -> dict[str, Any]:
    """The colour and dashes of the curve at a place of the legend."""
    dashes = _DASHES[place // len(_COLOURS) % len(_DASHES)]
    return {"color": _COLOURS[place % len(_COLOURS)], "linestyle": dashes, "linewidth": 1.6}


def cut(text: str, most: int = 60) -> str:
    """A name as long as a figure has room for, with `?` for what no font draws."""
    shown = "\n".join(map(printable, text.split("\n")))
    return shown if len(shown) <= most else shown[: most - 1] + "\N{HORIZONTAL ELLIPSIS}"
