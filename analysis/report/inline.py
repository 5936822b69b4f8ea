"""What a notebook shows of a sweep and of a question of one's own: HTML without a page around."""

from collections.abc import Callable
from html import escape
from math import nan
from typing import Any

import pandas as pd

from analysis.decide.decision import Decision
from analysis.decide.study import Study
from analysis.report import answers, cells_table, sentences, words
from analysis.report.numbers import amount, between, level_text
from analysis.report.words import of_sweep
from analysis.statistics.intervals import Interval
from runner.errors import printable
from runner.record import parse_reduction
from runner.system.language import say, spoken

#: Said of every question that was asked of runs that were there.
_EXPLORATORY = say(
    "Exploratory: asked after the runs, so it earns no verdict. Declare it as a claim before the"
    " next seeds."
)


class Question:
    """What the seeds say of a contrast that nobody declared.

    Attributes
    ----------
    contrast, metric
        What is compared, such as `dropout=true minus dropout=false`, and by which number of a run.
    estimate, low, high, level
        The difference and its interval, in the metric's units; nan where it cannot be computed.
    n, p
        How many seeds there are, and the p value of the direction.
    by
        What is judged: the mean of the seeds, or their median where their luck is uneven.
    reason
        Why the runs do not allow it; empty otherwise.
    seeds
        One row a seed: both sides and their difference.
    settings
        One row a setting of the other knobs that move: the difference there with its interval. All
        rows share the 5 %.
    """

    def __init__(self, decision: Decision) -> None:
        self._decision, self.reason = decision, str(decision.reason)
        bounds, contrast = decision.bounds, decision.contrast
        interval = bounds.interval if bounds else Interval(nan, nan, nan, nan, 0, nan, nan)
        self.contrast = contrast.label if contrast else ""
        self.metric, self.by = decision.claim.metric, str(decision.by)
        self.estimate, self.low, self.high = interval.estimate, interval.low, interval.high
        self.level, self.n, self.p = interval.level, interval.n, decision.p
        that, this = contrast.sides[::-1] if contrast else ("", "")
        sides = pd.DataFrame(decision.both_sides, decision.per_seed.index, [that, this])
        self.seeds = sides.assign(difference=decision.per_seed)
        ends = [
            (setting.name, s.estimate, s.low, s.high)
            for setting in decision.settings
            for s in [setting.interval]
        ]
        columns = ["at", "estimate", "low", "high"]
        self.settings = pd.DataFrame(ends, columns=columns).set_index("at")

    def __repr__(self) -> str:
        return f"{self._finding()}\n{_EXPLORATORY}"

    def _repr_html_(self) -> str:
        exploratory = words.speaking(spoken("auto"))(_EXPLORATORY)
        parts = [f"<p>{escape(self._finding())}<br><small>{escape(exploratory)}</small></p>"]
        parts += [f._repr_html_() for f in (self.settings, self.seeds) if len(f)]
        return "\n".join(parts)

    def _finding(self) -> str:
        measured = sentences.measured(self._decision.claim)
        if self._decision.bounds is None:
            return printable(f"{measured}: NOT TESTABLE: {self.reason}.")
        interval, metric = self._decision.bounds.interval, parse_reduction(self.metric)
        difference = amount(interval.estimate, metric, sign=True)
        where = " in the median seed" if self._decision.by_median else ""
        return printable(
            f"{measured}, {self.contrast}: {difference}{where} ({level_text(interval)}"
            f" {between(interval, metric)}, n = {interval.n} seeds)."
        )


def html(study: Study, to: Callable[[str], str] = str) -> str:
    """A sweep: what it holds, the answers to its claims, and its cells.

    Parameters
    ----------
    to
        Says a text in the reader's language.
    """

    def said(text: Any) -> str:
        return escape(printable(" ".join(to(text).split())))

    sweep = study.sweep
    rows = []
    for decision in study.decisions:
        answer = answers.answer(study, decision)
        marks = "".join(f" [{said(mark)}]" for mark in of_sweep.marks(study, decision))
        found = "".join(f"<br>{said(sentence)}" for sentence in answer.found)
        word = f'<td style="text-align: left"><b>{said(answer.word)}</b></td>'
        says = f'<td style="text-align: left">{said(answer.says)}{marks}{found}</td>'
        rows.append(f"<tr>{word}{says}</tr>")
    under = to(say("Under: {conditions}.", conditions=of_sweep.conditions(study)))
    held = say(
        "{counted}. {declared}",
        counted=of_sweep.counted(study),
        declared=of_sweep.declared(study),
    )
    name = f"<b>{escape(printable(sweep.name))}</b> ({sweep.key[:8]})"
    return "\n".join(
        [
            f"<p>{name}: {said(held)}</p>",
            *([f"<table>{''.join(rows)}</table>"] if rows else []),
            _accuracies(study).to_html(),
            f"<p><small>{said(under)}</small></p>",
        ]
    )


def _accuracies(study: Study) -> pd.DataFrame:
    """One row a cell: its runs done, and each accuracy as mean and sd over the seeds."""
    cells = cells_table.cells_frame(study)
    shown = cells[["n"]]
    for curve in [name for name in cells if str(name).endswith("/accuracy")]:
        means, sds = cells[curve], cells[f"{curve} sd"]
        texts = [
            f"{mean:.4f}" + (f" \N{PLUS-MINUS SIGN} {sd:.4f}" if pd.notna(sd) else "")
            for mean, sd in zip(means, sds, strict=True)
        ]
        shown = shown.assign(**{str(curve): texts})
    return shown
