"""Which figures a report has, with their captions."""

import base64
from dataclasses import dataclass

import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure

from analysis.decide.study import Study
from analysis.report.pictures import figures, plots

#: The curves that every report draws.
_CURVES = ("test/accuracy", "train_eval/accuracy", "train/loss")
#: How much of a claim's name a caption shows.
_N_LETTERS = 200


@dataclass(frozen=True)
class Drawing:
    """A figure of the report."""

    #: File name without its ending.
    name: str
    caption: str
    svg: bytes
    png: bytes

    @property
    def address(self) -> Markup:
        """The SVG as a data URL: as an image it can neither run a script nor ask for anything."""
        return Markup("data:image/svg+xml;base64," + base64.b64encode(self.svg).decode())


def drawings(study: Study, published: pd.DataFrame | None = None) -> list[Drawing]:
    """All figures of a study; those of the claim at place n are named `claim-n-...`.

    Parameters
    ----------
    published
        The published curves (`figures.published`), for a sweep that repeats them.
    """
    planned = [*_of_the_sweep(study, published), *_of_the_claims(study)]
    drawable = [(name, caption, figure) for name, caption, figure in planned if figure is not None]
    return [Drawing(name, caption, *plots.drawn(figure)) for name, caption, figure in drawable]


def _of_the_sweep(
    study: Study, published: pd.DataFrame | None
) -> list[tuple[str, str, Figure | None]]:
    planned: list[tuple[str, str, Figure | None]] = []
    n_cells, n_drawn = len(study.cells.names), figures.MAX_CURVES
    for curve in _CURVES if len(study.sweep.epochs) else ():
        caption = f"{curve}: mean over the seeds of each cell, with each epoch's 95 % t interval."
        if n_cells > n_drawn:
            caption += f" The first {n_drawn} of {n_cells} cells."
        name = f"curves-{curve.replace('/', '-')}"
        planned.append((name, caption, figures.learning_curves(study, curve)))
    if published is not None:
        caption = (
            "The published test accuracy over the band of these runs, measured in test mode and,"
            " for a network"
            " with dropout, as the published script measured it: with the masks on."
        )
        planned.append(("published", caption, figures.published(study, published)))
    forest = "Every testable claim, in units of its margin (grey)."
    planned.append(("forest", forest, figures.forest(study)))
    contrasts = (
        "Every main effect on the final test accuracy, declared or not, each with its own 95 %"
        " interval: for"
        " finding the next question."
    )
    planned.append(("contrasts", contrasts, figures.contrasts(study)))
    return planned


def _of_the_claims(study: Study) -> list[tuple[str, str, Figure | None]]:
    planned: list[tuple[str, str, Figure | None]] = []
    for place, decision in enumerate(study.decisions, 1):
        claim = decision.name[:_N_LETTERS]
        seeds = f"{claim}: every seed, and the differences with their interval; the margin in grey."
        planned.append((f"claim-{place}-seeds", seeds, figures.estimation_plot(decision)))
        epochs = f"{claim}: the contrast at every epoch; thin lines are seeds."
        planned.append((f"claim-{place}-epochs", epochs, figures.contrast_curve(study, decision)))
        levels = f"{claim}: the effect at each level of the other knobs."
        planned.append((f"claim-{place}-levels", levels, figures.interaction_plot(decision)))
    return planned
