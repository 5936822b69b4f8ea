"""The table of a sweep's cells at its end, from the journals of its runs."""

import shutil
import sys
from collections.abc import Callable

from runner.errors import printable
from runner.plan.cells.designs import ONE_AT_A_TIME
from runner.plan.plan import Plan
from runner.record import as_text, cells_table
from runner.record.cell_runs import CellRuns, EndedRun, short_names
from runner.state.journals import Journals


def cell_runs(plan: Plan, journals: Journals) -> list[CellRuns]:
    """The cells of a plan, with what the journals say of their runs."""
    names, cells = short_names(plan.swept), []
    for runs in plan.cells.values():
        records = [(run.config.seed, journals[run.run_key]) for run in runs]
        ended = [
            EndedRun(seed, record.status, record.last, record.seconds) for seed, record in records
        ]
        knobs = {names.get(knob, knob): as_text(value) for knob, value in runs[0].knobs.items()}
        cells.append(CellRuns(knobs, ended))
    return cells


def print_table(plan: Plan, journals: Journals, to: Callable[[str], str] = str) -> None:
    """The cells' table on standard output, in as many columns as the terminal has room for."""
    base, names = None, short_names(plan.swept)
    if plan.design is not None and plan.design.kind == ONE_AT_A_TIME:
        base = {names.get(knob, knob): as_text(of) for knob, of in plan.design.around.items()}
    lines = cells_table.lines(
        plan.name,
        cell_runs(plan, journals),
        shutil.get_terminal_size().columns,
        base,
        to,
        cells_table.is_ascii(sys.stdout),
    )
    print("\n".join(map(printable, lines)), flush=True)
