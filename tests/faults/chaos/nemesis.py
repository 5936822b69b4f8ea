"""What is killed, and when: a kind of kill at a random moment, or a process at a point that the
code names."""

import contextlib
import os
import random
import signal
import time
from collections import Counter
from dataclasses import dataclass

from commands import is_alive

#: How often each kind of kill is drawn: everything at once, the sweep's process alone, one worker,
#: polite requests, and a pause of the whole group.
KINDS = {
    "group": 45, "parent": 15, "worker": 10, "SIGTERM": 8, "SIGINT": 8, "SIGHUP": 6, "SIGUSR1": 6,
    "pause": 2,
}  # fmt: skip
#: A kill while the kernels are compiled, with no compiled copy kept: before a journal's `setup`.
COLD = "before setup, empty cache"
#: What is killed then, in turn, and at the latest when, from the first line of a journal on.
_COLD_KINDS, _COLD_S = ("worker", "group", "parent"), 4.0
#: After these the commands end by themselves.
SURVIVED = ("server", "pause")
_PAUSE_S = 30.0
#: The same for a sweep that logs to a server: the server is killed half of the time.
SERVED = KINDS | {"server": 100}
#: One start in five is of two sweeps at once.
_TWO_AT_ONCE = 0.2
#: Half of the kills come in the middle of training, half at any moment of a start's first seconds.
_IN_TRAINING, _FIRST_S = 0.5, 6.0
_PATIENCE_S, _LOOK_S = 60.0, 0.3
#: A point that so many starts in a row do not come by is a violation.
_MAX_MISSED = 3


@dataclass(frozen=True)
class Kill:
    """One kill, drawn before the commands that it is meant for are started."""

    kind: str
    #: How many commands are started at once.
    n_commands: int
    #: Whether the moment is counted from the first epoch that the commands record, else from their
    #: start.
    in_training: bool
    after_s: float
    #: Whether the commands find no compiled kernels. The moment is then counted from the first line
    #: of a journal.
    is_cold: bool = False


class Nemesis:
    """Draws kills from a seed and carries them out.

    Parameters
    ----------
    subject
        What is killed: an object of `subjects`.
    points
        Named points, each visited by a start of its own, as often as it is named.
    n_cold
        How many starts are killed while they compile.
    """

    def __init__(self, subject, seed, points=(), n_cold=0):
        self.subject = subject
        self.random = random.Random(seed)
        self.points = list(points)
        first = self.random.randrange(len(_COLD_KINDS))
        self.cold = [_COLD_KINDS[(first + n) % len(_COLD_KINDS)] for n in range(n_cold)]
        #: Point -> starts in a row that did not come by it.
        self._missed = Counter()

    # Random moments.

    def draw(self):
        """The next kill."""
        if self.cold and not self.subject.server:
            after_s = self.random.uniform(0, _COLD_S)
            return Kill(self.cold.pop(), 1, False, after_s, is_cold=True)
        kinds = SERVED if self.subject.server else KINDS
        (kind,) = self.random.choices(list(kinds), kinds.values())
        n_commands = 2 if self.random.random() < _TWO_AT_ONCE else 1
        # A sweep does not start without its server.
        in_training = self.random.random() < _IN_TRAINING or kind == "server"
        after_s = self.random.uniform(0, 0.5) if in_training else self.random.uniform(0, _FIRST_S)
        return Kill(kind, n_commands, in_training, after_s)

    def wait(self, kill, root, process, look):
        """Return at the moment of the kill, or when the process has ended; call `look` now and
        then."""
        if kill.is_cold:
            self._wait_for_compiling(kill, root, process)
            return
        n_before = self.subject.n_recorded(root)
        begun = looked = time.monotonic()
        end = begun + (_PATIENCE_S if kill.in_training else kill.after_s)
        while process.poll() is None and time.monotonic() < end:
            if kill.in_training and self.subject.n_recorded(root) > n_before:
                time.sleep(kill.after_s)
                return
            if time.monotonic() - looked > _LOOK_S:
                looked = time.monotonic()
                look()
            time.sleep(0.02)

    def _wait_for_compiling(self, kill, root, process):
        n_before, end = self.subject.n_started(root), time.monotonic() + _PATIENCE_S
        while process.poll() is None and time.monotonic() < end:
            if self.subject.n_started(root) > n_before:
                time.sleep(kill.after_s)
                return
            time.sleep(0.02)

    def strike(self, kill, root, commands):
        """Kill what the kill is for; whether the commands were to end by it.

        A server is started again after a while.
        """
        if kill.kind == "server":
            self.subject.server.kill()
            time.sleep(self.random.uniform(0, 2))
            self.subject.server.begin()
            return False
        if kill.kind == "pause":
            for number in (signal.SIGSTOP, signal.SIGCONT):
                for process in commands:
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(process.pid, number)
                time.sleep(_PAUSE_S if number == signal.SIGSTOP else 0)
            return False
        workers = self._workers(root, commands[0]) if kill.kind == "worker" else []
        if workers:
            # The sweep goes on without it, and ends by itself.
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.random.choice(workers), signal.SIGKILL)
            return False
        for process in commands:
            with contextlib.suppress(ProcessLookupError):
                _end(kill.kind, process)
        return True

    def _workers(self, root, process):
        return [pid for pid in self.subject.workers(root, process) if is_alive(pid)]

    # Named points.

    def next_point(self):
        """The point that the next start is to die at; None when all are visited. Nothing is served
        meanwhile."""
        return self.points.pop(0) if self.points and not self.subject.server else None

    def arm(self, point, root, once):
        """The environment in which a process dies at the point; `once` is a file that the first one
        to die makes."""
        if point == "store_init_half":
            for path in root.glob("mlflow.db*"):
                path.unlink()
        return {"RUNNER_KILL_AT": point, "RUNNER_KILL_ONCE": str(once)}

    def passed_by(self, point, died):
        """Take note of a start that was to die at a point; whether too many in a row did not come
        by it."""
        if died:
            self._missed[point] = 0
            return False
        # What the point is in was done earlier in this sweep: the first start of the next one will
        # come by.
        self._missed[point] += 1
        self.points.insert(0, point)
        return self._missed[point] >= _MAX_MISSED


def _end(kind, process):
    """End a command's process, or its whole group."""
    if kind == "parent":
        process.kill()
    elif kind in ("SIGTERM", "SIGUSR1"):  # a scheduler's
        os.kill(process.pid, signal.Signals[kind])
    elif kind in ("SIGINT", "SIGHUP"):  # a terminal's
        os.killpg(process.pid, signal.Signals[kind])
    else:
        os.killpg(process.pid, signal.SIGKILL)
