"""`runner.time_limit_s`: a run that hangs fails, and costs no other run."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

from runner.errors import TimedOut

_LOOK_S = 0.5
#: So long a run may go on after its limit before its process is killed: its worker could not end it by itself.
GRACE_S = 5.0


def told(seconds: float) -> str:
    """The cause of a run that was not at its end in time."""
    return f"timed out: not at its end within {seconds:g} s (runner.time_limit_s)"


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TimedOut in the block when it is not done in time; 0 is no limit.

    By a signal, in a process's main thread alone. What computes in C without end is not reached by it, and left to
    the sweep's process (`Hung`).
    """
    if not seconds or not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def out(_: int, __: FrameType | None) -> None:
        raise TimedOut(told(seconds))

    before = signal.signal(signal.SIGALRM, out)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class Hung(threading.Thread):
    """Kills workers of this process whose run goes on past its limit and the grace.

    Parameters
    ----------
    held
        Gives the runs under way now: run key -> (process, limit in seconds).
    """

    def __init__(self, held: Callable[[], dict[str, tuple[int, float]]]) -> None:
        super().__init__(name="time limit", daemon=True)
        self._held = held
        self._done = threading.Event()
        self._since: dict[tuple[str, int], float] = {}
        #: The runs whose process was killed.
        self.killed: set[str] = set()

    def run(self) -> None:
        while not self._done.wait(_LOOK_S):
            for key, (pid, limit) in self._held().items():
                # By this process's own clock from when it was first seen: the time of day may jump.
                since = self._since.setdefault((key, pid), time.monotonic())
                if limit and key not in self.killed and time.monotonic() - since > limit + GRACE_S and _is_ours(pid):
                    self.killed.add(key)
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)

    def stop(self) -> set[str]:
        """End the watch; the runs whose process was killed."""
        self._done.set()
        self.join()
        return self.killed


def _is_ours(pid: int) -> bool:
    """Whether it is a descendant of this process: a number in a journal may be another machine's."""
    try:
        while pid > 1:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
            if pid == os.getpid():
                return True
    except (OSError, ValueError):
        pass
    return False
