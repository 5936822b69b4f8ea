"""The table of a sweep's cells in lines for a terminal: the last epoch of each, over its seeds."""

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TextIO

from rich.cells import cell_len

from runner.record import DIVERGED, FAILED
from runner.record.cell_runs import (
    BESIDE,
    CellRuns,
    cell_label,
    heading,
    less_base,
    shown_metrics,
    written,
)
from runner.system import language
from runner.system.language import say

#: How runs ended that are counted beside those that are averaged.
_COUNTED = {FAILED: say("failed"), DIVERGED: say("diverged")}
#: Spaces between two columns.
_GAP = 2
_INDENT = "  "


def lines(
    name: str,
    cells: Sequence[CellRuns],
    width: int,
    base: Mapping[str, str] | None = None,
    to: Callable[[str], str] = str,
    is_ascii: bool = False,
) -> list[str]:
    """The table, in as many columns as there is room for.

    Where the knobs alone leave no room for a metric, the name of each cell is above its numbers.

    Parameters
    ----------
    name
        Of the sweep.
    width
        Columns of the terminal.
    base
        The values of the knobs around which cells were moved one at a time; None for other designs.
    to
        Says a text in the reader's language.
    is_ascii
        Whether the terminal shows no other letters.
    """
    plus_minus, rule = ("+-", "-") if is_ascii else ("±", "─")
    common = _common(cells) if base is None else base
    title = say(
        "{name}: mean {plus_minus} sd over seeds, last epoch", name=name, plus_minus=plus_minus
    )
    text = _wrapped(to(title), width)
    if common:
        around = "in all cells: {knobs}" if base is None else "base: {knobs}"
        text += _wrapped(to(say(around, knobs=cell_label(common))), width, _INDENT)
    labels = _labels(cells, base, to)
    counts = _counts(cells, to)
    metrics = _metrics(cells, base, to, plus_minus)
    for are_broken in (False, True):
        shown = _fitting([*labels, *counts], metrics, width, are_broken)
        if all(column in shown for column in metrics if column.matters):
            break
    if not shown and metrics:
        are_broken, shown = True, _fitting(counts, metrics, width, True) or metrics[:1]
        rows = _Rows([*counts, *shown], are_broken)
        names = [" ".join(f"{c.heading}={c.texts[i]}" for c in labels) for i in range(len(cells))]
        table = [*rows.head, rule * rows.width]
        for i, row in enumerate(rows.body):
            table += [*_wrapped(names[i], width), _INDENT + row]
    else:
        rows = _Rows([*labels, *counts, *shown], are_broken)
        table = [*rows.head, rule * rows.width, *rows.body]
    left_out = [column.heading for column in metrics if column.matters and column not in shown]
    if left_out:
        no_room = say(
            "no room here for: {columns} (python -m analysis --table FILE)",
            columns=", ".join(left_out),
        )
        table += _wrapped(to(no_room), width)
    return text + table


def heading_lines(heading: str, width: int) -> list[str]:
    """A heading as lines of at most `width` columns, broken between words and parts of names."""
    return _joined(_parts(heading), width)


def is_ascii(stream: TextIO) -> bool:
    """Whether a stream has no letters for the signs of the table."""
    return not language.has_letters(stream, "±─")


@dataclass(frozen=True, eq=False)
class _Column:
    heading: str
    texts: list[str]
    matters: bool = True
    is_left: bool = field(default=False, kw_only=True)

    def width(self, is_broken: bool) -> int:
        pieces = _parts(self.heading) if is_broken else [self.heading]
        return max(cell_len(text.rstrip()) for text in (*pieces, *self.texts))


@dataclass(frozen=True)
class _Rows:
    """Columns side by side."""

    columns: list[_Column]
    are_broken: bool

    @property
    def width(self) -> int:
        return _taken(self.columns, self.are_broken)

    @cached_property
    def _widths(self) -> list[int]:
        return [column.width(self.are_broken) for column in self.columns]

    @property
    def head(self) -> list[str]:
        """The headings, each over the foot of its column."""
        broken = [
            heading_lines(column.heading, width)
            for column, width in zip(self.columns, self._widths, strict=True)
        ]
        height = max(map(len, broken))
        stacks = [[""] * (height - len(stack)) + stack for stack in broken]
        return [self._row([stack[i] for stack in stacks]) for i in range(height)]

    @property
    def body(self) -> list[str]:
        n_rows = len(self.columns[0].texts)
        return [self._row([column.texts[i] for column in self.columns]) for i in range(n_rows)]

    def _row(self, texts: list[str]) -> str:
        padded = []
        for column, width, text in zip(self.columns, self._widths, texts, strict=True):
            space = " " * (width - cell_len(text))
            padded.append(text + space if column.is_left else space + text)
        return (" " * _GAP).join(padded).rstrip()


def _common(cells: Sequence[CellRuns]) -> dict[str, str]:
    """The knobs that have one value in all of several cells."""
    first, *others = [cell.knobs for cell in cells]
    return {
        knob: text
        for knob, text in first.items()
        if others and all(other.get(knob) == text for other in others)
    }


def _labels(
    cells: Sequence[CellRuns], base: Mapping[str, str] | None, to: Callable[[str], str]
) -> list[_Column]:
    """A column a knob that moves; one of what differs, where knobs move one at a time."""
    if base is not None:
        texts = [to(cell.label(base)) for cell in cells]
        return [_Column(to(say("cell")), texts, is_left=True)]
    common = _common(cells)
    knobs = dict.fromkeys(knob for cell in cells for knob in cell.knobs if knob not in common)
    columns = [_Column(k, [c.knobs.get(k, "-") for c in cells], is_left=True) for k in knobs]
    return columns or [_Column(to(say("cell")), [to(say("all"))] * len(cells), is_left=True)]


def _counts(cells: Sequence[CellRuns], to: Callable[[str], str]) -> list[_Column]:
    """How many runs are averaged, and how many ended otherwise, where any did."""
    columns = [_Column(to(say("n")), [str(len(cell.done)) for cell in cells])]
    for state, said in _COUNTED.items():
        counts = [sum(run.state == state for run in cell.runs) for cell in cells]
        if any(counts):
            columns.append(_Column(to(said), list(map(str, counts))))
    return columns


def _metrics(
    cells: Sequence[CellRuns],
    base: Mapping[str, str] | None,
    to: Callable[[str], str],
    plus_minus: str,
) -> list[_Column]:
    """A column a metric, the most important first."""
    columns = []
    for metric in shown_metrics(cells):
        texts = [written(metric, list(cell.values(metric).values()), plus_minus) for cell in cells]
        columns.append(_Column(to(heading(metric)), texts, metric not in BESIDE))
    of_base = [cell for cell in cells if base is not None and not cell.moved(base)]
    if of_base and columns:
        less = [less_base(cell, of_base[0], "test/accuracy") for cell in cells]
        texts = [
            f"{100 * statistics.fmean(of):+.2f}" if of and cell not in of_base else "-"
            for cell, of in zip(cells, less, strict=True)
        ]
        columns.insert(1, _Column(to(say("points vs base")), texts))
    seconds = [[run.seconds for run in cell.done] for cell in cells]
    texts = [f"{statistics.fmean(of):.1f}" if of else "-" for of in seconds]
    place = sum(column.matters for column in columns)
    columns.insert(place, _Column(to(say("s/run")), texts, matters=False))
    return columns


def _fitting(
    needed: list[_Column], wanted: list[_Column], width: int, are_broken: bool
) -> list[_Column]:
    """Those of the wanted columns that fit beside the needed ones, the first of them first."""
    shown: list[_Column] = []
    for column in wanted:
        if _taken([*needed, *shown, column], are_broken) <= width:
            shown.append(column)
        elif not shown:
            break
    return shown


def _taken(columns: list[_Column], are_broken: bool) -> int:
    return sum(column.width(are_broken) for column in columns) + _GAP * (len(columns) - 1)


def _parts(heading: str) -> list[str]:
    """A heading in what is never broken: words, and the parts of a knob's name."""
    return heading.replace("_", "_\0").replace(" ", " \0").split("\0")


def _wrapped(text: str, width: int, indent: str = "") -> list[str]:
    """A text as lines of at most `width` columns; a word that is longer has a line of its own."""
    return _joined(text.replace(" ", " \0").split("\0"), width, indent)


def _joined(pieces: Iterable[str], width: int, indent: str = "") -> list[str]:
    joined, line = [], indent
    for piece in pieces:
        if line.strip() and cell_len(line + piece.rstrip()) > width:
            joined.append(line.rstrip())
            line = indent
        line += piece
    return [*joined, line.rstrip()]
