"""How a sweep and its workers are asked to stop: Ctrl-C, a closed terminal, a scheduler."""

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
#: After which a request that was lost is made again.
_AGAIN_S = 0.05
#: A terminal sends the first when it is closed; schedulers send the last two some time before they
#: end a job.
_REQUESTS = (signal.SIGHUP, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)


class Terminated(KeyboardInterrupt):
    """A request to end, where no `Stop` turns it into one to stop between two batches."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def end_at_once_when_asked() -> None:
    """Raise Terminated for any request to end, until a `Stop` takes over."""
    for number in _handled(_REQUESTS):
        signal.signal(number, terminated)
    sys.unraisablehook = _ask_again


def terminated(number: int, _: FrameType | None) -> NoReturn:
    """Handle a request to end while no `Stop` does: end at once."""
    raise Terminated(number)


def _ask_again(lost: "sys.UnraisableHookArgs") -> None:
    """Make a request again that came while Python called back, from where nothing is raised."""
    if not isinstance(lost.exc_value, KeyboardInterrupt):
        sys.__unraisablehook__(lost)
        return
    number = getattr(lost.exc_value, "number", signal.SIGINT)
    threading.Timer(_AGAIN_S, os.kill, (os.getpid(), number)).start()


def exit_code(number: int) -> int:
    """130 after Ctrl-C, 129 after a closed terminal, else 143: SIGTERM, a scheduler's signal."""
    own = (signal.SIGINT, signal.SIGHUP)
    return 128 + (number if number in own else signal.SIGTERM)


def _handled(numbers: tuple[int, ...]) -> list[int]:
    """Those that are not ignored: `nohup` has a command ignore that its terminal is closed."""
    return [
        number
        for number in numbers
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN
    ]


class Stop:
    """Whether training should stop: after a signal, or once the launch's stop file is there.

    The stop file carries a signal from the parent to the workers of any launcher, on any machine. A
    handler that was installed before, such as submitit's for requeueing a job, is called at the end
    of the block, when the run under way has written its checkpoint.

    Parameters
    ----------
    of_worker
        A signal to a worker stops that worker alone, between two batches: the sweep's process
        starts another. In the sweep's process a signal stops every worker of the launch, and a
        second signal ends the process at once.
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
        # Python sets handlers in the main thread only; another thread relies on the stop file.
        if threading.current_thread() is threading.main_thread():
            for number in _handled((signal.SIGINT, *_REQUESTS)):
                self._before[number] = signal.getsignal(number)
                signal.signal(number, self._on_signal)
            # A worker may have been started with it blocked.
            signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT,))
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
            # A worker inside the sweep's own process (basic launcher): the signal is meant for the
            # sweep.
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
        """Ask every worker of the launch, and this process, to stop."""
        self._seen = True
        if self.file is not None:
            try:
                self.file.parent.mkdir(parents=True, exist_ok=True)
                self.file.touch()
            except OSError:  # this process stops even where the disk is full
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
        """As `exit_code` of the signal."""
        return exit_code(self.signal or signal.SIGINT)


def die_with_parent(parent_pid: int) -> None:
    """End this worker when the sweep's process ends; do nothing in that process itself."""
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
