"""Parcels, written into `state/` as the process that trained would have written them there."""

import os
import re
from dataclasses import dataclass

from runner.state.checkpoint import Checkpoints
from runner.state.journal import JournalWriter, first_check
from runner.state.records import Record, decode
from runner.state.root import AttemptFolder, Root
from runner.system.files import write_whole
from runner.work.remote.seam import Parcel

#: What other hosts call files and attempts; nothing else becomes a path here.
_NAME = re.compile(r"\w[\w.-]{0,250}")


class BadParcel(ValueError):
    """A parcel that does not fit what came before it: its task is worth nothing any more."""


@dataclass
class _Kept:
    """An attempt that comes in parcels, of which this process alone writes the folder."""

    folder: AttemptFolder
    journal: JournalWriter
    check: str
    n_lines: int = 0


class Keeper:
    """Keeps what the tasks of one order send.

    Raises
    ------
    OSError
        When something cannot be written; what was written proves itself.
    """

    def __init__(self, root: Root, run_keys: list[str]) -> None:
        self._root, self._run_keys = root, set(run_keys)
        self._attempts: dict[tuple[str, str], _Kept] = {}

    def keep(self, parcel: Parcel) -> None:
        """Write down what is new in a parcel; one that came before changes nothing.

        Raises
        ------
        BadParcel
            When a line does not prove itself, or lines before it are missing.
        """
        names = [parcel.attempt, *parcel.files]
        if parcel.run_key not in self._run_keys or not all(map(_NAME.fullmatch, names)):
            raise BadParcel(f"it has files of {parcel.run_key[:8]} {' '.join(names)[:200]}")
        kept = self._attempts.get((parcel.run_key, parcel.attempt)) or self._begin(parcel)
        records = _proven(kept, parcel)
        newest = Checkpoints(kept.folder.path, parcel.run_key).newest
        checkpoint = parcel.files.get(newest.name)
        # As a run writes them: the last line rests on the results, a checkpoint on its lines.
        for name, content in parcel.files.items():
            if name != newest.name:
                write_whole(kept.folder.path / name, content)
        for record, check in records:
            kept.journal.write(record)
            kept.n_lines, kept.check = kept.n_lines + 1, check
        if checkpoint is not None:
            if newest.exists():
                os.replace(newest, Checkpoints(kept.folder.path, parcel.run_key).previous)
            write_whole(newest, checkpoint)

    def _begin(self, parcel: Parcel) -> _Kept:
        folder = self._root.run(parcel.run_key).attempt(parcel.attempt)
        folder.path.mkdir(parents=True)
        kept = _Kept(folder, JournalWriter(folder), first_check(folder))
        self._attempts[parcel.run_key, parcel.attempt] = kept
        return kept

    def close(self) -> None:
        """Nothing more comes."""
        for kept in self._attempts.values():
            kept.journal.close()
        self._attempts.clear()


def _proven(kept: _Kept, parcel: Parcel) -> list[tuple[Record, str]]:
    """The records that are not kept yet, each with its checksum."""
    if parcel.n_before > kept.n_lines:
        raise BadParcel(f"lines {kept.n_lines + 1} to {parcel.n_before} are missing")
    records: list[tuple[Record, str]] = []
    check = kept.check
    for line in parcel.lines[kept.n_lines - parcel.n_before :]:
        try:
            record, check = decode(line, check)
        except (ValueError, TypeError, KeyError) as error:
            raise BadParcel(f"line {kept.n_lines + len(records) + 1}: {error}") from None
        records.append((record, check))
    return records
