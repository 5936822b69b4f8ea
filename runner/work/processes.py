"""Watching worker processes: who died first, who takes too long, and that none is left over."""

import contextlib
import faulthandler
import os
import select
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType

from runner.errors import TimedOut
from runner.state.journals import Journals

_LOOK_S = 0.2
#: So long a run may go on after its limit before its process is killed: its worker could not end it
#: by itself.
GRACE_S = 5.0
#: `sys.stderr` may be closed.
_STDERR = 2


# =============================================================================
# In the sweep's process
# =============================================================================
class WorkerWatch(threading.Thread):
    """Finds the worker that ends first, and kills the process of a run past its time limit.

    A launcher that loses one worker may end the others too; only the first is to blame. The kernel
    tells of it through a pidfd (Linux); elsewhere `first_dead` stays empty.

    Parameters
    ----------
    time_limits
        Seconds by run key; 0 is no limit.
    """

    def __init__(self, journals: Journals, launch: str, time_limits: Mapping[str, float]) -> None:
        super().__init__(name="workers", daemon=True)
        self._journals, self._launch, self._time_limits = journals, launch, time_limits
        self._done = threading.Event()
        self._began: dict[tuple[str, int], float] = {}
        #: The processes that had ended when the first end was seen.
        self.first_dead: set[int] = set()
        #: The runs whose process was killed for its time.
        self.timed_out: set[str] = set()

    def run(self) -> None:
        watched: dict[int, int] = {}
        poll = select.poll()
        try:
            while not self._done.is_set():
                held = self._journals.look().under_way(self._launch)
                self._end_late(held)
                if self.first_dead or not hasattr(os, "pidfd_open"):
                    self._done.wait(_LOOK_S)
                    continue
                for pid in set(held.values()) - set(watched.values()):
                    # It is gone already, or it runs on another machine.
                    with contextlib.suppress(OSError):
                        descriptor = os.pidfd_open(pid)
                        watched[descriptor] = pid
                        poll.register(descriptor, select.POLLIN)
                self.first_dead = {
                    watched[descriptor] for descriptor, _ in poll.poll(_LOOK_S * 1000)
                }
        finally:
            for descriptor in watched:
                os.close(descriptor)

    def _end_late(self, held: dict[str, int]) -> None:
        for key, pid in held.items():
            limit = self._time_limits.get(key, 0.0)
            # By this process's own clock from when the run was first seen: the time of day may
            # jump.
            seconds = time.monotonic() - self._began.setdefault((key, pid), time.monotonic())
            if limit and key not in self.timed_out and seconds > limit + GRACE_S and _is_ours(pid):
                self.timed_out.add(key)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def stop(self) -> None:
        """End the watch."""
        self._done.set()
        self.join()


def _is_ours(pid: int) -> bool:
    """Whether it is a descendant of this process: a journal may name another machine's."""
    try:
        while pid > 1:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
            if pid == os.getpid():
                return True
    except (OSError, ValueError):
        pass
    return False


_NAME = "RUNNER_GUARD"

#: Waits for the end of its input, which comes with the sweep's process, however that ends; then
#: kills what bears the mark. The trackers of shared memory are left: they clean up and end by
#: themselves.
_GUARD = """
import glob, os, signal, sys, time
mark = sys.argv[1].encode()
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
sys.stdin.buffer.read()
for _ in range(20):
    for path in glob.glob("/proc/[0-9]*/environ"):
        folder = os.path.dirname(path)
        try:
            marked = mark in open(path, "rb").read().split(b"\\0")
            if marked and b"resource_tracker" not in open(folder + "/cmdline", "rb").read():
                os.kill(int(os.path.basename(folder)), signal.SIGKILL)
        except OSError:
            pass
    time.sleep(0.1)
"""


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """Processes that are started in the block do not outlive this one, even after a `kill -9`.

    A worker asks the kernel for that itself (`stop.die_with_parent`), once it runs our code; until
    then, and while it waits for work in its launcher's code, it is found by a variable in its
    environment. Linux only.
    """
    if sys.platform != "linux":
        yield
        return
    mark, unmarked = uuid.uuid4().hex, {k: v for k, v in os.environ.items() if k != _NAME}
    before = os.environ.get(_NAME)
    os.environ[_NAME] = mark
    # -I -S: started in a hundredth of a second. A session of its own: a signal to the sweep's group
    # spares it.
    line = [sys.executable, "-I", "-S", "-c", _GUARD, f"{_NAME}={mark}"]
    guard = subprocess.Popen(
        line, env=unmarked, start_new_session=True, cwd="/",
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield
        # Every worker ended in order, and none is left to be killed. After an exception, such as a
        # second Ctrl-C while a worker hangs, one may be.
        with guard:
            guard.kill()
    finally:
        if before is None:
            del os.environ[_NAME]
        else:
            os.environ[_NAME] = before


# =============================================================================
# In a worker
# =============================================================================
def time_limit_cause(seconds: float) -> str:
    """The cause of a run that was not at its end in time."""
    return f"timed out: not at its end within {seconds:g} s (runner.time_limit_s)"


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TimedOut in the block when it is not done in time; 0 is no limit.

    By a signal, in a process's main thread alone. It does not reach code that computes in C without
    end: the sweep's process ends it (`WorkerWatch`), and where that runs on another machine, it
    ends here, with where it was on standard error.
    """
    if not seconds or threading.current_thread() is not threading.main_thread():
        yield
        return

    def out(_: int, __: FrameType | None) -> None:
        raise TimedOut(time_limit_cause(seconds))

    before = signal.signal(signal.SIGALRM, out)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    faulthandler.dump_traceback_later(seconds + 2 * GRACE_S, exit=True, file=_STDERR)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
