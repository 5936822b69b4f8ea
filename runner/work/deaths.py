"""Which worker died first. A launcher that loses one worker may end the others too; only one is to blame."""

import os
import select
import threading
from collections.abc import Callable

_LOOK_S = 0.2


class DeathWatch(threading.Thread):
    """Waits for the first of the processes that `pids` names to end.

    The kernel tells through a pidfd (Linux); elsewhere nothing is found out, and whoever asks has to manage
    with `first` empty.
    """

    def __init__(self, pids: Callable[[], set[int]]) -> None:
        super().__init__(name="deaths", daemon=True)
        self._pids = pids
        self._done = threading.Event()
        #: The processes that had ended when the first end was seen.
        self.first: set[int] = set()

    def run(self) -> None:
        if not hasattr(os, "pidfd_open"):
            return
        watched: dict[int, int] = {}
        poll = select.poll()
        try:
            while not self._done.is_set() and not self.first:
                for pid in self._pids() - set(watched.values()):
                    try:
                        descriptor = os.pidfd_open(pid)
                    except OSError:  # it is gone already, or it runs on another machine
                        continue
                    watched[descriptor] = pid
                    poll.register(descriptor, select.POLLIN)
                self.first = {watched[descriptor] for descriptor, _ in poll.poll(_LOOK_S * 1000)}
        finally:
            for descriptor in watched:
                os.close(descriptor)

    def stop(self) -> set[int]:
        """End the watch; the processes that ended first."""
        self._done.set()
        self.join()
        return self.first
