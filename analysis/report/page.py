"""What the report's page shows: the content of the HTML file and of the same as Markdown."""

import re
from functools import cache
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from analysis.decide import verdicts
from analysis.decide.beside.more_seeds import n_workers
from analysis.decide.decision import Decision
from analysis.decide.study import Study
from analysis.design import confounds, fractions
from analysis.design.cells import distinct, level_as_text
from analysis.report import answers, numbers, sentences, words
from analysis.report.paper_table import PaperTable, paper_table
from analysis.report.pictures.drawings import Drawing
from analysis.report.words import of_sweep
from runner.record import DONE, UI_PORT, parse_reduction, seconds_spent
from runner.system.language import ENGLISH, say

HTML, MARKDOWN = "report.html", "report.md"
#: The answers alone, which the sweep's description in MLflow shows.
ANSWERS = "answers.md"
#: What a run's provenance is made of, besides the versions of packages.
_PROVENANCE = (
    "code",
    "git.commit",
    "git.dirty",
    "device",
    "card",
    "processor",
    "engine",
    "data.sha256",
)
#: What the page says of the effect of a factor that moves.
ALONE = "can be told from that of the others"
TOGETHER = "cannot be told from that of the others: they moved together"
_NO_CLAIM = "No claim was declared, so nothing is decided here; the curves are below."
#: What it says of effects that a fraction cannot tell apart.
ALIASED_MAIN = "a knob's effect cannot be told from that of two others together"
ALIASED = "two knobs together: which of these pairs acts cannot be told"
#: The parts of the page below its answers, by their ids.
_CONTENTS = {
    "cells": "The cells",
    "curves": "The curves",
    "claims": "Each claim",
    "apart": "What can be told apart",
    "not-done": "Runs that are not done",
    "time": "Time",
    "origin": "Where it comes from",
    "verdicts": "The verdicts",
}
#: How many exploratory contrasts the page lists, and how many levels of a knob.
_N_CONTRASTS, _N_LEVELS = 200, 12
#: How much of a level, and of any text in Markdown, is shown.
_N_LETTERS, _N_LETTERS_MARKDOWN = 200, 1000


def pages(study: Study, drawings: list[Drawing], language: str = ENGLISH) -> dict[str, str]:
    """The page, its Markdown and its answers by their files' names; answers in a language."""
    content, environment = _content(study, drawings, language), _environment()
    names = (HTML, MARKDOWN, ANSWERS)
    return {name: environment.get_template(f"{name}.j2").render(content) for name in names}


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("analysis.report"),
        autoescape=lambda name: name is not None and ".html" in name,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["md"] = _markdown_text
    return environment


def _content(study: Study, drawings: list[Drawing], language: str) -> dict[str, Any]:
    """Everything that the two templates name; `to` says it in the reader's language."""
    to = words.speaking(language)
    runs, epochs = study.sweep.runs, study.sweep.epochs
    seconds = epochs.assign(s=seconds_spent(epochs)).groupby("run_key")["s"].sum()
    counted, declared = of_sweep.counted(study), of_sweep.declared(study)
    conditions = of_sweep.conditions(study)
    return {
        "sweep": study.sweep,
        "language": language,
        "to": to,
        "contents": _CONTENTS,
        "figures": {d.name: d for d in drawings if not d.name.startswith("claim-")},
        "legend": {
            f"{to(answers.WORDS[verdict])} ({verdict})": meaning
            for verdict, meaning in verdicts.MEANINGS.items()
        },
        "claims": [
            _claim(study, decision, [d for d in drawings if d.name.startswith(f"claim-{place}-")])
            for place, decision in enumerate(study.decisions, 1)
        ],
        "counted": counted,
        "declared": declared,
        "conditions": conditions,
        "head": say("{counted}. {declared}", counted=counted, declared=declared),
        "under": say("Under: {conditions}.", conditions=conditions),
        "no_claim": say(_NO_CLAIM),
        "test_reads": of_sweep.test_reads(study),
        "runs": _run_rows(runs, epochs, seconds),
        "mlflow": _mlflow_pages(study.sweep.uri),
        "not_done": runs[runs["state"] != DONE][
            ["name", "state", "cause", "n_epochs", "run_id"]
        ].to_dict("records"),
        "design": _knob_rows(study),
        "designed": of_sweep.designed(study),
        "aliases": _alias_rows(study),
        "exploratory": _contrast_rows(study.exploratory.head(_N_CONTRASTS)),
        "n_exploratory": len(study.exploratory),
        "cells": _cells(paper_table(study)),
        "cost": _cost(runs, seconds),
        "provenance": _provenance(study),
    }


def _claim(study: Study, decision: Decision, drawings: list[Drawing]) -> dict[str, Any]:
    return {
        "kind": decision.verdict.lower().replace(" ", "-"),
        "verdict": decision.verdict,
        "answer": answers.answer(study, decision),
        "marks": of_sweep.marks(study, decision),
        "text": sentences.claim_text(study, decision),
        "figures": drawings,
    }


def _run_rows(runs: pd.DataFrame, epochs: pd.DataFrame, seconds: pd.Series) -> list[dict[str, Any]]:
    """Every planned run, with where MLflow holds it."""
    last = epochs.groupby("run_key")["test/accuracy"].last().reindex(runs.index)
    shown = runs[["name", "state", "run_id"]].assign(
        accuracy=last, seconds=seconds.reindex(runs.index)
    )
    return list(shown.to_dict("records"))


def _cells(table: PaperTable) -> dict[str, Any]:
    """The columns and rows of a table, each entry with whether it is in bold, and its notes."""
    rows = [
        [(text, (row, column) in table.bold) for column, text in enumerate(texts)]
        for row, texts in enumerate(table.texts.to_numpy().tolist())
    ]
    return {"columns": list(table.texts), "rows": rows, "notes": table.notes}


def _mlflow_pages(uri: str) -> dict[str, Any] | None:
    """Where MLflow shows the runs of a store: on its server, or on this machine's own pages."""
    if uri.startswith(("http://", "https://")):
        return {"address": re.sub("//[^/]*@", "//", uri).rstrip("/"), "is_local": False}
    if uri.startswith("sqlite:"):
        return {"address": f"http://127.0.0.1:{UI_PORT}", "is_local": True}
    return None


def _knob_rows(study: Study) -> list[dict[str, Any]]:
    """Every factor that moves, its levels, and whether its effect can be told from the others'.

    Below a group are the knobs that are part of it.
    """
    cells = study.cells
    together = confounds.moved_together(cells.values[cells.moving])
    rows = []
    for factor in cells.moving:
        effect = TOGETHER if factor in together else ALONE
        if cells.design and fractions.aliased_with(cells.design, [factor]):
            effect = ALIASED_MAIN
        rows.append(_knob_row(factor, cells.levels(factor), effect))
        for knob, of_level in cells.parts.get(factor, {}).items():
            effect = f"is part of the effect of {factor}"
            rows.append(_knob_row(knob, distinct(of_level.values()), effect))
    return rows


def _knob_row(name: str, levels: list[Any], effect: str) -> dict[str, Any]:
    shown = ", ".join(level_as_text(level)[:_N_LETTERS] for level in levels[:_N_LEVELS])
    n_others = max(0, len(levels) - _N_LEVELS)
    return {"name": name, "levels": shown, "n_others": n_others, "effect": effect}


def _alias_rows(study: Study) -> list[dict[str, str]]:
    """Of a fraction: each set of effects that it cannot tell apart, and what that means."""
    design = study.cells.design
    return [
        {
            "effects": " = ".join(map(fractions.effect_name, effects)),
            "means": ALIASED_MAIN if len(effects[0]) == 1 else ALIASED,
        }
        for effects in (design.aliases if design else [])
    ]


def _contrast_rows(contrasts: pd.DataFrame) -> list[dict[str, str]]:
    """Exploratory contrasts in words, in units that people use."""
    rows = []
    for row in contrasts.to_dict("records"):
        metric = parse_reduction(row["metric"])
        low, high = (
            numbers.amount(row[end], metric, sign=True, unit=False) for end in ("low", "high")
        )
        rows.append(
            {
                "contrast": str(row["contrast"]),
                "metric": str(row["metric"]),
                "estimate": numbers.amount(row["estimate"], metric, sign=True),
                "interval": f"{low} to {high}",
                "n": str(row["n_seeds"]),
                "p": numbers.p_text(row["p_t"]),
                "p_bh": numbers.p_text(row["p_bh"]),
            }
        )
    return rows


def _cost(runs: pd.DataFrame, seconds: pd.Series) -> dict[str, Any]:
    began, ended = runs["start_ms"].min(), runs["end_ms"].max()
    wall_min = float(ended - began) / 60000 if pd.notna(began) and pd.notna(ended) else None
    return {
        "training_min": float(seconds.sum()) / 60,
        "wall_min": wall_min,
        "workers": n_workers(runs, seconds),
    }


def _provenance(study: Study) -> list[tuple[str, str]]:
    """Each thing that the runs were trained with, and all the values that it has among them."""
    sweep, runs = study.sweep, study.sweep.runs
    rows = [("sweep", f"{sweep.name}, key {sweep.key}"), ("command", sweep.command)]
    rows.append(("claims", f"SHA-256 {sweep.claims_sha256}"))
    packages = sorted(str(column) for column in runs if str(column).startswith("version."))
    for column in (*_PROVENANCE, *packages):
        if column in runs:
            values = sorted({str(value) for value in runs[column].dropna()})
            rows.append((column, ", ".join(values) or "not recorded"))
    return rows


def _markdown_text(value: Any) -> str:
    """A text that stays text in Markdown: one line, marks escaped, cut where it is long."""
    line = " ".join(str(value).split())
    if len(line) > _N_LETTERS_MARKDOWN:
        line = line[:_N_LETTERS_MARKDOWN] + "\N{HORIZONTAL ELLIPSIS}"
    return "".join(f"\\{letter}" if letter in r"\`*_{}[]<>#|$~&" else letter for letter in line)
