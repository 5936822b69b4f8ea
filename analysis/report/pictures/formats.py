"""The bytes of a figure's file: SVG for a page, PDF for a paper, PNG."""

import io
import warnings
from collections.abc import Callable

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from analysis.report.pictures.style import FAMILIES, INK_ON_DARK, ON_DARK, STYLE

_RECOLOURED = "".join(
    f' [style*="{what}: {colour}"] {{ {what}: {on_dark} !important; }}\n'
    for colour, on_dark in ON_DARK.items()
    for what in ("stroke", "fill")
)
#: Text stays text, in the reader's fonts, and lines have the ink of the reader's page.
_SVG_STYLE = f"""
:root {{ color-scheme: light dark; }}
text {{ font-family: {", ".join(f'"{family}"' for family in FAMILIES)}, sans-serif !important; }}
@media (prefers-color-scheme: dark) {{
 text {{ fill: {INK_ON_DARK} !important; }}
{_RECOLOURED}}}
"""
#: Of letters that no font here has; their boxes say it, too.
_NO_GLYPH = "Glyph .* missing from font"
_DPI = 300


def svg(figure: Figure) -> bytes:
    """A figure as SVG, with text as text; its ink is light where a dark page shows it."""

    def printed(file: io.BytesIO) -> None:
        metadata = {"Date": None, "Creator": None}
        FigureCanvasSVG(figure).print_svg(file, metadata=metadata)  # type: ignore[no-untyped-call]

    style = f'<style type="text/css">{_SVG_STYLE}</style>\n <defs>'
    return _printed(printed).replace(b"<defs>", style.encode(), 1)


def pdf(figure: Figure) -> bytes:
    """A figure as PDF, with text as text in fonts that the file holds."""
    from matplotlib.backends.backend_pdf import FigureCanvasPdf  # takes 0.1 s to import

    def printed(file: io.BytesIO) -> None:
        metadata = {"CreationDate": None, "Creator": None, "Producer": None}
        FigureCanvasPdf(figure).print_pdf(file, metadata=metadata)  # type: ignore[no-untyped-call]

    return _printed(printed)


def png(figure: Figure) -> bytes:
    """A figure as PNG on white, with 300 dots an inch."""

    def printed(file: io.BytesIO) -> None:
        figure.set_dpi(_DPI)
        figure.set_facecolor("white")
        FigureCanvasAgg(figure).print_png(  # type: ignore[no-untyped-call]
            file, metadata={"Software": None}
        )

    return _printed(printed)


#: By the ending of the file's name; a report always has the first.
FORMATS: dict[str, Callable[[Figure], bytes]] = {"svg": svg, "pdf": pdf, "png": png}


def _printed(print_: Callable[[io.BytesIO], None]) -> bytes:
    """The same bytes whenever a figure is drawn.

    The canvases are asked, because `Figure.savefig` draws everything twice.
    """
    file = io.BytesIO()
    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", _NO_GLYPH)
        print_(file)
    return file.getvalue()
