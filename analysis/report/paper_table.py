"""The cells' table as a file for a paper: LaTeX, Markdown, HTML, or CSV with every number."""

import html
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from analysis.decide.beside.best_cell import best_cell
from analysis.decide.claims import ALPHA
from analysis.decide.study import Study
from analysis.report import tables
from analysis.report.cells_table import TEST, base_of, cell_runs, cells_frame, less_base_interval
from analysis.report.words import of_sweep
from runner.errors import StoreError, printable
from runner.record.cell_runs import BESIDE, CellRuns, cell_label, shown_metrics, written
from runner.record.cells_table import heading_lines
from runner.system.files import write_whole

#: Headings of a paper; a metric of the user's own has its name.
_HEADINGS = {
    "test/accuracy": "Test acc. (%)",
    "train/accuracy": "Train acc. (%)",
    "test_masked/accuracy": "Test acc., dropout on (%)",
    "val/accuracy": "Val. acc. (%)",
}
#: No line of a heading in LaTeX is made narrower, in letters.
_HEADING_WIDTH = 8
_MINUS, _PLUS_MINUS = "\N{MINUS SIGN}", "\N{PLUS-MINUS SIGN}"
#: What LaTeX would obey, and how it is written.
_LATEX = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    _PLUS_MINUS: r"$\pm$", _MINUS: "$-$", "<": "$<$", ">": "$>$", "|": "$|$",
} | {letter: f"\\{letter}" for letter in "&%$#_{}"}  # fmt: skip


@dataclass(frozen=True)
class PaperTable:
    """The table in texts, with what stands above and below it."""

    caption: str
    #: One row a cell.
    texts: pd.DataFrame
    #: The number of columns, from the left, that are not numbers.
    n_labels: int
    #: Row and column of each entry in bold.
    bold: set[tuple[int, int]]
    #: What was computed, and how.
    notes: list[str]
    held_fixed: str

    @property
    def footnotes(self) -> list[str]:
        """All that stands below the table where it stands alone."""
        return [*self.notes, self.held_fixed]


def paper_table(study: Study) -> PaperTable:
    """The table of a study's cells.

    An entry is bold where its cell is established to be the best in that metric (`best_cell`).
    """
    cells, base = cell_runs(study), base_of(study)
    metrics = [metric for metric in shown_metrics(cells) if metric not in BESIDE]
    columns = _labels(cells, base)
    n_labels = len(columns)
    columns["n"] = [str(len(cell.done)) for cell in cells]
    for state in ("failed", "diverged"):
        counts = [sum(run.state == state for run in cell.runs) for cell in cells]
        if any(counts):
            columns[state] = list(map(str, counts))
    bold, keys = set(), list(study.cells.names)
    for metric in metrics:
        best = best_cell(study.sweep, study.cells, metric)
        if best is not None:
            bold.add((keys.index(best), len(columns)))
        values = [list(cell.values(metric).values()) for cell in cells]
        columns[_HEADINGS.get(metric, metric)] = [written(metric, of) for of in values]
        if base is not None and metric == TEST:
            columns["Difference to base (points)"] = [_less_base(c, cells, base) for c in cells]
    caption = f"{study.sweep.name}: mean {_PLUS_MINUS} standard deviation over seeds, last epoch."
    texts = pd.DataFrame(columns, dtype=object)
    held_fixed = f"Held fixed: {of_sweep.conditions(study)}."
    return PaperTable(caption, texts, n_labels, bold, _notes(base, bold), held_fixed)


def write(study: Study, path: Path) -> None:
    """Write the table; the suffix says in which form.

    Raises
    ------
    StoreError
        For a suffix that is not in `FORMS`, and where the file cannot be written.
    """
    check(path)
    text = FORMS[path.suffix](study)
    try:
        write_whole(path, text.encode("utf-8", "replace"))
    except OSError as error:
        raise StoreError(
            f"{path}: cannot be written ({error.strerror}); give another file by --table"
        ) from error


def check(path: Path) -> None:
    """Refuse a suffix that says no form.

    Raises
    ------
    StoreError
        Naming those that do.
    """
    if path.suffix not in FORMS:
        raise StoreError(f"--table {path}: its name must end in {', '.join(FORMS)}")


def latex(study: Study) -> str:
    """A `table` for the package booktabs, by pandas' own `to_latex`."""
    table = paper_table(study)
    entries = _entries(table, _latex, lambda text: rf"\textbf{{{text}}}")
    sides = "l" * table.n_labels + "r" * (len(entries.columns) - table.n_labels)
    entries.columns = pd.Index(map(_latex_heading, table.texts.items(), sides))
    lines = [
        r"% \usepackage{booktabs}",
        r"\begin{table}",
        r"\centering\small",
        rf"\caption{{{_latex(table.caption)}}}",
        entries.to_latex(index=False, escape=False, column_format=f"@{{}}{sides}@{{}}").rstrip(),
        "",
        r"\smallskip",
        r"\begin{minipage}{\linewidth}\footnotesize\raggedright",
        *map(_latex, table.footnotes),
        r"\end{minipage}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def markdown(study: Study) -> str:
    """A table between its caption and its notes."""
    table = paper_table(study)
    entries = _entries(table, _markdown, lambda text: f"**{text}**")
    n_numbers = len(entries.columns) - table.n_labels
    rows = [list(entries), ["---"] * table.n_labels + ["---:"] * n_numbers]
    rows += entries.to_numpy().tolist()
    lines = [f"| {' | '.join(row)} |" for row in rows]
    footnotes = map(_markdown, table.footnotes)
    return "\n".join([_markdown(table.caption), "", *lines, "", *footnotes]) + "\n"


def html_page(study: Study) -> str:
    """A page with nothing but the table, its caption and its notes."""
    table = paper_table(study)
    entries = _entries(table, html.escape, lambda text: f"<strong>{text}</strong>")
    body = entries.to_html(index=False, escape=False, border=0)
    caption = html.escape(table.caption)
    body = body.replace("<thead>", f"<caption>{caption}</caption>\n  <thead>", 1)
    notes = "\n".join(f"<p>{html.escape(note)}</p>" for note in table.footnotes)
    labels = f":nth-child(-n+{table.n_labels})"
    left = f"<style>th{labels}, td{labels} {{ text-align: left; }}</style>"
    return f"{_HTML_HEAD}{left}\n<title>{caption}</title>\n{body}\n{notes}\n</html>\n"


def csv(study: Study) -> str:
    """Every number of `cells_frame`."""
    return tables.csv_text(cells_frame(study))


#: By suffix.
FORMS: dict[str, Callable[[Study], str]] = {
    ".tex": latex,
    ".csv": csv,
    ".md": markdown,
    ".html": html_page,
}
_HTML_HEAD = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 1rem; overflow-x: auto; }
table { border-collapse: collapse; border-block: 2px solid; font-variant-numeric: tabular-nums; }
caption { text-align: left; } thead { border-bottom: 1px solid; }
th, td { padding: .2rem .8rem; text-align: right; }
td { white-space: nowrap; } p { font-size: .85rem; margin: .3rem 0; }
</style>
"""


def _labels(cells: list[CellRuns], base: dict[str, str] | None) -> dict[str, list[str]]:
    """A column a knob that moves; one of what differs, where knobs move one at a time."""
    knobs = dict.fromkeys(knob for cell in cells for knob in cell.knobs)
    if base is not None or not knobs:
        return {"cell": [str(cell.label(base or {})) if knobs else "all" for cell in cells]}
    return {knob: [cell.knobs.get(knob, "-") for cell in cells] for knob in knobs}


def _less_base(cell: CellRuns, cells: list[CellRuns], base: dict[str, str]) -> str:
    """`-0.42 [-0.60, -0.24]`, in points, with a minus sign."""
    interval = less_base_interval(cell, cells, base)
    if interval is None:
        return "-"
    ends = [f"{100 * end:+.2f}" for end in (interval.estimate, interval.low, interval.high)]
    estimate, low, high = (end.replace("-", _MINUS) for end in ends)
    return f"{estimate} [{low}, {high}]"


def _notes(base: dict[str, str] | None, bold: set[tuple[int, int]]) -> list[str]:
    """What was computed, and how."""
    notes = ["n: seeds that are averaged."]
    if base is not None:
        notes.append(
            f"Base: {cell_label(base)}. Differences are within seeds, each with its own 95 %"
            " t interval."
        )
    how = (
        f"than every other cell (two-sided t tests within seeds, sign tests where luck is uneven,"
        f" Holm-adjusted over the other cells, p at most {ALPHA:g})."
    )
    notes.append(f"Bold: better {how}" if bold else f"No cell is established to be better {how}")
    return notes


def _entries(
    table: PaperTable, escaped: Callable[[str], str], bold: Callable[[str], str]
) -> pd.DataFrame:
    """The headings and entries as they stand in a file."""
    entries = table.texts.map(lambda text: escaped(printable(text)))
    for row, column in table.bold:
        entries.iloc[row, column] = bold(entries.iloc[row, column])
    return entries.rename(columns=lambda name: escaped(printable(str(name))))


def _latex(text: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in text)


def _latex_heading(column: tuple[Hashable, pd.Series], side: str) -> str:
    """A heading in lines that are about as wide as what stands below it."""
    name, texts = column
    width = max(_HEADING_WIDTH, *map(len, texts))
    lines = list(map(_latex, heading_lines(printable(str(name)), width)))
    stacked = r" \\ ".join(lines)
    return rf"\shortstack[{side}]{{{stacked}}}" if len(lines) > 1 else stacked


def _markdown(text: str) -> str:
    return "".join(f"\\{letter}" if letter in r"\`*_{}[]<>#|$~&" else letter for letter in text)
