"""Which figures a report has, with their captions."""

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure

from analysis.decide import verdicts
from analysis.decide.study import Study
from analysis.report.pictures import curves, effects, formats
from analysis.report.pictures.style import ONE_COLUMN, TWO_COLUMNS

#: The curves that every report draws, those of one unit beside each other.
_ACCURACIES, _LOSSES = ("test/accuracy", "train_eval/accuracy"), ("train/loss",)
#: How much of a claim's name a caption shows.
_N_LETTERS = 200
#: The widths of a file beside the report, in inches, by what follows the figure's name.
WIDTHS = {"one-column": ONE_COLUMN, "two-columns": TWO_COLUMNS}


@dataclass(frozen=True)
class Drawing:
    """A figure of the report."""

    #: File name without its ending.
    name: str
    caption: str
    svg: bytes
    #: Draws it again, so many inches wide.
    draw: Callable[[float], Figure | None]

    @property
    def address(self) -> Markup:
        """The SVG as a data URL: as an image it can neither run a script nor ask for anything."""
        return Markup("data:image/svg+xml;base64," + base64.b64encode(self.svg).decode())

    def files(self, ending: str) -> Iterator[tuple[str, bytes]]:
        """The figure in a format of `formats.FORMATS` and in each width, by the file's name."""
        for width, inches in WIDTHS.items():
            figure = self.draw(inches)
            assert figure
            yield f"{self.name}-{width}.{ending}", formats.FORMATS[ending](figure)


def drawings(study: Study, published: pd.DataFrame | None = None) -> list[Drawing]:
    """All figures of a study; those of the claim at place n are named `claim-n-...`.

    Parameters
    ----------
    published
        The published curves (`curves.published`), for a sweep that repeats them.
    """
    planned = [*_of_the_sweep(study, published), *_of_the_claims(study)]
    drawn = ((name, caption, draw, draw()) for name, caption, draw in planned)
    return [
        Drawing(name, caption, formats.svg(figure), draw)
        for name, caption, draw, figure in drawn
        if figure is not None
    ]


#: Name, caption, and what draws the figure, so many inches wide, where there is one.
_Planned = tuple[str, str, Callable[..., Figure | None]]


def _of_the_sweep(study: Study, published: pd.DataFrame | None) -> Iterator[_Planned]:
    n_cells, n_drawn = len(study.cells.names), curves.MAX_PANELS
    caption = "The mean over the seeds of each cell, with each epoch's 95 % t interval."
    if len(study.sweep.epochs) and n_cells <= curves.MAX_LINES:
        yield "curves", caption, partial(curves.by_metric, study, _ACCURACIES + _LOSSES)
    elif len(study.sweep.epochs):
        caption += f" The first {n_drawn} of {n_cells} cells." if n_cells > n_drawn else ""
        yield "curves", caption, partial(curves.by_cell, study, _ACCURACIES)
        yield "curves-loss", caption, partial(curves.by_cell, study, _LOSSES)
    if published is not None:
        caption = (
            "The published test accuracy over the band of these runs, measured in test mode and,"
            " for a network with dropout, as the published script measured it: with the masks on."
        )
        yield "published", caption, partial(curves.published, study, published)
    forest = (
        "Every testable claim, turned as it says, in units of its margin (grey); an open dot has no"
        " interval with two ends."
    )
    yield "forest", forest, partial(effects.forest, study)
    contrasts = (
        "Every main effect on the final test accuracy, declared or not, each with its own 95 %"
        " interval: for finding the next question."
    )
    yield "contrasts", contrasts, partial(effects.contrasts, study)


def _of_the_claims(study: Study) -> Iterator[_Planned]:
    for place, decision in enumerate(study.decisions, 1):
        claim = decision.name[:_N_LETTERS]
        seeds = f"{claim}: every seed, and the differences with their interval; the margin in grey."
        levels = f"{claim}: the effect at each level of the other knobs."
        epochs = (
            f"{claim}: the contrast at every epoch, with a 95 % band that holds at all of them;"
            " thin lines are seeds."
        )
        of_claim: list[_Planned] = [
            (f"claim-{place}-seeds", seeds, partial(effects.estimation_plot, decision)),
            (f"claim-{place}-levels", levels, partial(effects.interaction_plot, decision)),
            (f"claim-{place}-epochs", epochs, partial(curves.contrast_curve, study, decision)),
        ]
        if decision.verdict == verdicts.DEPENDS:
            # The first stands beside the claim: what it says is of each level.
            of_claim[:2] = of_claim[1::-1]
        yield from of_claim
