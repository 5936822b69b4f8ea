"""A run's journal: what its records say together, and how they get to disk."""

import contextlib
import dataclasses
import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from runner.errors import StateError
from runner.files import no_room, write_all
from runner.record import FAILED, TRAINED, seconds_spent
from runner.state.records import Compiling, End, Epoch, Record, Setup, Start, parse


@dataclass
class Journal:
    """What a run's records say together."""

    #: The last one: configuration, versions, device, process.
    start: Start | None = None
    #: The last one.
    setup: Setup | None = None
    #: Whether the engine is compiling its kernels, before the first epoch.
    compiling: bool = False
    #: By epoch, the first record that was written for it.
    epochs: dict[int, Epoch] = field(default_factory=dict)
    #: None, too, when the run was started again after it.
    end: End | None = None
    #: What is wrong with the file, when a whole line of it cannot be read. Such a run counts as
    #: failed, is not trained, and its file is left as it is.
    damage: str | None = None
    #: Of training and evaluation, over all epochs.
    seconds: float = 0.0

    @property
    def status(self) -> str | None:
        """done, diverged, failed or killed; None while it has not ended."""
        return self.end.status if self.end else None

    @property
    def trained(self) -> bool:
        """Whether the run is a result and will never be trained again."""
        return self.status in TRAINED

    @property
    def last(self) -> dict[str, float]:
        """The metrics of the last epoch; empty before the first."""
        return self.epochs[max(self.epochs)].metrics if self.epochs else {}

    def settled(self, launch: str) -> bool:
        """Whether a launch is done with the run: it is trained, has failed in it, or is damaged."""
        if self.trained or self.damage:
            return True
        return self.status == FAILED and self.start is not None and self.start.launch == launch

    def under_way(self, launch: str) -> bool:
        """Whether a worker of a launch, alive or dead, began the run and has not ended it."""
        return self.start is not None and not self.end and self.start.launch == launch

    def taken(self, launch: str) -> bool:
        """Whether the other workers of a launch have nothing to do for the run.

        Not even when the worker that began it has died: a run that takes its worker with it would
        take them one by one. The sweep's process finds out whose fault it was.
        """
        return self.settled(launch) or self.under_way(launch)

    def add(self, record: Record) -> None:
        """Take the next record of the file."""
        if isinstance(record, Epoch):
            if record.epoch not in self.epochs:
                self.epochs[record.epoch] = record
                self.seconds += seconds_spent(record.metrics)
            return
        self.compiling = isinstance(record, Compiling)
        if isinstance(record, Start):
            self.start, self.end = record, None
        elif isinstance(record, Setup):
            self.setup = record
        elif isinstance(record, End):
            self.end = record


class JournalReader:
    """Follows a journal while another process writes it, and reads each byte once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.journal = Journal()
        #: The end of the last whole line.
        self.n_bytes = 0
        self._n_lines = 0

    def poll(self) -> bool:
        """Take the whole lines that were added since; whether there were any.

        Reading ends at a whole line that is no record: `Journal.damage` says which.
        """
        if self.journal.damage:
            return False
        try:
            with open(self.path, "rb") as file:
                file.seek(self.n_bytes)
                added = file.read()
        except FileNotFoundError:
            return False
        whole = added[: added.rfind(b"\n") + 1]
        for line in whole.splitlines():
            self._n_lines += 1
            try:
                self.journal.add(parse(line))
            except (ValueError, KeyError, TypeError) as error:
                self.journal.damage = (
                    f"{self.path}: line {self._n_lines} is damaged ({error}); it is left as it is:"
                    " move the folder away to train this run anew"
                )
                self.journal.end = End(FAILED, self.journal.damage)
                return True
        self.n_bytes += len(whole)
        return bool(whole)


def read_journal(path: Path) -> Journal:
    """The journal as it stands now; an empty one where there is none."""
    reader = JournalReader(path)
    reader.poll()
    return reader.journal


class JournalWriter:
    """Appends records that are on disk when `write` returns. Its caller holds the run's lock.

    Raises
    ------
    StateError
        When the journal is damaged.
    """

    def __init__(self, path: Path) -> None:
        reader = JournalReader(path)
        reader.poll()
        #: What the journal said before.
        self.before = reader.journal
        if self.before.damage:
            raise StateError(self.before.damage)
        # Unbuffered: Python does not try again later what could not be written.
        self._file = open(path, "ab", buffering=0)
        self._n_bytes = reader.n_bytes
        # What follows the last whole line was torn by a crash.
        self._file.truncate(self._n_bytes)

    def write(self, record: Record) -> None:
        """Append a record, with the time."""
        values = dataclasses.asdict(
            dataclasses.replace(record, time_ms=time.time_ns() // 1_000_000)
        )
        line = {"kind": record.kind, "time_ms": values.pop("time_ms"), **values}
        text = json.dumps(line, allow_nan=False).encode("ascii") + b"\n"
        try:
            write_all(self._file, text)
            os.fsync(self._file.fileno())
        except OSError as error:
            # Half a line would make the next one unreadable.
            with contextlib.suppress(OSError):
                self._file.truncate(self._n_bytes)
            raise no_room(error, Path(self._file.name)) from error
        self._n_bytes += len(text)

    def close(self) -> None:
        self._file.close()
