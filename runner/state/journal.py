"""The folder of one run: its lock and its journal. What is here is true; MLflow is filled from it."""

import contextlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from runner.errors import StateError
from runner.files import no_room, write_all
from runner.record import FAILED, TRAINED


class RunFolder:
    """`state/<run_key>/`, the only place that a run writes to."""

    def __init__(self, state: Path, run_key: str) -> None:
        self.run_key = run_key
        self.path = state / run_key
        self.journal = self.path / "journal.jsonl"
        self.weights = self.path / "weights.npz"
        self.test_correct = self.path / "test_correct.npy"
        self.config = self.path / "config.json"
        self.error = self.path / "error.txt"

    @contextmanager
    def locked(self) -> Iterator[bool]:
        """Hold the run's lock; False when another process has it. The kernel frees it with its holder."""
        self.path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(str(self.path / "lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            yield False
            return
        # Only the holder writes here: what is half written was left by one that was killed.
        for left in self.path.glob(".*.tmp"):
            left.unlink(missing_ok=True)
        try:
            yield True
        finally:
            lock.release()


@dataclass
class Journal:
    """What a run's journal says so far."""

    #: The last `start` line: configuration, versions, device, process.
    start: dict[str, Any] | None = None
    #: The last `setup` line: what the model and the engine turned out to be.
    setup: dict[str, Any] | None = None
    #: Whether the engine is compiling its kernels, before the first epoch.
    compiling: bool = False
    #: Epoch -> its line, the first one written for it.
    epochs: dict[int, dict[str, Any]] = field(default_factory=dict)
    #: The `end` line, unless the run was started again after it.
    end: dict[str, Any] | None = None
    #: What is wrong with the file, when a whole line of it cannot be read. Such a run counts as failed, is
    #: not trained, and its file is left as it is.
    damage: str | None = None

    @property
    def status(self) -> str | None:
        """done, diverged, failed or killed; None while it has not ended."""
        return self.end["status"] if self.end else None

    @property
    def trained(self) -> bool:
        """Whether the run is a result and will never be trained again."""
        return self.status in TRAINED

    def add(self, line: dict[str, Any]) -> None:
        if line["kind"] == "start":
            self.start, self.end, self.compiling = line, None, False
        elif line["kind"] == "compiling":
            self.compiling = True
        elif line["kind"] == "setup":
            self.setup, self.compiling = line, False
        elif line["kind"] == "epoch":
            self.epochs.setdefault(line["epoch"], line)
        elif line["kind"] == "end":
            self.end, self.compiling = line, False
        else:
            raise ValueError(f"unknown kind of line {line['kind']!r}")


def settled(journal: Journal, launch: str) -> bool:
    """Whether this launch has nothing more to do for a run: it is trained, has failed in it, or is damaged."""
    if journal.trained or journal.damage:
        return True
    return journal.status == FAILED and journal.start is not None and journal.start["launch"] == launch


def under_way(journal: Journal, launch: str) -> bool:
    """Whether a worker of this launch began the run and has not ended it, be that worker alive or dead."""
    return journal.start is not None and not journal.end and journal.start["launch"] == launch


def taken(journal: Journal, launch: str) -> bool:
    """Whether the other workers of this launch have nothing to do for a run.

    Not even when the worker that began it has died: a run that takes its worker with it would take them one by one.
    The sweep's process finds out whose fault it was.
    """
    return settled(journal, launch) or under_way(journal, launch)


class JournalReader:
    """Follows a journal while somebody else writes it, reading each byte once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.journal = Journal()
        self.n_bytes = 0
        self._n_lines = 0

    def poll(self) -> Journal:
        """The journal with whatever whole lines were added since; a torn last line waits for its end.

        Reading ends at a whole line that is not what a journal holds: `Journal.damage` says which.
        """
        if self.journal.damage:
            return self.journal
        try:
            with open(self.path, "rb") as file:
                file.seek(self.n_bytes)
                added = file.read()
        except FileNotFoundError:
            return self.journal
        whole = added[: added.rfind(b"\n") + 1]
        for line in whole.splitlines():
            self._n_lines += 1
            try:
                self.journal.add(json.loads(line))
            except (ValueError, KeyError, TypeError) as error:
                self.journal.damage = (
                    f"{self.path}: line {self._n_lines} is damaged ({error}); it is left as it is:"
                    " move the folder away to train this run anew"
                )
                self.journal.end = {"status": FAILED, "cause": self.journal.damage, "time_ms": 0}
                return self.journal
        self.n_bytes += len(whole)
        return self.journal


def read_journal(path: Path) -> Journal:
    """The journal as it stands now; an empty one where there is none."""
    return JournalReader(path).poll()


class JournalWriter:
    """Appends lines that are on disk when `write` returns. Its caller holds the run's lock.

    Raises
    ------
    StateError
        When the journal is damaged.
    """

    def __init__(self, path: Path) -> None:
        reader = JournalReader(path)
        self.before = reader.poll()
        if self.before.damage:
            raise StateError(self.before.damage)
        # Unbuffered: what could not be written is not tried again behind one's back.
        self._file = open(path, "ab", buffering=0)
        self._n_bytes = reader.n_bytes
        # What follows the last whole line was torn by a crash.
        self._file.truncate(self._n_bytes)

    def write(self, kind: str, **content: Any) -> None:
        line = {"kind": kind, "time_ms": time.time_ns() // 1_000_000, **content}
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
