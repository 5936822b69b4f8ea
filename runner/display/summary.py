"""What a sweep prints before and after: what will be trained, and the table of its cells."""

import statistics
import sys
from typing import Any

from runner.display.progress import count, duration
from runner.plan.plan import Plan
from runner.record import DIVERGED, DONE, FAILED, as_text, short
from runner.state.journals import Journals
from runner.state.root import Root

#: Columns of the table: heading and metric, all of the last epoch.
_COLUMNS = (
    ("train loss", "train/loss"),
    ("train acc", "train/accuracy"),
    ("test loss", "test/loss"),
    ("test acc", "test/accuracy"),
    ("masked test acc", "test_masked/accuracy"),
)


def cells_table(plan: Plan, journals: Journals) -> Any:
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
        ended = [journals[run.run_key] for run in runs]
        done = [journal for journal in ended if journal.status == DONE]
        row = [as_text(runs[0].knobs[knob]) for knob in knobs] or ["all"]
        for _, metric in _COLUMNS:
            values = [journal.last[metric] for journal in done if metric in journal.last]
            row.append(f"{statistics.fmean(values):.4f}" if values else "-")
        row.append(f"{statistics.fmean(journal.seconds for journal in done):.1f}" if done else "-")
        statuses = [journal.status for journal in ended]
        row += [str(len(done)), str(statuses.count(FAILED)), str(statuses.count(DIVERGED))]
        table.add_row(*row)
    return table


def print_table(plan: Plan, journals: Journals) -> None:
    """The cells' table on standard output, as wide as it needs to be where there is no terminal."""
    from rich.console import Console

    # A knob's value is text, not Rich's markup.
    plain: dict[str, Any] = {"markup": False, "emoji": False}
    console = Console(**plain) if sys.stdout.isatty() else Console(**plain, width=160, no_color=True)
    console.print(cells_table(plan, journals))


def announce(plan: Plan, n_duplicates: int, n_trained: int, n_workers: int, where: dict[str, Any]) -> None:
    """What will be trained, on what, and where it will be kept."""
    first = plan.runs[0]
    computes = f"device {first.device}{', ' if plan.single else '; '}engine {first.config.engine.name}"
    if plan.single:
        trained = "; already trained" if n_trained else ""
        places = f"root {where['root']}, MLflow {where['uri']}"
        print(f"{first.name}: data {where['data']}, {computes}, {places}{trained}", flush=True)
        return
    n_cells, n_seeds = len(plan.cells), len(plan.seeds)
    shape = f"{count(n_cells, 'cell')} x {count(n_seeds, 'seed')}"
    print(f"{plan.name}: {shape} = {count(len(plan.runs), 'run')}")
    for knob, values in plan.swept.items():
        print(f"  {knob}: {', '.join(as_text(value) for value in values)}")
    if n_duplicates:
        print(f"  {count(n_duplicates, 'duplicate')} removed")
    print(f"  {n_trained} of {len(plan.runs)} already trained")
    print(f"  data {where['data']}; {computes}; {count(n_workers, 'worker')}")
    print(f"  claims: {len(plan.claims)}  root: {where['root']}  MLflow: {where['uri']}")


def announce_time(seconds: float, n_unknown: int) -> None:
    """The estimate, and what it leaves out."""
    less = f" (without {count(n_unknown, 'cell')} that could not be measured in time)" if n_unknown else ""
    told = f"about {duration(seconds)} of training{less}" if seconds or not n_unknown else "its time shows as it trains"
    print(f"  {told}", flush=True)


def failures(plan: Plan, root: Root, journals: Journals) -> list[str]:
    """One line for each run of the plan that failed: its name, its cause, where its traceback is."""
    lines = []
    for run in plan.runs:
        end, error = journals[run.run_key].end, root.run(run.run_key).error
        if end is not None and end.status == FAILED:
            trace = f" ({error})" if error.exists() else ""
            lines.append(f"failed: {run.name}: {end.cause}{trace}")
    return lines


def tell_passed_over(plan: Plan, journals: Journals, launch: str) -> None:
    """Say which runs of a launch went on from an older checkpoint, or from none, as the newest could not be used."""
    for run in plan.runs:
        start, setup = journals[run.run_key].start, journals[run.run_key].setup
        if start and setup and setup.refused_checkpoints and start.launch == launch:
            print(
                f"runner: {run.name}: {' and '.join(setup.refused_checkpoints)} could not be used (damaged, or another"
                f" run's); it went on from epoch {setup.goes_on_from_epoch}",
                file=sys.stderr,
            )
