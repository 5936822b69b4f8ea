"""What has come to the attempts below a root since the last look: the parcels of a task."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field

from runner.state.checkpoint import Checkpoints
from runner.state.root import AttemptFolder, Root
from runner.work.remote.seam import Parcel


@dataclass
class _Sent:
    """What was sent of an attempt."""

    n_lines: int = 0
    n_bytes: int = 0
    #: By name, what tells a file that was written anew from the one before.
    files: dict[str, tuple[int, int]] = field(default_factory=dict)


class Mirror:
    """Follows the attempts that are made below a root of a task's own.

    Parameters
    ----------
    run_keys
        Of the runs that are trained there. What is there already stays where it came from.
    """

    def __init__(self, root: Root, run_keys: list[str]) -> None:
        self._runs = [root.run(key) for key in run_keys]
        self._sent: dict[tuple[str, str], _Sent] = {}
        self._before = {(run.key, id) for run in self._runs for id in run.attempt_ids()}

    def parcels(self) -> Iterator[Parcel]:
        """What is new; each may be kept before the next one is looked for."""
        for run in self._runs:
            for id in run.attempt_ids():
                if (run.key, id) not in self._before:
                    sent = self._sent.setdefault((run.key, id), _Sent())
                    parcel = _parcel(run.attempt(id), sent)
                    if parcel.lines or parcel.files:
                        yield parcel


def _parcel(folder: AttemptFolder, sent: _Sent) -> Parcel:
    # A checkpoint rests on lines of the journal, and the last line on the results: read in the
    # other order, a parcel could hold one without the other.
    files = _changed(folder, [Checkpoints(folder.path, folder.run_key).newest.name], sent)
    added = b""
    if folder.journal.exists():
        with open(folder.journal, "rb") as file:
            file.seek(sent.n_bytes)
            added = file.read()
    whole = added[: added.rfind(b"\n") + 1]
    lines = whole[:-1].split(b"\n") if whole else []
    parcel = Parcel(folder.run_key, folder.id, sent.n_lines, lines, files)
    sent.n_lines, sent.n_bytes = sent.n_lines + len(lines), sent.n_bytes + len(whole)
    finals = [file.name for file in folder.path.glob("final-*")]
    results = [file.name for file in (*folder.results, folder.error)]
    if any(line.startswith(b'{"kind": "end"') for line in lines) or not lines:
        files |= _changed(folder, [*results, *finals], sent)
    return parcel


def _changed(folder: AttemptFolder, names: list[str], sent: _Sent) -> dict[str, bytes]:
    """Those of the files that are there and were not sent as they are."""
    changed = {}
    for name in names:
        with contextlib.suppress(FileNotFoundError), open(folder.path / name, "rb") as file:
            # Each appears whole, under its name by a rename.
            is_now = os.fstat(file.fileno())
            version = is_now.st_ino, is_now.st_mtime_ns
            if sent.files.get(name) != version:
                changed[name], sent.files[name] = file.read(), version
    return changed
