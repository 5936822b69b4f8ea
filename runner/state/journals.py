"""One reader that follows the journals of many runs, for everybody in a process."""

import math
import os
import threading
import time
from collections.abc import Iterable, Iterator

from runner.state.journal import Journal, JournalReader
from runner.state.root import Root


class Journals:
    """The journals of runs, each byte read once however many threads look.

    A journal that says that its run is trained is not read again. A run that nobody has begun costs
    nothing: its folder is not there.
    """

    def __init__(self, root: Root, run_keys: Iterable[str]) -> None:
        self.root = root
        self._readers = {key: JournalReader(root.run(key).journal) for key in run_keys}
        self._to_begin = dict.fromkeys(self._readers)
        self._to_follow: dict[str, JournalReader] = {}
        self._changes: list[str] = []
        self._lock = threading.Lock()
        self._looked_at = -math.inf

    def __getitem__(self, run_key: str) -> Journal:
        """A run's journal as it was at the last look."""
        return self._readers[run_key].journal

    def __iter__(self) -> Iterator[str]:
        return iter(self._readers)

    def __len__(self) -> int:
        return len(self._readers)

    def look(self, max_age_s: float = 0.1) -> "Journals":
        """Read what was written since, unless another thread did so in the last `max_age_s`."""
        with self._lock:
            if time.monotonic() - self._looked_at < max_age_s:
                return self
            self._follow_begun()
            for key in list(self._to_follow):
                self._read(key)
            self._looked_at = time.monotonic()
        return self

    def read(self, run_key: str) -> Journal:
        """A run's journal as it is now."""
        with self._lock:
            self._to_begin.pop(run_key, None)
            if not self[run_key].trained:
                self._to_follow[run_key] = self._readers[run_key]
                self._read(run_key)
        return self[run_key]

    def changed_since(self, position: int) -> tuple[list[str], int]:
        """The runs whose journals have grown since a position (0: ever), and the next position."""
        with self._lock:
            return list(dict.fromkeys(self._changes[position:])), len(self._changes)

    def under_way(self, launch: str) -> dict[str, int]:
        """The runs that a launch began and has not ended: run key -> process."""
        with self._lock:
            followed = [(key, reader.journal) for key, reader in self._to_follow.items()]
        return {
            key: j.start.pid for key, j in followed if j.start is not None and j.under_way(launch)
        }

    def _follow_begun(self) -> None:
        try:
            there = set(os.listdir(self.root.state)) if self._to_begin else set()
        except FileNotFoundError:
            return
        for key in [key for key in self._to_begin if key in there]:
            del self._to_begin[key]
            self._to_follow[key] = self._readers[key]

    def _read(self, run_key: str) -> None:
        reader = self._readers[run_key]
        if reader.poll():
            self._changes.append(run_key)
        if reader.journal.trained or reader.journal.damage:
            del self._to_follow[run_key]
