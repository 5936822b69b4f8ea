"""One live display for a whole sweep, fed from the journals, so that it works with any launcher."""

import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from runner.engine import COMPILING
from runner.plan.looks import label
from runner.plan.plan import Plan, PlannedRun
from runner.record import DIVERGED, DONE, FAILED, seconds_spent
from runner.state.journals import Journals
from runner.state.run_record import RunRecord
from runner.system.language import Said, say

_POLL_S = 0.5


@dataclass
class Tally:
    """How far a plan is, kept up to date by the runs that have changed."""

    plan: Plan
    #: How many runs ended in each way.
    ended: dict[str, int] = field(default_factory=dict)
    n_epochs: int = 0
    #: By cell: seconds and number of the epochs trained, and number of the epochs to come.
    cells: dict[str, list[float]] = field(default_factory=dict)
    _counted: dict[str, tuple[str | None, int, float, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.n_epochs_planned = sum(run.config.train.epochs for run in self.plan.runs)
        for run in self.plan.runs:
            self.cells.setdefault(run.cell_key, [0.0, 0, 0])[2] += run.config.train.epochs

    def count(self, run: PlannedRun, record: RunRecord) -> None:
        """Take a run as it is now, in place of as it was."""
        n_planned, n_epochs = run.config.train.epochs, len(record.epochs)
        # A run that has ended has no epochs to come, however many it has.
        to_come = 0 if record.end else n_planned - n_epochs
        before = self._counted.get(run.run_key, (None, 0, 0.0, n_planned))
        self._counted[run.run_key] = record.status, n_epochs, record.seconds, to_come
        for status, step in ((before[0], -1), (record.status, 1)):
            if status is not None:
                self.ended[status] = self.ended.get(status, 0) + step
        self.n_epochs += n_epochs - before[1]
        cell = self.cells[run.cell_key]
        cell[0] += record.seconds - before[2]
        cell[1] += n_epochs - before[1]
        cell[2] += to_come - before[3]

    @property
    def n_ended(self) -> int:
        return sum(self.ended.values())

    def seconds_left(self, n_workers: int) -> float | None:
        """Wall clock: the epochs to come at the measured pace of their cell, else of all."""
        spent, n_trained = (sum(cell[i] for cell in self.cells.values()) for i in (0, 1))
        if not n_trained:
            return None
        mean = spent / n_trained
        left = sum(
            (seconds / n if n else mean) * n_left for seconds, n, n_left in self.cells.values()
        )
        return left / max(1, min(n_workers, len(self.plan.runs)))


class Progress(threading.Thread):
    """Follows the runs of a plan; a live table on a terminal, else one line a finished run.

    A plan of one run has a line an epoch, like the book's example.
    """

    def __init__(
        self,
        plan: Plan,
        journals: Journals,
        launch: str,
        n_workers: int,
        trouble: Callable[[], str | None],
    ) -> None:
        super().__init__(name="progress", daemon=True)
        self.plan, self.journals, self.launch = plan, journals, launch
        self.n_workers, self.trouble = n_workers, trouble
        self.tally = Tally(plan)
        self._runs = {run.run_key: run for run in plan.runs}
        self._position = 0
        self._done = threading.Event()
        self._told: set[tuple[str, str | None]] = set()
        self._told_epochs: set[int] = set()
        self._told_trouble = self._told_compiling = False

    def run(self) -> None:
        if self.plan.single:
            self._follow(self._tell_epochs)
        elif sys.stdout.isatty():
            self._live()
        else:
            self._follow(self._tell_finished)

    def stop(self) -> None:
        """Show the last state and end."""
        self._done.set()
        self.join()

    def _follow(self, tell: Callable[[], None]) -> None:
        while not self._done.wait(_POLL_S):
            self.journals.look()
            tell()
        self.journals.look(max_age_s=0)
        tell()

    def _live(self) -> None:
        from rich.console import Console
        from rich.live import Live

        with Live(self._table(), console=Console(), refresh_per_second=2, transient=True) as live:
            while not self._done.wait(_POLL_S):
                self.journals.look()
                live.update(self._table())

    def _changed(self) -> Iterator[tuple[PlannedRun, RunRecord]]:
        """The runs that have changed since the last call, each counted as it is given."""
        keys, self._position = self.journals.changed_since(self._position)
        for key in keys:
            run, record = self._runs[key], self.journals[key]
            self.tally.count(run, record)
            yield run, record

    def _tell_epochs(self) -> None:
        self._tell_trouble()
        for _, record in self._changed():
            if record.compiling and not self._told_compiling:
                self._told_compiling = True
                print(COMPILING, flush=True)
            for number in sorted(set(record.epochs) - self._told_epochs):
                self._told_epochs.add(number)
                print(epoch_line(number, record.epochs[number].metrics), flush=True)

    def _tell_finished(self) -> None:
        self._tell_trouble()
        for run, record in self._changed():
            # A run that failed in an earlier launch is not news.
            of_this_launch = record.start is not None and record.start.launch == self.launch
            # A run that gave way on a full card ends a second time.
            if record.end and of_this_launch and (run.run_key, record.status) not in self._told:
                self._told.add((run.run_key, record.status))
                print(
                    f"[{self.tally.n_ended}/{len(self._runs)}] {run.name}: {ending(record)}",
                    flush=True,
                )

    def _tell_trouble(self) -> None:
        trouble = self.trouble()
        if trouble and not self._told_trouble:
            print(_behind(trouble), flush=True)
        self._told_trouble = bool(trouble)

    def _table(self) -> Any:
        from rich.table import Table
        from rich.text import Text

        for _ in self._changed():
            pass
        tally, ended = self.tally, self.tally.ended
        running = [
            (self._runs[key], self.journals[key]) for key in self.journals.under_way(self.launch)
        ]
        rate = sum(record.last.get("throughput/images_per_s", 0.0) for _, record in running)
        left = tally.seconds_left(self.n_workers)
        diverged = ended.get(DIVERGED, 0)
        look = label(self.plan.looks, self.plan.max_seeds)
        head = look + "   " if look else ""
        head += (
            f"runs {ended.get(DONE, 0)} of {len(self._runs)} done, {len(running)} running,"
            f" {ended.get(FAILED, 0)} failed"
            + (f", {diverged} diverged" if diverged else "")
            + f"   epochs {tally.n_epochs} of {tally.n_epochs_planned}   {rate:,.0f} images/s"
            f"   left {'unknown yet' if left is None else duration(left)}"
        )
        table = Table(box=None, pad_edge=False, show_header=False)
        table.add_row(Text(head, style="bold"))
        for run, record in running:
            last, of = record.last, run.config.train.epochs
            accuracy = (
                f"  test accuracy {last['test/accuracy']:.4f}" if "test/accuracy" in last else ""
            )
            doing = (
                "compiling"
                if record.compiling
                else f"epoch {min(len(record.epochs) + 1, of)} of {of}"
            )
            table.add_row(Text(f"  {run.name}  {doing}{accuracy}"))
        trouble = self.trouble()
        if trouble:
            table.add_row(Text(f"  {_behind(trouble)}", style="yellow"))
        return table


def _behind(trouble: str) -> str:
    return f"MLflow is behind, results are safe in state/: {trouble}"


def epoch_line(epoch: int, metrics: dict[str, float]) -> str:
    """An epoch as the book's example prints it, and its time."""
    return (
        f"epoch: {epoch}, train loss: {metrics['train/loss']:.4f}, accuracy:"
        f" {metrics['train/accuracy']:.4f},"
        f" test loss: {metrics['test/loss']:.4f}, accuracy: {metrics['test/accuracy']:.4f},"
        f" {seconds_spent(metrics):.1f} s"
    )


def ending(record: RunRecord) -> str:
    """How a run ended, in one line."""
    assert record.end is not None
    if record.status != DONE:
        return f"{record.status} ({record.end.cause})"
    last = record.last
    return (
        f"test accuracy {last['test/accuracy']:.4f}, train loss {last['train/loss']:.4f},"
        f" {count(len(record.epochs), 'epoch')} in {duration(record.seconds)}"
    )


def count(n: int, noun: str) -> Said:
    """`1 seed`, `5 seeds`."""
    return say(f"{{n}} {noun}" if n == 1 else f"{{n}} {noun}s", n=n)


def duration(seconds: float) -> Said:
    """`48 s`, `3 min 20 s` or `2 h 05 min`."""
    if seconds < 60:
        return say("{s} s", s=f"{seconds:.0f}" if seconds >= 10 else f"{seconds:.1f}")
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return say("{min} min {s} s", min=minutes, s=f"{rest:02d}")
    return say("{h} h {min} min", h=minutes // 60, min=f"{minutes % 60:02d}")
