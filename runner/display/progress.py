"""One live display for a whole sweep, fed from the journals, so that it works with any launcher."""

import statistics
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runner.plan.plan import PlannedRun
from runner.record import DIVERGED, DONE, FAILED, seconds_spent
from runner.state.journal import Journal, JournalReader, RunFolder

_POLL_S = 0.5


class Progress(threading.Thread):
    """Follows the runs of a plan; a live table on a terminal, else one line a finished run."""

    def __init__(
        self, runs: list[PlannedRun], root: Path, n_workers: int, trouble: Callable[[], str | None], launch: str
    ) -> None:
        super().__init__(name="progress", daemon=True)
        self.runs, self.n_workers, self.trouble, self.launch = runs, n_workers, trouble, launch
        self.readers = [JournalReader(RunFolder(root / "state", run.run_key).journal) for run in runs]
        self._done = threading.Event()
        self._told: set[tuple[str, str | None]] = set()
        self._told_trouble = False

    def run(self) -> None:
        if sys.stdout.isatty():
            self._live()
        else:
            while not self._done.wait(_POLL_S):
                self._tell_finished()
            self._tell_finished()

    def stop(self) -> None:
        """Show the last state and end."""
        self._done.set()
        self.join()

    def _live(self) -> None:
        from rich.console import Console
        from rich.live import Live

        with Live(self._table(), console=Console(), refresh_per_second=2, transient=True) as live:
            while not self._done.wait(_POLL_S):
                live.update(self._table())

    def _tell_finished(self) -> None:
        trouble = self.trouble()
        if trouble and not self._told_trouble:
            print(_behind(trouble), flush=True)
        self._told_trouble = bool(trouble)
        for run, reader in zip(self.runs, self.readers, strict=True):
            journal = reader.poll()
            # A run that failed in an earlier launch is not news.
            of_this_launch = journal.start is not None and journal.start["launch"] == self.launch
            # One that gave way on a full card ends a second time.
            if journal.end and of_this_launch and (run.run_key, journal.status) not in self._told:
                self._told.add((run.run_key, journal.status))
                n = sum(1 for r in self.readers if r.journal.end)
                print(f"[{n}/{len(self.runs)}] {run.name}: {ending(journal)}", flush=True)

    def _table(self) -> Any:
        from rich.table import Table
        from rich.text import Text

        journals = [reader.poll() for reader in self.readers]
        ended = [j.status for j in journals if j.end]
        running = [(r, j) for r, j in zip(self.runs, journals, strict=True) if self._is_running(j)]
        table = Table(box=None, pad_edge=False, show_header=False)
        epochs, total = self._epochs(journals)
        diverged = ended.count(DIVERGED)
        rate, left = self._images_per_s(running), self._left(journals)
        head = (
            f"runs {ended.count(DONE)} of {len(self.runs)} done, {len(running)} running, {ended.count(FAILED)} failed"
            + (f", {diverged} diverged" if diverged else "")
            + f"   epochs {epochs} of {total}   {rate:,.0f} images/s   left {left}"
        )
        table.add_row(Text(head, style="bold"))
        for run, journal in running:
            last = journal.epochs.get(max(journal.epochs, default=0))
            accuracy = f"  test accuracy {last['metrics']['test/accuracy']:.4f}" if last else ""
            of = run.config.train.epochs
            doing = "compiling" if journal.compiling else f"epoch {min(len(journal.epochs) + 1, of)} of {of}"
            table.add_row(Text(f"  {run.name}  {doing}{accuracy}"))
        trouble = self.trouble()
        if trouble:
            table.add_row(Text(f"  {_behind(trouble)}", style="yellow"))
        return table

    def _is_running(self, journal: Journal) -> bool:
        return journal.start is not None and journal.end is None and journal.start["launch"] == self.launch

    def _epochs(self, journals: list[Journal]) -> tuple[int, int]:
        return sum(len(j.epochs) for j in journals), sum(r.config.train.epochs for r in self.runs)

    def _images_per_s(self, running: list[tuple[PlannedRun, Journal]]) -> float:
        """Training images a second of all runs under way, by the last epoch of each."""
        rates = []
        for _, journal in running:
            if journal.epochs:
                rates.append(journal.epochs[max(journal.epochs)]["metrics"]["throughput/images_per_s"])
        return float(sum(rates))

    def _left(self, journals: list[Journal]) -> str:
        """Time left: the epochs to come of each run at its cell's measured pace, else at the mean of all."""
        paces: dict[str, list[float]] = {}
        for run, journal in zip(self.runs, journals, strict=True):
            for line in journal.epochs.values():
                seconds = seconds_spent(line["metrics"])
                paces.setdefault(run.cell_key, []).append(seconds)
        if not paces:
            return "unknown yet"
        mean = statistics.fmean(s for cell in paces.values() for s in cell)
        left_s = 0.0
        for run, journal in zip(self.runs, journals, strict=True):
            if not journal.end:
                pace = statistics.fmean(paces.get(run.cell_key, [mean]))
                left_s += pace * (run.config.train.epochs - len(journal.epochs))
        return duration(left_s / max(1, min(self.n_workers, len(self.runs))))


def _behind(trouble: str) -> str:
    return f"MLflow is behind, results are safe in state/: {trouble}"


def ending(journal: Journal) -> str:
    """How a run ended, in one line."""
    assert journal.end is not None
    if journal.status != DONE:
        return f"{journal.status} ({journal.end['cause']})"
    last = journal.epochs[max(journal.epochs)]["metrics"]
    seconds = sum(seconds_spent(e["metrics"]) for e in journal.epochs.values())
    return (
        f"test accuracy {last['test/accuracy']:.4f}, train loss {last['train/loss']:.4f},"
        f" {count(len(journal.epochs), 'epoch')} in {duration(seconds)}"
    )


def count(n: int, noun: str) -> str:
    """`1 seed`, `5 seeds`."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def duration(seconds: float) -> str:
    """`48 s`, `3 min 20 s` or `2 h 05 min`."""
    if seconds < 60:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
