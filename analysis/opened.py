"""A sweep in Python: what `runner.sweep` and `runner.open` give to a notebook or a script."""

from pathlib import Path
from typing import Any

import pandas as pd

from analysis.decide.question import asked, check_recorded
from analysis.decide.study import study
from analysis.read import runs
from analysis.read.runs import Sweep
from analysis.report import answers, cells_table, inline, tables, words, write
from analysis.report.inline import Question
from analysis.report.pictures import curves
from analysis.report.pictures.plots import ShownFigure
from analysis.report.words import of_sweep
from runner.state.root import Root
from runner.system.language import spoken
from runner.tracking.store import arguments


class Opened:
    """A sweep as the tracking store held it when it was opened, with its claims decided.

    Attributes
    ----------
    name, key
        Of the sweep.
    study
        The sweep with its cells and decisions: what the report is made of.
    """

    def __init__(self, sweep: Sweep, root: Root) -> None:
        """Decide the claims of a sweep; below the root its report is written."""
        self.study, self._root = study(sweep, runs.correct), root
        self.name, self.key = sweep.name, sweep.key

    @classmethod
    def of(
        cls, sweep: str | None, root: Root, uri: str | None = None, experiment: str | None = None
    ) -> "Opened":
        """A sweep of a store; the store and the experiment by default as of `python -m analysis`.

        Raises
        ------
        StoreError
            As `runs.read`.
        """
        store = uri or arguments.default_uri() or runs.local_uri(root.path)
        return cls(runs.read(store, experiment or arguments.default_experiment(), sweep), root)

    @property
    def runs(self) -> pd.DataFrame:
        """One row a planned run (index run_key): its cell, seed, state and every knob by name."""
        return self.study.sweep.runs

    @property
    def epochs(self) -> pd.DataFrame:
        """One row a run and epoch: `run_key`, `epoch`, and a column a metric."""
        return self.study.sweep.epochs

    @property
    def knobs(self) -> dict[str, list[Any]]:
        """The groups and knobs that move, each with its levels."""
        return {knob: self.study.cells.levels(knob) for knob in self.study.cells.moving}

    @property
    def claims(self) -> pd.DataFrame:
        """One row a declared claim (index its name), with its answer and the numbers behind it.

        `estimate`, `low` and `high` are in the metric's own units, at the claim's part of 5 %; `p`
        is that of the direction, before Holm's adjustment over the claims, and `p_holm` after it.
        """
        frame = tables.claims_frame(self.study).rename(columns={"says": "sentence", "n_seeds": "n"})
        frame["answer"] = [str(answers.WORDS[verdict]) for verdict in frame["verdict"]]
        columns = ["sentence", "answer", "verdict", "estimate", "low", "high", "n", "p", "p_holm"]
        return frame.set_index("claim")[columns].astype({"n": "Int64"})

    def table(self) -> pd.DataFrame:
        """One row a cell: its levels, its runs done, and the means and sds of the last epoch."""
        return cells_table.cells_frame(self.study)

    def contrast(
        self,
        knob: str,
        metric: str,
        levels: list[Any] | None = None,
        at: dict[str, Any] | None = None,
    ) -> Question:
        """Ask a question of one's own: what a knob does to a metric, within each seed.

        It is exploratory: a question that was asked after the runs earns no verdict.

        Parameters
        ----------
        metric
            A number of a run: `final(M)`, `last(K, M)`, `auc(M)` or `epochs_to(M, T)`, with M a
            column of `epochs`; or `diverges`.
        levels
            `[this, that]`: what is compared, and with what. None for a knob of two levels: the
            larger number against the smaller, true against false, else the second against the
            first.
        at
            Other knobs held at one level; None for the mean over all their settings.

        Raises
        ------
        ValueError
            For no such metric, knob, levels or setting, with those that there are.
        """
        return Question(asked(self.study, knob, metric, levels, at))

    def plot(self, metric: str) -> ShownFigure:
        """Draw a column of `epochs`: a line a cell, the mean of its seeds with a 95 % t interval.

        Raises
        ------
        ValueError
            For a metric that no run recorded, with those that were.
        """
        check_recorded(self.study, metric)
        is_few = len(self.study.cells.names) <= curves.MAX_LINES
        draw = curves.by_metric if is_few else curves.by_cell
        return draw(self.study, (metric,))

    def report(self, out: str | Path | None = None, language: str = "auto") -> Path:
        """Write the report, as `python -m analysis` does, and return its HTML file.

        Parameters
        ----------
        out
            Its folder; by default below `reports/` of the root.
        language
            Of the answers: en, ja, or auto for that of the locale.

        Raises
        ------
        StoreError, OSError
            When the folder holds something that is no report, or cannot be written.
        """
        folder = Path(out) if out else None
        return write.report(self.study, self._root, folder, spoken(language))

    def __repr__(self) -> str:
        return f"{self.name} ({self.key[:8]}): {of_sweep.counted(self.study)}"

    def _repr_html_(self) -> str:
        return inline.html(self.study, words.speaking(spoken("auto")))
