"""Ctrl-C, SIGTERM and the signals of schedulers: how a sweep is asked to stop, and how its workers hear of it."""

import ctypes
import os
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

_POLL_S = 0.2
#: The last two are what schedulers send a while before they end a job. Windows lacks them.
_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1", "SIGUSR2") if hasattr(signal, name)]


class Terminated(KeyboardInterrupt):
    """SIGTERM, where nobody takes it for a request to stop between two batches."""


def terminated(_: int, __: FrameType | None) -> NoReturn:
    """The handler of SIGTERM for as long as no `Stop` has taken it over: what is under way ends at once."""
    raise Terminated


class Stop:
    """Whether training should stop: after a signal to this process, or once the launch's stop file is there.

    The file is what carries a signal from the parent to workers of any launcher, on any machine. A signal that
    somebody else handled before, such as submitit's for having a job queued again, is passed on to them at the end of
    the block: only then is the run under way in its checkpoint.

    Parameters
    ----------
    of_worker
        A signal to a worker ends that worker alone, and never in the middle of something: the sweep's process starts
        others. Elsewhere it stops every worker of the launch, and the second one ends the process at once.
    """

    def __init__(self, file: Path | None = None, of_worker: bool = False) -> None:
        self.file = file
        self.signal: int | None = None
        self._of_worker = of_worker
        self._seen = False
        self._next_look = 0.0
        self._before: dict[int, Any] = {}
        self._to_pass_on: dict[int, Any] = {}

    def __enter__(self) -> "Stop":
        # Handlers can be set in the main thread only; elsewhere the file alone has to do.
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                self._before[number] = signal.getsignal(number)
                signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()
        for number, handler in self._to_pass_on.items():
            handler(number, None)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        before = self._before[number]
        if isinstance(getattr(before, "__self__", None), Stop):
            # A worker inside the sweep's own process (basic launcher, one worker): it is the sweep that is meant.
            self.signal = number
            before(number, frame)
            return
        if callable(before) and before not in (signal.default_int_handler, terminated):
            self._to_pass_on[number] = before
        if self._of_worker:
            self.signal = number
            return
        if self.signal is not None:  # the second time: at once
            for known in self._before:
                signal.signal(known, signal.SIG_DFL)
            raise KeyboardInterrupt
        self.signal = number
        self.tell_workers()

    def tell_workers(self) -> None:
        """Ask everybody who looks at the stop file to stop, and this one."""
        self._seen = True
        if self.file is not None:
            try:
                self.file.parent.mkdir(parents=True, exist_ok=True)
                self.file.touch()
            except OSError:  # a full disk must not keep the signal from this process itself
                pass

    def __call__(self) -> bool:
        if self.signal is not None or self._seen:
            return True
        if self.file is not None and time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + _POLL_S
            self._seen = self.file.exists()
        return self._seen

    @property
    def exit_code(self) -> int:
        """130 after Ctrl-C, 143 after SIGTERM or a scheduler's signal."""
        return 128 + (signal.SIGINT if self.signal in (None, signal.SIGINT) else signal.SIGTERM)


def die_with_parent(parent_pid: int) -> None:
    """End this worker when the sweep's process ends, however it ends; a no-op in that process itself."""
    if os.getppid() != parent_pid or os.getpid() == parent_pid:
        return
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
        if os.getppid() != parent_pid:  # it died before the call
            os._exit(1)
        return
    threading.Thread(target=_watch_parent, args=(parent_pid,), daemon=True).start()


def _watch_parent(parent_pid: int) -> None:
    while os.getppid() == parent_pid:
        time.sleep(1.0)
    os._exit(1)
