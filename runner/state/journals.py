"""One reader that follows the attempts at many runs, for everybody in a process."""

import math
import os
import threading
import time
from collections.abc import Iterable, Iterator

from runner.state.root import Root
from runner.state.run_record import RunReader, RunRecord


class Journals:
    """The records of runs, each byte read once however many threads look.

    A run that is trained is not looked at again. A run that nobody has begun costs
    nothing: its folder is not there.
    """

    def __init__(self, root: Root, run_keys: Iterable[str]) -> None:
        self.root = root
        self._readers = {key: RunReader(root.run(key)) for key in run_keys}
        self._to_begin = dict.fromkeys(self._readers)
        self._to_follow: dict[str, RunReader] = {}
        self._changes: list[str] = []
        self._lock = threading.Lock()
        self._looked_at = -math.inf

    def __getitem__(self, run_key: str) -> RunRecord:
        """A run's record as it was at the last look."""
        return self._readers[run_key].record

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

    def read(self, run_key: str) -> RunRecord:
        """A run's record as it is now."""
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
            followed = [(key, reader.record) for key, reader in self._to_follow.items()]
        under_way = [(key, record) for key, record in followed if record.under_way(launch)]
        begun = [(key, record.of_launch(launch)) for key, record in under_way]
        return {key: attempt.start.pid for key, attempt in begun if attempt and attempt.start}

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
        if reader.record.trained or reader.record.refusal:
            del self._to_follow[run_key]
