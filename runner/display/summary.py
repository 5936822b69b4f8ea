"""What a sweep prints before and after: what will be trained, and the table of its cells."""

import shlex
import statistics
import sys
from dataclasses import dataclass
from typing import Any

from runner.config.overrides import COMMAND
from runner.config.schema import KNOBS
from runner.display import looks, margins
from runner.display.progress import count, duration
from runner.display.unchanged import unchanged
from runner.errors import without_password
from runner.plan.plan import Plan
from runner.prepare import Prepared
from runner.record import DIVERGED, DONE, FAILED, as_text, short
from runner.state.journals import Journals
from runner.system import limits
from runner.tracking.store import address

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


def cells_table(plan: Plan, journals: Journals) -> Any:
    """A rich table, one row a cell: mean over its seeds of the last epoch, n, failed runs.

    Only runs that are done are averaged; diverged and failed ones are counted beside.
    """
    from rich.table import Table

    table = Table(
        title=f"{plan.name}: mean over seeds, last epoch", title_justify="left", title_style="bold"
    )
    knobs = list(plan.swept)
    for knob in knobs or ["cell"]:
        table.add_column(short(knob))
    columns = _columns(plan, journals)
    for heading, _ in columns:
        table.add_column(heading, justify="right")
    for heading in ("s/run", "n", "failed", "diverged"):
        table.add_column(heading, justify="right")
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


def print_table(plan: Plan, journals: Journals) -> None:
    """The cells' table on standard output, as wide as it needs to be where there is no terminal."""
    from rich.console import Console

    # A knob's value is text, not Rich's markup.
    plain: dict[str, Any] = {"markup": False, "emoji": False}
    console = (
        Console(**plain) if sys.stdout.isatty() else Console(**plain, width=160, no_color=True)
    )
    console.print(cells_table(plan, journals))


def announce(prepared: Prepared) -> None:
    """What will be trained, on what, and where it will be kept."""
    plan, root, first = prepared.plan, prepared.root, prepared.plan.runs[0]
    n_trained = len(plan.runs) - len(prepared.to_train)
    data = ", ".join(sorted({f"{run.data_name} ({run.data_sha256[:8]})" for run in plan.runs}))
    store = _store(prepared)
    device, engine = f"device {first.device}", f"engine {first.config.engine.name}"
    if plan.single:
        trained = "; already trained" if n_trained else ""
        for n_epochs in prepared.taken_epochs.values():
            trained = f"; goes on after {count(n_epochs, 'epoch')} that a run with fewer trained"
        places = f"root {root}, MLflow {store}"
        own = f", own {' '.join(prepared.own_files)}" if prepared.own_files else ""
        print(f"{first.name}: data {data}{own}, {device}, {engine}, {places}{trained}", flush=True)
        _tell_cards(prepared)
        _tell_fallbacks(prepared)
        _tell_damage(prepared)
        return
    n_cells, n_seeds = len(plan.cells), len(plan.seeds)
    shape = f"{count(n_cells, 'cell')} x {count(n_seeds, 'seed')}"
    if len(plan.looks) > 1:  # only the cells of open claims have all seeds
        shape = f"{count(n_cells, 'cell')}, up to {count(n_seeds, 'seed')}"
    print(f"{plan.name}: {shape} = {count(len(plan.runs), 'run')}")
    for knob, values in plan.swept.items():
        print(f"  {knob}: {', '.join(as_text(value) for value in values)}")
    if prepared.n_duplicates:
        print(f"  {count(prepared.n_duplicates, 'duplicate')} removed")
    if prepared.own_files:
        print(f"  own: {', '.join(prepared.own_files)}")
    print("".join(f"  {line}\n" for line in looks.announced(plan)), end="")
    print(f"  {n_trained} of {len(plan.runs)} already trained")
    _tell_kept(prepared)
    _tell_fallbacks(prepared)
    print(f"  data {data}; {device}; {engine}; {count(prepared.n_workers, 'worker')}")
    _tell_cards(prepared)
    print(f"  claims: {len(plan.claims)}  root: {root}  MLflow: {store}")
    for line in margins.below_an_image(prepared):
        print(f"  {line}")
    _tell_damage(prepared)


def _tell_cards(prepared: Prepared) -> None:
    """What the cards of this machine have answered, if there are any."""
    for line in prepared.cards:
        print(f"  {line}", flush=True)


def _tell_fallbacks(prepared: Prepared) -> None:
    """Which functions of one's own models no kernel of ours computes, and what that costs."""
    shares: dict[str, float] = {}
    for of_cell in prepared.checked.values():
        for name in of_cell.fallbacks:
            share = of_cell.fallback_shares.get(name, 0.0)
            shares[name] = max(share, shares.get(name, 0.0))
    if shares:
        ordered = sorted(shares.items(), key=lambda of_name: -of_name[1])
        told = [f"{name} ({share:.0%} of a step)" if share else name for name, share in ordered]
        print(f"  computed without kernels of ours: {', '.join(told)}")


def _tell_kept(prepared: Prepared) -> None:
    """What goes on from runs of fewer epochs, and whether more epochs can go on from these."""
    taken = prepared.taken_epochs
    if taken:
        shortest, longest = min(taken.values()), max(taken.values())
        epochs = count(longest, "epoch")
        epochs = epochs if shortest == longest else f"{shortest} to {epochs}"
        print(f"  {len(taken)} go on from {epochs} that a run with fewer trained")
    if not prepared.to_train:
        return
    size = prepared.kept_bytes
    space = "" if size is None else f", {size / 1e6:,.0f} MB"
    if prepared.plan.runs[0].config.runner.keep == "always":
        print(f"  final states are kept{space}: more epochs go on from them (runner.keep)")
    elif prepared.config.runner.keep == "auto":
        print(f"  final states are not kept{space}; runner.keep=always keeps them")


def _store(prepared: Prepared) -> str:
    """Where the sweep is tracked, and by which variables of the environment, if by any."""
    uri, experiment = prepared.config.tracking.uri, prepared.config.tracking.experiment
    text = address.shown(uri, prepared.root)
    if uri and KNOBS["tracking.uri"].is_from_variable(uri):
        text += f" ({KNOBS['tracking.uri'].variable})"
    if KNOBS["tracking.experiment"].is_from_variable(experiment):
        text += f", experiment {experiment} ({KNOBS['tracking.experiment'].variable})"
    return text


def _tell_damage(prepared: Prepared) -> None:
    """Say which files do not prove themselves; the runs are trained from what does."""
    sys.stdout.flush()
    for run in prepared.to_train:
        for damage in prepared.journals[run.run_key].damages:
            _complain(f"{run.name}: {damage}")


def announce_time(prepared: Prepared, seconds: float, at_most_s: float, n_unknown: int) -> None:
    """The estimate, that with all looks, and what it leaves out."""
    less = (
        f" (without {count(n_unknown, 'cell')} that could not be measured in time)"
        if n_unknown
        else ""
    )
    most = f", at most {duration(at_most_s)} with all looks" if at_most_s > seconds else ""
    told = (
        f"about {duration(seconds)} of training{most}{less}"
        if seconds or not n_unknown
        else "its time shows as it trains"
    )
    if prepared.plan.single:
        told = f"{count(prepared.config.train.epochs, 'epoch')}, {told}"
    print(f"  {told}", flush=True)


def failures(prepared: Prepared) -> list[str]:
    """One line for each run that failed: its name, its cause, where its traceback is."""
    lines = []
    for run in prepared.plan.runs:
        record = prepared.journals[run.run_key]
        if record.end is not None and record.status == FAILED:
            error = prepared.root.run(run.run_key).attempt(record.attempt or "").error
            trace = f" ({error})" if error.exists() else ""
            cause = record.end.cause or ""
            if cause.startswith("out of memory"):
                cause += limits.told_address_space()
            lines.append(f"failed: {run.name}: {cause}{trace}")
    return lines


@dataclass(frozen=True)
class Outcome:
    """How the training of a plan ended, apart from what its journals say."""

    #: Names the launch of its workers.
    launch: str
    #: The exit code of a sweep that a signal interrupted; None for one that came to its end.
    interrupted: int | None
    #: What the tracking store lacks, as in `2 runs are`, and why; None when it is in step.
    behind: str | None
    trouble: str | None
    #: Runs whose files are not what they wrote, and which the store does not hold for that reason.
    refused: list[str]


def conclude(prepared: Prepared, outcome: Outcome) -> int:
    """Print the table and what is left to do; the exit code, by the first thing that went wrong."""
    plan, journals = prepared.plan, prepared.journals
    print_table(plan, journals)
    _tell_passed_over(plan, journals, outcome.launch)
    for line in unchanged(plan, journals):
        _complain(line)
    if outcome.behind:
        _tell_behind(prepared, outcome)
    failed, again = failures(prepared), shlex.join(plan.command)
    for line in [*failed, *outcome.refused]:
        _complain(line)
    n_trained = sum(journals[run.run_key].trained for run in plan.runs)
    if outcome.interrupted is not None:
        reached = f"; {n_trained} of {len(plan.runs)} runs are trained"
        if plan.single:
            reached = f" after {len(journals[plan.runs[0].run_key].epochs)} whole epochs"
        _complain(f"interrupted{reached}, nothing is lost; go on with: {again}")
        return outcome.interrupted
    if failed:
        others = f"the others are {'trained' if outcome.behind else 'stored'}; try again with"
        if n_trained + len(failed) < len(plan.runs):
            why = " (runner.fail_fast)" if prepared.config.runner.fail_fast else ""
            others = f"which stopped the sweep{why}; {n_trained} are trained; go on with"
        _complain(f"{len(failed)} of {len(plan.runs)} runs failed, {others}: {again}")
        return 1
    if outcome.refused:
        return 1
    if outcome.behind:
        return 4
    print(f"{n_trained} of {len(plan.runs)} runs trained and stored. Browse the curves: make ui")
    print(f"or {COMMAND}.ui; change a value and run again: only what is new is trained.")
    return 0


def _tell_passed_over(plan: Plan, journals: Journals, launch: str) -> None:
    """Say which runs of a launch could not use their newest checkpoint, and which are mixed."""
    for run in plan.runs:
        record = journals[run.run_key]
        start, setup = record.start, record.setup
        if start and record.is_mixed and start.launch == launch:
            _complain(
                f"{run.name}: attempts on processors of two families gave other last bits; the run"
                " is marked as mixed"
            )
        if start and setup and setup.refused_checkpoints and start.launch == launch:
            _complain(
                f"{run.name}: {' and '.join(setup.refused_checkpoints)} could not be used"
                " (damaged, or another"
                f" run's); it went on from epoch {setup.goes_on_from_epoch}"
            )


def _tell_behind(prepared: Prepared, outcome: Outcome) -> None:
    """Say what MLflow lacks, why, and what to type once that is mended."""
    root, tracking = prepared.root, prepared.config.tracking
    words = ["--root", str(root), "--experiment", tracking.experiment]
    if tracking.uri:
        words += ["--uri", without_password(tracking.uri)]
    _complain(
        f"{outcome.behind} kept in {root.state} and not in MLflow yet: {outcome.trouble}; once that"
        f" is mended: {COMMAND}.sync {shlex.join(words)}"
    )


def _complain(line: str) -> None:
    print(f"runner: {line}", file=sys.stderr)
