"""The table of a sweep's cells: the last epoch of each, as the mean over its seeds."""

import statistics
import sys
from collections.abc import Callable
from typing import Any

from runner.plan.plan import Plan
from runner.record import DIVERGED, DONE, FAILED, as_text, short
from runner.state.journals import Journals
from runner.system.language import say

#: Columns of the table: heading and metric, all of the last epoch.
_COLUMNS = (
    ("train loss", "train/loss"),
    ("train acc", "train/accuracy"),
    ("test loss", "test/loss"),
    ("test acc", "test/accuracy"),
    ("masked test acc", "test_masked/accuracy"),
)
#: Those of metrics that not every run has: of the validation images, and the first of the user's
#: own, as many as fit beside the others.
_VALIDATION = ("val acc", "val/accuracy")
_N_OWN = 3


def cells_table(plan: Plan, journals: Journals, to: Callable[[str], str] = str) -> Any:
    """A rich table, one row a cell: mean over its seeds of the last epoch, n, failed runs.

    Only runs that are done are averaged; diverged and failed ones are counted beside. `to` says the
    headings in the reader's language.
    """
    from rich.table import Table

    table = Table(
        title=f"{plan.name}: {to(say('mean over seeds, last epoch'))}",
        title_justify="left",
        title_style="bold",
    )
    knobs = list(plan.swept)
    for knob in knobs or ["cell"]:
        table.add_column(short(knob))
    columns = _columns(plan, journals)
    for heading, _ in columns:
        table.add_column(to(say(heading)), justify="right")
    for heading in ("s/run", "n", "failed", "diverged"):
        table.add_column(to(say(heading)), justify="right")
    for runs in plan.cells.values():
        ended = [journals[run.run_key] for run in runs]
        done = [journal for journal in ended if journal.status == DONE]
        row = [as_text(runs[0].knobs[knob]) for knob in knobs] or ["all"]
        for _, metric in columns:
            values = [journal.last[metric] for journal in done if metric in journal.last]
            row.append(f"{statistics.fmean(values):.4f}" if values else "-")
        row.append(f"{statistics.fmean(journal.seconds for journal in done):.1f}" if done else "-")
        statuses = [journal.status for journal in ended]
        row += [str(len(done)), str(statuses.count(FAILED)), str(statuses.count(DIVERGED))]
        table.add_row(*row)
    return table


def _columns(plan: Plan, journals: Journals) -> list[tuple[str, str]]:
    own = list(dict.fromkeys(name for run in plan.runs for name in run.config.metrics))
    recorded = {name for run in plan.runs for name in journals[run.run_key].last}
    others = [_VALIDATION, *((name, name) for name in own)]
    present = [column for column in others if column[1] in recorded]
    n_shown = _N_OWN + (_VALIDATION in present)
    return [*_COLUMNS, *present[:n_shown]]


def print_table(plan: Plan, journals: Journals, to: Callable[[str], str] = str) -> None:
    """The cells' table on standard output, as wide as it needs to be where there is no terminal."""
    from rich.console import Console

    # A knob's value is text, not Rich's markup.
    plain: dict[str, Any] = {"markup": False, "emoji": False}
    console = (
        Console(**plain) if sys.stdout.isatty() else Console(**plain, width=160, no_color=True)
    )
    console.print(cells_table(plan, journals, to))
