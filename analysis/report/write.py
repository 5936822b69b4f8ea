"""The report of a study: one HTML file, the same as Markdown, figures, and the frames; written whole or not at all."""

import base64
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from analysis.decide import verdicts
from analysis.decide.claims import Decision
from analysis.decide.sample_size import n_workers
from analysis.decide.study import Study
from analysis.design import confounds
from analysis.report import figures, folders, sentences
from runner.errors import StoreError
from runner.faults import crash_point
from runner.files import no_room
from runner.record import as_text, parse_reduction, seconds_spent

HTML, MARKDOWN = "report.html", "report.md"
#: The curves that every report draws.
_CURVES = ("test/accuracy", "train_eval/accuracy", "train/loss")
#: What a run's provenance is made of, besides the versions.
_PROVENANCE = ("code", "git.commit", "git.dirty", "device", "card", "processor", "engine", "data.sha256")
_SHOWN = 200
#: Levels of a knob that the table of the design names.
_LEVELS = 12
#: Control characters but for tab and line break: a terminal that shows a file would obey them.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


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


def write(study: Study, folder: Path, published: pd.DataFrame | None = None) -> Path:
    """Write a report into a folder and return the HTML file's path.

    `report.html`, `report.md`, `figures/*.svg` and `*.png`, `runs.csv`, `epochs.csv`, `claims.csv`, `contrasts.csv` and
    the same as Parquet. Whatever report was there is replaced once the new one is whole.

    Parameters
    ----------
    published
        The published curves (`figures.published`), for a sweep that repeats them.

    Raises
    ------
    StoreError
        When the folder holds something that is no report, or may not be written.
    OSError
        Naming the folder and, where the disk is full, how much room it has left.
    """
    try:
        if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not (folder / HTML).is_file())):
            raise StoreError(f"{folder}: there is something that is no report; give another folder by --out")
        with folders.replaced(folder) as beside:
            _fill(study, beside, published)
    except (PermissionError, FileExistsError, NotADirectoryError) as error:
        raise StoreError(f"{folder}: cannot be written ({error.strerror}); give another folder by --out") from error
    except OSError as error:
        raise no_room(error, folder) from error
    return folder / HTML


def claims_frame(study: Study) -> pd.DataFrame:
    """One row a claim: its verdict and every number that it rests on, in the metric's own units."""
    return pd.DataFrame([_claim_row(study, one) for one in study.decisions], columns=_CLAIM_COLUMNS)


_CLAIM_COLUMNS = [
    "claim", "says", "origin", "verdict", "depends_on", "reason", "contrast", "metric", "margin", "estimate", "low",
    "high", "level", "n_seeds", "p_t", "p_exact", "p_holm", "n_censored", "n_choices_agree", "n_choices",
]  # fmt: skip


def _claim_row(study: Study, one: Decision) -> dict[str, Any]:
    choices = study.multiverses[one.name]
    row = {
        "claim": one.name,
        "says": one.claim.says,
        "origin": study.sweep.claims_origin.get(one.name, "declared"),
        "verdict": one.verdict,
        "depends_on": " ".join(one.depends_on),
        "reason": one.reason,
        "contrast": one.contrast.label if one.contrast else "",
        "metric": one.claim.metric + (f" - {one.claim.minus}" if one.claim.minus else ""),
        "margin": one.claim.margin,
        "n_censored": one.n_censored,
        "n_choices_agree": choices.n_agree,
        "n_choices": len(choices.verdicts),
    }
    if one.bounds:
        interval = one.bounds.interval
        row |= {"estimate": interval.estimate, "low": interval.low, "high": interval.high, "level": interval.level}
        row |= {"n_seeds": interval.n, "p_t": one.p_t, "p_exact": one.p_exact, "p_holm": one.p_holm}
    return row


def _fill(study: Study, folder: Path, published: pd.DataFrame | None) -> None:
    drawings = _drawings(study, published)
    (folder / "figures").mkdir()
    for drawing in drawings.values():
        (folder / "figures" / f"{drawing.name}.svg").write_bytes(drawing.svg)
        (folder / "figures" / f"{drawing.name}.png").write_bytes(drawing.png)
    crash_point("report_half")
    frames = _frames(study)
    for name, frame in frames.items():
        frame.to_parquet(folder / f"{name}.parquet", index=False)
    for name, text in _texts(study, frames, drawings).items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")


def _frames(study: Study) -> dict[str, pd.DataFrame]:
    frames = {"runs": study.sweep.runs, "epochs": study.sweep.epochs, "claims": claims_frame(study)}
    return {name: _plain(frame) for name, frame in (frames | {"contrasts": study.explored}).items()}


def _texts(study: Study, frames: dict[str, pd.DataFrame], drawings: dict[str, Drawing]) -> dict[str, str]:
    """The page, the Markdown and the CSV files by their names; whatever text is in the study, it is text in them."""
    content = _content(study, drawings)
    texts = {name: _environment().get_template(f"{name}.j2").render(content) for name in (HTML, MARKDOWN)}
    for name, frame in frames.items():
        texts[f"{name}.csv"] = frame.map(_inert).to_csv(index=False, lineterminator="\n")
    return {name: _CONTROLS.sub("?", text) for name, text in texts.items()}


@cache
def _environment() -> Environment:
    found = Environment(
        loader=PackageLoader("analysis.report"),
        autoescape=lambda name: name is not None and ".html" in name,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters["md"] = _markdown_text
    return found


def _content(study: Study, drawings: dict[str, Drawing]) -> dict[str, Any]:
    """All that the two templates name."""
    runs = study.sweep.runs
    spent = study.sweep.epochs.assign(s=seconds_spent(study.sweep.epochs))
    by_run = spent.groupby("run_key")["s"].sum()
    per_cell = by_run.reindex(runs.index).groupby(runs["cell_key"], sort=False).median()
    began, ended = runs["start_ms"].min(), runs["end_ms"].max()
    return {
        "sweep": study.sweep,
        "figures": [drawing for name, drawing in drawings.items() if not name.startswith("claim-")],
        "legend": verdicts.MEANINGS,
        "claims": [
            {
                "verdict": one.verdict,
                "kind": one.verdict.lower().replace(" ", "-"),
                "says": one.claim.says,
                "depends_on": one.depends_on,
                "origin": study.sweep.claims_origin.get(one.name, "declared"),
                "text": sentences.claim_text(study, one),
                "figures": [drawing for name, drawing in drawings.items() if name.startswith(f"claim-{place}-")],
            }
            for place, one in enumerate(study.decisions, 1)
        ],
        "counted": sentences.counted(study),
        "declared": sentences.declared(study),
        "conditions": sentences.conditions(study),
        "runs": _run_rows(runs, study.sweep.epochs, by_run),
        "not_done": runs[runs["state"] != "done"][["name", "state", "cause", "n_epochs"]].to_dict("records"),
        "design": [
            {"knob": knob, "levels": ", ".join(as_text(level)[:_SHOWN] for level in study.cells.levels(knob)[:_LEVELS]),
             "together": knob in together, "more": max(0, len(study.cells.levels(knob)) - _LEVELS)}
            for together in [confounds.moved_together(study.cells.values)] for knob in study.cells.moving
        ],
        "explored": _explored_rows(study.explored),
        "n_explored": len(study.explored),
        "cells": [
            {"name": name, "n": int((runs.loc[runs["cell_key"] == cell, "state"] == "done").sum()),
             "planned": int((runs["cell_key"] == cell).sum()), "seconds": float(per_cell.get(cell, float("nan")))}
            for cell, name in study.cells.names.items()
        ],
        "cost": {
            "training_min": float(by_run.sum()) / 60,
            "wall_min": float(ended - began) / 60000 if pd.notna(began) and pd.notna(ended) else None,
            "workers": n_workers(runs, by_run),
        },
        "provenance": _provenance(study),
    }  # fmt: skip


def _run_rows(runs: pd.DataFrame, epochs: pd.DataFrame, seconds: pd.Series) -> list[dict[str, Any]]:
    """Every planned run, with where MLflow holds it."""
    last = epochs.groupby("run_key")["test/accuracy"].last().reindex(runs.index)
    shown = runs[["name", "state", "run_id"]].assign(accuracy=last, seconds=seconds.reindex(runs.index))
    return list(shown.to_dict("records"))


def _explored_rows(explored: pd.DataFrame) -> list[dict[str, str]]:
    """The exploratory contrasts in words, in units that people use."""
    return [
        {
            "contrast": str(row["contrast"]),
            "metric": str(row["metric"]),
            "estimate": sentences.amount(row["estimate"], metric, sign=True),
            "interval": " to ".join(
                sentences.amount(row[end], metric, sign=True, unit=False) for end in ("low", "high")
            ),
            "n": str(row["n_seeds"]),
            "p": sentences.p_text(row["p_t"]),
            "p_bh": sentences.p_text(row["p_bh"]),
        }
        for row in explored.head(_SHOWN).to_dict("records")
        for metric in [parse_reduction(row["metric"])]
    ]


def _provenance(study: Study) -> list[tuple[str, str]]:
    """What was trained with what, each with all the values it has among the runs."""
    runs = study.sweep.runs
    rows = [("sweep", f"{study.sweep.name}, key {study.sweep.key}"), ("command", study.sweep.command)]
    rows.append(("claims", f"SHA-256 {study.sweep.claims_sha256}"))
    for column in [c for c in (*_PROVENANCE, *sorted(c for c in runs if str(c).startswith("version."))) if c in runs]:
        found = sorted({str(value) for value in runs[column].dropna()})
        rows.append((column, ", ".join(found) or "not recorded"))
    return rows


def _drawings(study: Study, published: pd.DataFrame | None) -> dict[str, Drawing]:
    drawn: dict[str, Drawing] = {}

    def draw(name: str, caption: str, figure: Any) -> None:
        if figure is not None:
            drawn[name] = Drawing(name, caption, *figures.drawn(figure))

    if len(study.sweep.epochs):
        for curve in _CURVES:
            caption = f"{curve}: mean over the seeds of each cell, and each epoch's 95 % t interval."
            if len(study.cells.names) > figures.MAX_CURVES:
                caption += f" The first {figures.MAX_CURVES} of {len(study.cells.names)} cells."
            draw(f"curves-{curve.replace('/', '-')}", caption, figures.learning_curves(study, curve))
    if published is not None:
        draw("published", "The published test accuracy over the band of our runs, ours in test mode and, for a network"
             " with dropout, as the published script measured it: with the masks on.",
             figures.published(study, published))  # fmt: skip
    draw("forest", "Every testable claim, in units of its margin (grey).", figures.forest(study))
    draw("contrasts", "Every main effect on the final test accuracy, declared or not, each with its own 95 % interval:"
         " for finding the next question.", figures.contrasts(study))  # fmt: skip
    for place, one in enumerate(study.decisions, 1):
        told = f"{one.name[:_SHOWN]}: "
        draw(f"claim-{place}-seeds", told + "every seed, joined, and the differences with their interval;"
             " the margin in grey.", figures.estimation_plot(study, one))  # fmt: skip
        draw(f"claim-{place}-epochs", told + "the contrast at every epoch; thin lines are seeds.",
             figures.contrast_curve(study, one))  # fmt: skip
        draw(f"claim-{place}-levels", told + "the effect at each level of the other knobs.",
             figures.interaction_plot(one))  # fmt: skip
    return drawn


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame whose columns have one type each: what is no number, text or truth value becomes its JSON."""
    shown = frame.reset_index(drop=True)
    for name in shown.columns[shown.dtypes.map(pd.api.types.is_object_dtype)]:
        values = shown[name]
        kinds = {type(value) for value in values.dropna()}
        if not (kinds <= {str} or kinds <= {bool} or kinds <= {int, float}):
            shown[name] = [None if value is None else as_text(value) for value in values]
    return shown


def _inert(value: Any) -> Any:
    """A cell of a CSV that no spreadsheet takes for a formula."""
    return "'" + value if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t") else value


def _markdown_text(value: Any) -> str:
    """A text that stays text in Markdown: one line, its marks escaped, cut where nobody reads on."""
    line = " ".join(str(value).split())
    line = line if len(line) <= _SHOWN * 5 else line[: _SHOWN * 5] + "\N{HORIZONTAL ELLIPSIS}"
    return "".join(f"\\{letter}" if letter in r"\`*_{}[]<>#|$~&" else letter for letter in line)
