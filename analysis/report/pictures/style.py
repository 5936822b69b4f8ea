"""How figures look: fonts, sizes, colours, and lines that grey print tells apart."""

from typing import Any

from matplotlib import font_manager

#: The widths of a figure in inches: of one column of a paper, and of its page.
ONE_COLUMN, TWO_COLUMNS = 3.3, 6.9
#: Fonts with the letters of Europe, Japan, China and Korea, of Linux, macOS and Windows.
FAMILIES = (
    *("DejaVu Sans", "Verdana"),
    *("Noto Sans CJK JP", "Noto Sans JP", "IPAexGothic", "Hiragino Sans", "Yu Gothic"),
    *("Noto Sans CJK SC", "WenQuanYi Zen Hei", "PingFang SC", "Microsoft YaHei"),
    *("Noto Sans CJK KR", "Apple SD Gothic Neo", "Malgun Gothic"),
)
#: Of text and axes, on a light page and on a dark one; and what steps back on both.
INK, INK_ON_DARK, GREY = "#1b1b1b", "#e6e6e6", "#808080"
#: The colours of Okabe and Ito, which colour-blind readers tell apart.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", INK)
#: What a colour is on a dark page, where it would be too faint for thin lines.
ON_DARK = {INK: INK_ON_DARK, _COLOURS[0].lower(): "#3a8fd9"}
_DASHES = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (6, 1.5, 1, 1.5)))
_MARKERS = ("", "o", "s", "^", "v", "x", "+")
#: Of a seed's dots and lines, and of an interval.
SEED_COLOUR, INTERVAL_COLOUR = _COLOURS[0], _COLOURS[1]
#: A line of text with its leading, and a column of it on average, in inches.
LINE, COLUMN = 0.125, 0.058
STYLE: dict[Any, Any] = {
    # matplotlib tells of each family that is not here.
    "font.family": [name for name in FAMILIES if name in font_manager.fontManager.get_font_names()],
    "font.size": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "axes.titlesize": 7,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    **{
        f"{of}color": INK
        for of in (
            "text.",
            "axes.edge",
            "axes.label",
            "xtick.",
            "ytick.",
            "xtick.label",
            "ytick.label",
        )
    },
    # The page's own background.
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    # A `$` in the name of a cell is a `$`.
    "text.parse_math": False,
    # Text stays text.
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
    "svg.hashsalt": "the same ids whenever it is drawn",
}


def line_style(place: int) -> dict[str, Any]:
    """The colour, dashes and marks of the curve at a place of the legend."""
    mark = _MARKERS[place // len(_DASHES) % len(_MARKERS)]
    return {
        "color": _COLOURS[place % len(_COLOURS)],
        "linestyle": _DASHES[place % len(_DASHES)],
        "linewidth": 1.2,
        "marker": mark,
        "markersize": 3,
        "markevery": (place % 3, 3),
    }
