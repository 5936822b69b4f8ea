"""What any tracking store has to offer: the verbs by which a sweep and its runs are recorded in it.

MLflow's (mlflow_tracker.py) is the one that ships. The writer (writer.py) follows the journals
under state/ and tells a tracker what is new. It tells it again after an error, so that a repeated
call must change nothing. Any call may raise; training never waits for it. Where locks do not reach,
two processes may tell the same run at once: what stays is what the run's record says.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from runner.plan.plan import Plan, PlannedRun
from runner.state.records import Epoch
from runner.state.run_record import RunRecord


@dataclass
class TrackedRun:
    """A run as a tracker knows it; a tracker may have a subclass with more."""

    #: How the tracker names it.
    id: str
    #: Whether it was found whole: the tracker has all of it, and is told nothing more.
    is_complete: bool = False


class Replaced(Exception):
    """Another process put another run in this one's place; it is to be looked for again."""


class Tracker(Protocol):
    """A tracking store."""

    def probe(self) -> None:
        """Raise, within seconds, when the store cannot be written to now."""

    def open_sweep(self, plan: Plan, used: bool = True) -> None:
        """Record the plan and its claims, and when they were declared; later runs belong to it.

        `used` makes it the latest sweep; bringing a store in step later does not.
        """

    def begin_run(self, run: PlannedRun, record: RunRecord) -> TrackedRun:
        """Find the run, or record that it has begun: its configuration, what it is trained with."""

    def log_rows(self, tracked: TrackedRun, epochs: Sequence[Epoch]) -> None:
        """Record the metrics of epochs, at the time at which the journal says that they ended."""

    def end_run(self, tracked: TrackedRun, epochs: Sequence[Epoch], record: RunRecord) -> None:
        """Record the last epochs, how the run ended, its files; last, that it is whole."""

    def close_sweep(self, status: str, records: Mapping[str, RunRecord]) -> None:
        """Record how the sweep ended, FINISHED, FAILED or KILLED, and what it came to.

        `records` are those of its runs by run key.
        """
