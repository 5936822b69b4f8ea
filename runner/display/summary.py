"""What a sweep prints before and after: what will be trained, and the table of its cells."""

import statistics
import sys
from pathlib import Path
from typing import Any

from runner.display.progress import count, duration
from runner.plan.plan import Plan, PlannedRun
from runner.record import DIVERGED, DONE, FAILED, as_text, seconds_spent, short
from runner.state.journal import RunFolder, read_journal

#: Columns of the table: heading and metric, all of the last epoch.
_COLUMNS = (
    ("train loss", "train/loss"),
    ("train acc", "train/accuracy"),
    ("test loss", "test/loss"),
    ("test acc", "test/accuracy"),
    ("masked test acc", "test_masked/accuracy"),
)


def cells_table(plan: Plan, root: Path) -> Any:
    """A rich table, one row a cell: mean over its seeds of the last epoch, n, failed runs.

    Only runs that are done are averaged; diverged and failed ones are counted beside.
    """
    from rich.table import Table

    table = Table(title=f"{plan.name}: mean over seeds, last epoch", title_justify="left", title_style="bold")
    knobs = list(plan.swept)
    for knob in knobs or ["cell"]:
        table.add_column(short(knob))
    for heading, _ in _COLUMNS:
        table.add_column(heading, justify="right")
    for heading in ("s/run", "n", "failed", "diverged"):
        table.add_column(heading, justify="right")
    for runs in plan.cells.values():
        journals = [read_journal(RunFolder(root / "state", run.run_key).journal) for run in runs]
        done = [journal for journal in journals if journal.status == DONE]
        last = [journal.epochs[max(journal.epochs)]["metrics"] for journal in done]
        row = [as_text(runs[0].knobs[knob]) for knob in knobs] or ["all"]
        for _, metric in _COLUMNS:
            row.append(f"{statistics.fmean(m[metric] for m in last):.4f}" if last else "-")
        spent = [sum(seconds_spent(line["metrics"]) for line in journal.epochs.values()) for journal in done]
        row.append(f"{statistics.fmean(spent):.1f}" if spent else "-")
        statuses = [journal.status for journal in journals]
        row += [str(len(done)), str(statuses.count(FAILED)), str(statuses.count(DIVERGED))]
        table.add_row(*row)
    return table


def print_table(plan: Plan, root: Path) -> None:
    """The cells' table on standard output, as wide as it needs to be where there is no terminal."""
    from rich.console import Console

    # A knob's value is text, not Rich's markup.
    plain: dict[str, Any] = {"markup": False, "emoji": False}
    console = Console(**plain) if sys.stdout.isatty() else Console(**plain, width=160, no_color=True)
    console.print(cells_table(plan, root))


def announce(plan: Plan, n_duplicates: int, n_trained: int, n_workers: int, where: dict[str, Any]) -> None:
    """What will be trained, on what, and where it will be kept."""
    n_cells, n_seeds = len(plan.cells), len(plan.seeds)
    shape = f"{count(n_cells, 'cell')} x {count(n_seeds, 'seed')}"
    print(f"{plan.name}: {shape} = {count(len(plan.runs), 'run')}")
    for knob, values in plan.swept.items():
        print(f"  {knob}: {', '.join(as_text(value) for value in values)}")
    if n_duplicates:
        print(f"  {count(n_duplicates, 'duplicate')} removed")
    print(f"  {n_trained} of {len(plan.runs)} already trained")
    first = plan.runs[0]
    trains_on = f"device {first.device}; engine {first.config.engine.name}; {count(n_workers, 'worker')}"
    print(f"  data {where['data']}; {trains_on}")
    print(f"  claims: {len(plan.claims)}  root: {where['root']}  MLflow: {where['uri']}")


def announce_time(seconds: float, n_unknown: int) -> None:
    """The estimate, and what it leaves out."""
    less = f" (without {count(n_unknown, 'cell')} that could not be measured in time)" if n_unknown else ""
    told = f"about {duration(seconds)} of training{less}" if seconds or not n_unknown else "its time shows as it trains"
    print(f"  {told}", flush=True)


def failures(plan: Plan, root: Path) -> list[str]:
    """One line for each run of the plan that failed: its name, its cause, where its traceback is."""
    lines = []
    for run in plan.runs:
        folder = RunFolder(root / "state", run.run_key)
        journal = read_journal(folder.journal)
        if journal.status == FAILED and journal.end:
            trace = f" ({folder.error})" if folder.error.exists() else ""
            lines.append(f"failed: {run.name}: {journal.end['cause']}{trace}")
    return lines


def tell_passed_over(runs: list[PlannedRun], root: Path, launch: str) -> None:
    """Say which runs of a launch went on from an older checkpoint, or from none, as the newest could not be used."""
    for run in runs:
        journal = read_journal(RunFolder(root / "state", run.run_key).journal)
        refused = (journal.setup or {}).get("refused_checkpoints")
        if refused and journal.start and journal.setup and journal.start["launch"] == launch:
            print(
                f"runner: {run.name}: {' and '.join(refused)} could not be used (damaged, or another run's); it went on"
                f" from epoch {journal.setup['goes_on_from_epoch']}",
                file=sys.stderr,
            )
