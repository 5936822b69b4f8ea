"""What a sweep and its tasks on other hosts send each other, and what brings it there."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from runner.plan.plan import PlannedRun
from runner.system.language import Said


@dataclass(frozen=True)
class Order:
    """Runs that a task has to train, with all that it reads, for it sees nothing of the root."""

    launch: str
    runs: list[PlannedRun]
    #: This program, as `program.name` says it here.
    program: str
    #: What earlier attempts left, by its path below `state/`.
    state: dict[str, bytes] = field(default_factory=dict)
    #: The user's own modules, by their paths below a folder that Python imports from.
    own_code: dict[str, bytes] = field(default_factory=dict)
    #: The folders of data sets below `state/data/`, by name.
    data: tuple[str, ...] = ()


@dataclass(frozen=True)
class Hello:
    """The first that a task sends: it has begun, on a host and with a program."""

    host: str
    program: str


@dataclass(frozen=True)
class Parcel:
    """What has come to an attempt's folder on a task's host since the last parcel."""

    run_key: str
    attempt: str
    #: How many lines of the journal were sent before.
    n_before: int
    #: The whole lines that follow, without their ends.
    lines: list[bytes]
    #: Files of the folder that are new or others than before, by name.
    files: dict[str, bytes]


@dataclass(frozen=True)
class Over:
    """The last of a task: nothing more comes.

    A task that ended in order has no `why`; what of its runs is not settled is sent again.
    """

    #: What the engine, or the process that trained, says of a task that did not end in order.
    why: str = ""
    #: Whether the engine says that it took more memory than there is.
    is_out_of_memory: bool = False


class Engine(Protocol):
    """Starts tasks on hosts, and decides that one of them is dead."""

    @property
    def name(self) -> str:
        """What `hydra/launcher=` calls it."""

    @property
    def asked(self) -> str:
        """What people call it."""

    @property
    def words(self) -> Said:
        """Where its tasks run and how many at a time, for the line before the first."""

    def start(self, order: Order) -> Hashable:
        """Have a task train what an order says, once there is room for it; its handle."""

    def news(self, tasks: Sequence[Hashable]) -> list[tuple[Hashable, Hello | Parcel | Over]]:
        """What tasks have sent; empty when none has sent anything for some tenths of a second."""

    def free(self) -> str:
        """What is free on its hosts, for people."""

    def stop(self) -> None:
        """Ask all tasks to write their checkpoints and end."""

    def drop(self, task: Hashable) -> None:
        """End a task at once that is not over."""
