"""An attempt's journal: what its records say together, and how they get to disk."""

import contextlib
import dataclasses
import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from runner.state.records import (
    Compiling,
    End,
    Epoch,
    LaterVersion,
    Record,
    Setup,
    Start,
    decode,
    encode,
    parse,
)
from runner.state.root import AttemptFolder
from runner.system.files import naming_room, write_all, write_whole


@dataclass
class Attempt:
    """What one process wrote of a run; of versions 1 and 2, what all of them wrote."""

    id: str
    #: The path of its journal, for messages.
    file: str = ""
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
    #: What is wrong with the file, when a line of it does not prove itself. Nothing from that line
    #: on is used.
    damage: str | None = None
    #: Set when a later version of this program wrote the file.
    of_later_version: str | None = None

    @property
    def has_ended(self) -> bool:
        """Whether nothing more is to come."""
        return self.end is not None or self.damage is not None

    def add(self, record: Record) -> None:
        """Take the next record of the file."""
        if isinstance(record, Epoch):
            if record.epoch not in self.epochs:
                self.epochs[record.epoch] = record
            return
        self.compiling = isinstance(record, Compiling)
        if isinstance(record, Start):
            self.start, self.setup, self.end = record, None, None
        elif isinstance(record, Setup):
            self.setup = record
        elif isinstance(record, End):
            self.end = record


class JournalReader:
    """Follows a journal while another process writes it, and reads each byte once."""

    def __init__(self, folder: AttemptFolder) -> None:
        self.folder = folder
        self.attempt = Attempt(folder.id, str(folder.journal))
        self._n_bytes = self._n_lines = 0
        self._check = first_check(folder)

    def poll(self) -> bool:
        """Take the whole lines that were added since; whether there were any."""
        attempt = self.attempt
        if attempt.has_ended and not self.folder.is_before_attempts or attempt.damage:
            return False
        # Looked for first: what the journal itself says by then counts before it.
        death = self._death()
        try:
            with open(self.folder.journal, "rb") as file:
                file.seek(self._n_bytes)
                added = file.read()
        except FileNotFoundError:
            added = b""
        except OSError as error:  # such as a folder in its place
            attempt.damage = f"{self.folder.journal}: {os.strerror(error.errno or 0)}"
            return True
        whole = added[: added.rfind(b"\n") + 1]
        for line in whole[:-1].split(b"\n") if whole else ():
            self._n_lines += 1
            try:
                attempt.add(self._record(line))
            except LaterVersion as error:
                attempt.of_later_version = attempt.damage = f"{self.folder.journal}: {error}"
                break
            except (ValueError, KeyError, TypeError) as error:
                attempt.damage = (
                    f"{self.folder.journal}: line {self._n_lines} is damaged ({error}); from there"
                    " on it is not used"
                )
                break
        self._n_bytes += len(whole)
        if death and not attempt.has_ended:
            attempt.end = death
        return bool(whole or death)

    def _record(self, line: bytes) -> Record:
        if self.folder.is_before_attempts:
            record = parse(line)
        else:
            record, self._check = decode(line, self._check)
        if self._n_lines == 1 and not isinstance(record, Start):
            raise ValueError("a journal begins with the start of an attempt")
        if isinstance(record, Start) and record.run_key != self.folder.run_key:
            raise ValueError(f"it is that of run {record.run_key[:8]}")
        return record

    def _death(self) -> End | None:
        """How the sweep's process found that this attempt's process had died, if it did."""
        if self.folder.is_before_attempts:
            return None
        try:
            line = self.folder.death.read_bytes().removesuffix(b"\n")
            record, _ = decode(line, first_check(self.folder))
        except (OSError, ValueError, KeyError, TypeError):  # absent, or it proves nothing
            return None
        return record if isinstance(record, End) else None


class JournalWriter:
    """Appends records to a new journal; they are on disk when `write` returns."""

    def __init__(self, folder: AttemptFolder) -> None:
        # Unbuffered: Python does not try again later what could not be written. Appending: after
        # half a line was cut off again, the next one begins where that began.
        with naming_room(folder.journal):
            self._file = open(folder.journal, "ab", buffering=0, opener=_exclusively)
        self._n_bytes, self._check = 0, first_check(folder)

    def write(self, record: Record) -> None:
        """Append a record, with the time, unless it has that of another journal."""
        line, check = encode(_timed(record), self._check)
        try:
            with naming_room(Path(self._file.name)):
                write_all(self._file, line)
                os.fsync(self._file.fileno())
        except OSError:
            # Half a line would make the next one unreadable.
            with contextlib.suppress(OSError):
                self._file.truncate(self._n_bytes)
            raise
        self._n_bytes, self._check = self._n_bytes + len(line), check

    def close(self) -> None:
        self._file.close()


def _exclusively(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_EXCL, 0o666)


def write_death(folder: AttemptFolder, end: End) -> None:
    """Record how an attempt ended whose process died before it could say so."""
    line, _ = encode(_timed(end), first_check(folder))
    write_whole(folder.death, line)


def _timed(record: Record) -> Record:
    return dataclasses.replace(record, time_ms=record.time_ms or time.time_ns() // 1_000_000)


def first_check(folder: AttemptFolder) -> str:
    """What the checksums of a journal begin with: a journal that was put elsewhere does not fit."""
    return json.dumps([folder.run_key, folder.id])
