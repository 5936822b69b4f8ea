"""One live display for a whole sweep, fed from the journals, so that it works with any launcher."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from runner import words
from runner.display.tally import Tally
from runner.plan.looks import label
from runner.plan.plan import PlannedRun
from runner.record import DIVERGED, DONE, FAILED, seconds_spent
from runner.state.journals import Journals
from runner.state.run_record import RunRecord
from runner.system.language import Said, joined, say

#: Seconds between two looks at the journals: of many runs, and of one that is watched.
_POLL_S, _POLL_ONE_S = 0.5, 0.1
#: Columns of a bar.
_BAR = 10
#: What it is, how much of how much, what it is at, and the seconds left.
_Row = tuple[str, int, int, str, float | None]


class Progress(threading.Thread):
    """Follows the runs of a plan; a live table on a terminal, else one line a finished run.

    A plan of one run has a line an epoch, like the book's example.
    """

    def __init__(
        self,
        tally: Tally,
        journals: Journals,
        launch: str,
        n_workers: int,
        trouble: Callable[[], str | None],
    ) -> None:
        super().__init__(name="progress", daemon=True)
        self.tally, self.plan = tally, tally.plan
        self.journals, self.launch = journals, launch
        self.n_workers, self.trouble = n_workers, trouble
        self._runs = {run.run_key: run for run in self.plan.runs}
        self._position = 0
        self._done = threading.Event()
        self._told: set[tuple[str, str | None]] = set()
        self._told_epochs: set[int] = set()
        self._told_trouble = False

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
        poll_s = _POLL_ONE_S if self.plan.single else _POLL_S
        while not self._done.wait(poll_s):
            self.journals.look()
            tell()
        self.journals.look(max_age_s=0)
        tell()

    def _live(self) -> None:
        from rich.console import Console
        from rich.live import Live

        with Live(self._view(), console=Console(), refresh_per_second=2, transient=True) as live:
            while not self._done.wait(_POLL_S):
                self.journals.look()
                live.update(self._view())

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
            for number in sorted(set(record.epochs) - self._told_epochs):
                self._told_epochs.add(number)
                words.tell(epoch_line(number, record.epochs[number].metrics))

    def _tell_finished(self) -> None:
        self._tell_trouble()
        for run, record in self._changed():
            # A run that failed in an earlier launch is not news.
            of_this_launch = record.start is not None and record.start.launch == self.launch
            # A run that gave way on a full card ends a second time.
            if record.end and of_this_launch and (run.run_key, record.status) not in self._told:
                self._told.add((run.run_key, record.status))
                place = f"[{self.tally.n_ended}/{len(self._runs)}] {run.name}"
                words.tell(joined(": ", [place, ending(record)]))

    def _tell_trouble(self) -> None:
        trouble = self.trouble()
        if trouble and not self._told_trouble:
            words.tell(_behind(trouble))
        self._told_trouble = bool(trouble)

    def _view(self) -> Any:
        """The sweep in a line with a bar, what its runs came to, and a line with a bar a run."""
        from rich.console import Group
        from rich.text import Text

        for _ in self._changed():
            pass
        tally, paces, now_ms = self.tally, self.tally.paces(), time.time_ns() // 1_000_000
        under_way = []
        for key in self.journals.under_way(self.launch):
            run = self._runs[key]
            pace = paces.get(run.cell_key)
            under_way.append(_UnderWay(run, self.journals[key], pace, now_ms))
        runs = say("runs {n} of {all}", n=tally.n_ended, all=len(self._runs))
        epochs = say("epochs {n} of {all}", n=tally.n_epochs, all=tally.n_epochs_planned)
        left = self._seconds_left(under_way)
        sweep = (runs, tally.n_epochs, tally.n_epochs_planned, epochs, left)
        rate = sum(of.record.last.get("throughput/images_per_s", 0.0) for of in under_way)
        states = [say("{n} running", n=len(under_way))]
        states += [say("{n} failed", n=n)] if (n := tally.ended.get(FAILED, 0)) else []
        states += [say("{n} diverged", n=n)] if (n := tally.ended.get(DIVERGED, 0)) else []
        states += [say("{n} images/s", n=f"{rate:,.0f}")] if rate else []
        look = label(self.plan.looks, self.plan.max_seeds)
        told = words.said(joined(", ", list(filter(None, (look, *states)))))
        lines = [_bars([sweep], "bold"), Text(f"  {told}")]
        lines.append(_bars([of.row for of in under_way], ""))
        if trouble := self.trouble():
            lines.append(Text(f"  {words.said(_behind(trouble))}", style="yellow"))
        return Group(*lines)

    def _seconds_left(self, under_way: list["_UnderWay"]) -> float | None:
        """Of the sweep; no less than the longest of the runs under way."""
        left = self.tally.seconds_left(self.n_workers)
        if left is None:
            return None
        # What the runs under way have spent on their epochs is not to come.
        left -= sum(of.spent_s for of in under_way) / self.n_workers
        return max([0.0, left, *(of.left_s for of in under_way if of.left_s is not None)])


@dataclass(frozen=True)
class _UnderWay:
    """A run under way, with the seconds that an epoch takes, where that is known."""

    run: PlannedRun
    record: RunRecord
    pace: float | None
    now_ms: int

    @property
    def row(self) -> _Row:
        n_all = self.run.config.train.epochs
        return self.run.name, len(self.record.epochs), n_all, self._doing, self.left_s

    @property
    def spent_s(self) -> float:
        """Seconds since the last epoch, or since the start; no more than an epoch takes."""
        record = self.record
        if self.pace is None or record.start is None or record.compiling:
            return 0.0
        since_ms = max([record.start.time_ms, *(of.time_ms for of in record.epochs.values())])
        return min(self.pace, max(0.0, (self.now_ms - since_ms) / 1000))

    @property
    def left_s(self) -> float | None:
        """Seconds that its epochs to come take; None where no pace is known."""
        if self.pace is None:
            return None
        n_left = self.run.config.train.epochs - len(self.record.epochs)
        return max(0.0, self.pace * n_left - self.spent_s)

    @property
    def _doing(self) -> Said:
        """What it is at, and its last accuracy."""
        record, n_all = self.record, self.run.config.train.epochs
        if record.compiling and record.start:
            seconds = max(0.0, (self.now_ms - record.start.time_ms) / 1000)
            return say("compiling, {time}", time=duration(seconds))
        epoch = say("epoch {n}/{all}", n=min(len(record.epochs) + 1, n_all), all=n_all)
        if "test/accuracy" not in record.last:
            return epoch
        percent = f"{100 * record.last['test/accuracy']:.2f}"
        return say("{epoch}, test {percent} %", epoch=epoch, percent=percent)


def _bars(rows: list[_Row], style: str) -> Any:
    """Rows of what it is, a bar, how far, and the time left; names are broken between words."""
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(4):
        table.add_column(no_wrap=True)
    table.columns[0].no_wrap = False
    for name, n, of, doing, seconds in rows:
        left = "" if seconds is None else words.said(say("left {time}", time=duration(seconds)))
        texts = [Text(words.said(name), style), Text(words.said(doing)), Text(left, style)]
        bar = ProgressBar(total=of, completed=n, width=_BAR, finished_style="bar.complete")
        table.add_row(texts[0], bar, *texts[1:])
    return table


def _behind(trouble: str) -> Said:
    return say("MLflow is behind, results are safe in state/: {trouble}", trouble=trouble)


def epoch_line(epoch: int, metrics: dict[str, float]) -> str:
    """An epoch as the book's example prints it, in any language, and its time."""
    return (
        f"epoch: {epoch}, train loss: {metrics['train/loss']:.4f}, accuracy:"
        f" {metrics['train/accuracy']:.4f},"
        f" test loss: {metrics['test/loss']:.4f}, accuracy: {metrics['test/accuracy']:.4f},"
        f" {seconds_spent(metrics):.1f} s"
    )


def ending(record: RunRecord) -> Said:
    """How a run ended, in one line."""
    assert record.end is not None
    if record.status != DONE:
        return say(
            "{status} ({cause})", status=say(str(record.status)), cause=record.end.cause or ""
        )
    return say(
        "test accuracy {accuracy}, train loss {loss}, {epochs} in {time}",
        accuracy=f"{record.last['test/accuracy']:.4f}",
        loss=f"{record.last['train/loss']:.4f}",
        epochs=count(len(record.epochs), "epoch"),
        time=duration(record.seconds),
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
