"""What a cluster has to offer: the seam between a sweep and Slurm, or any other one."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from runner.work.cluster.submission import Submission


@dataclass(frozen=True)
class Task:
    """A task as its cluster sees it."""

    index: int
    #: In the cluster's words, such as PENDING, and why, such as Resources; empty: no reason.
    state: str
    reason: str = ""
    node: str = ""
    #: Whether the cluster will not start it again by itself.
    is_over: bool = False
    #: Whether the cluster says that it took more memory than it was given.
    is_out_of_memory: bool = False


class Cluster(Protocol):
    """An engine that starts tasks, starts them again, and decides that a host is dead."""

    @property
    def name(self) -> str:
        """What `hydra/launcher=` calls it."""

    @property
    def asked(self) -> str:
        """What people call it."""

    @property
    def n_tasks(self) -> int:
        """How many tasks a sweep gets at most."""

    def check(self, device: str) -> None:
        """Refuse what the cluster would refuse, before anything is written (ConfigError).

        `device` is the configured one.
        """

    def submit(self, submission: Submission) -> str:
        """Have a task train each share; the cluster's name for all of them (RunnerError)."""

    def look(self, job: str) -> list[Task] | None:
        """The tasks that the cluster remembers; None when it does not answer just now."""

    def cancel(self, job: str, waiting: bool = False) -> None:
        """End all tasks, each with a checkpoint; or only those that wait to begin."""


def in_words(tasks: Iterable[Task]) -> str:
    """`2 RUNNING, 1 PENDING (Resources)`; `nothing` of no task."""
    states = [f"{task.state} ({task.reason})" if task.reason else task.state for task in tasks]
    return ", ".join(f"{n} {state}" for state, n in Counter(states).items()) or "nothing"
