"""Starts sweeps, kills them at random moments and at named ones, and looks at what is left, until N kills are done."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

from commands import descendants, is_alive

from chaos.figures import Figures
from chaos.subjects import N_EPOCHS, N_RUNS, N_WORKERS

#: How the line of an epoch begins in the log that tests/faulty writes: with its seed.
EPOCH = tuple(str(digit).encode() for digit in range(10))

#: How often each kind of kill is drawn: everything at once, the sweep's process alone, one worker, polite requests.
KINDS = {"group": 55, "parent": 15, "worker": 10, "SIGTERM": 10, "SIGINT": 10}
#: In a sweep that logs to a server, it is the server half of the time.
SERVED = KINDS | {"server": 100}
_PATIENCE_S = 60.0
#: One start in five is of two sweeps at once.
_TWO = 0.2
#: One sweep in five logs to a server.
_SERVED = 5
_LOOK_S = 0.3


class Harness:
    """One subject under fire.

    Parameters
    ----------
    subject
        `subjects.Ours` or `subjects.Plain`.
    folder
        An empty folder; a root for each sweep is made in it.
    points
        Named points, each visited by a start of its own; as often as it is named.
    """

    def __init__(self, subject, folder, seed, n_kills, points=()):
        self.subject, self.folder, self.n_kills = subject, Path(folder), n_kills
        self.random = random.Random(seed)
        self.figures = Figures(subject.name, seed)
        self.points = list(points)
        self.log = self.folder / "log.txt"
        self.root = None
        self.n_sweeps = 0
        #: Named point -> starts in a row that did not come by it.
        self.missed = Counter()
        #: Epochs that may be computed twice in this sweep: one for each worker of what was killed.
        self.may_repeat = 0

    def run(self):
        """All of it; the figures."""
        begun = time.monotonic()
        try:
            reference, report = self._undisturbed()
            while self.figures.n_kills < self.n_kills and not self.figures.violations:
                self._new_root(f"sweep {self.figures.sweeps}", served=self.n_sweeps % _SERVED == 0)
                while not self._ended(reference, report):
                    if time.monotonic() - begun > 600 + 15 * self.n_kills:
                        self._wrong("out of time")
                    if self.figures.violations:
                        break
                self.subject.leave()
                self.n_sweeps += 1
        finally:
            self.subject.leave()
        self.figures.wall_s = time.monotonic() - begun
        return self.figures

    # One sweep.

    def _undisturbed(self):
        self._new_root("undisturbed", served=False)
        assert self._wait(self._start()) == 0, self.log.read_text()[-2000:]
        found = self.subject.reference(self.root), self._report()
        self.figures.sweeps -= 1
        return found

    def _new_root(self, name, served):
        if self.root is not None and self.root.name != "undisturbed":
            shutil.rmtree(self.root)
        self.root = self.folder / name
        self.subject.prepare(self.root, served)
        self.figures.sweeps += 1
        self.may_repeat = 0

    def _ended(self, reference, report):
        """One start of the command, killed or not; whether the sweep ended by itself."""
        if self.figures.n_kills >= self.n_kills:
            code, seconds = self._undisturbed_start()
        elif self.points and not self.subject.server:
            code, seconds = self._to_a_point(self.points.pop(0))
        else:
            code, seconds = self._killed_start()
        self.subject.check(self.root, self.figures, self._wrong)
        if code != 0:
            # 4: the server was away at the end.
            if code not in (1, None) and not (code == 4 and self.subject.server):
                self._wrong(f"exit code {code}")
            return False
        self.figures.longest_recovery_s = max(self.figures.longest_recovery_s, seconds)
        self._check_end(reference, report)
        return True

    def _undisturbed_start(self):
        begun = time.monotonic()
        return self._wait(self._start()), time.monotonic() - begun

    def _killed_start(self):
        begun = time.monotonic()
        before = self.subject.n_recorded(self.root)
        kinds = SERVED if self.subject.server else KINDS
        kind = self.random.choices(list(kinds), kinds.values())[0]
        together = [self._start() for _ in range(2 if self.random.random() < _TWO else 1)]
        process = together[0]
        # Half of the kills come in the middle of training, half at any moment of a start's first six seconds. Without
        # its server a sweep does not start.
        in_training = self.random.random() < 0.5 or kind == "server"
        until = begun + (self.random.uniform(0, 6) if not in_training else _PATIENCE_S)
        looked = begun
        while process.poll() is None and time.monotonic() < until:
            if in_training and self.subject.n_recorded(self.root) > before:
                time.sleep(self.random.uniform(0, 0.5))
                break
            if time.monotonic() - looked > _LOOK_S:
                looked = time.monotonic()
                self.subject.look(self.root, self._wrong)
            time.sleep(0.02)
        if process.poll() is None:
            self.figures.kills[kind] += 1
            if kind == "server":
                self.subject.server.kill()
                time.sleep(self.random.uniform(0, 2))
                self.subject.server.begin()
            else:
                self.may_repeat += N_WORKERS * len(together)
                below = [pid for one in together for pid in descendants(one.pid)]
                self._kill(kind, process, together)
                self._reap(together, below)
                return None, 0.0
        codes = [self._wait(one) for one in together]
        return max(codes), time.monotonic() - begun

    def _to_a_point(self, point):
        """A start that is to die at a named moment; where it does not come by, it is an undisturbed one."""
        begun = time.monotonic()
        once = self.folder / f"died at {point} ({self.figures.points[point] + 1})"
        here = {"RUNNER_KILL_AT": point, "RUNNER_KILL_ONCE": str(once)}
        if point == "store_init_half":
            for path in self.root.glob("mlflow.db*"):
                path.unlink()
        if point.startswith("report_"):
            code = self._wait(self._start())
            self._wait(self._start(self.subject.report_line(self.root), here))
            if self._wait(self._start(self.subject.report_line(self.root))) != 0:
                self._wrong("no report after one that was killed")
        else:
            process = self._start(more=here)
            code = self._wait(process)
        if not once.exists():
            # It has been done already in this sweep: the first start of the next will come by.
            if self.missed[point] == 2:
                self._wrong(f"nobody came by {point}")
            self.missed[point] += 1
            self.points.insert(0, point)
            return code, time.monotonic() - begun
        self.missed[point] = 0
        self.figures.points[point] += 1
        self.figures.kills["named point"] += 1
        self.may_repeat += N_WORKERS
        return (None if code != 0 else 0), time.monotonic() - begun

    # Processes.

    def _start(self, line=None, more=None):
        self.figures.starts += 1
        with open(self.log, "ab") as log:
            return subprocess.Popen(
                line or self.subject.line(self.root),
                env=self.subject.environment(self.root) | (more or {}),
                cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def _wait(self, process):
        try:
            return process.wait(timeout=2 * _PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._wrong("a start that did not end")
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            return process.wait()

    def _kill(self, kind, process, together):
        if kind == "worker":
            alive = [pid for pid in self.subject.workers(self.root, process) if is_alive(pid)]
            if alive:
                # The sweep goes on without it, and ends by itself.
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.random.choice(alive), signal.SIGKILL)
                return
        for one in together:
            with contextlib.suppress(ProcessLookupError):
                if kind == "parent":
                    one.kill()
                elif kind in ("SIGTERM", "SIGINT"):
                    (os.kill if kind == "SIGTERM" else os.killpg)(one.pid, getattr(signal, kind))
                else:
                    os.killpg(one.pid, signal.SIGKILL)

    def _reap(self, together, below):
        begun = time.monotonic()
        for one in together:
            self._wait(one)
        while any(map(is_alive, below)) and time.monotonic() - begun < 10:
            time.sleep(0.02)
        left = [pid for pid in below if is_alive(pid)]
        self.figures.orphans += len(left)
        self.figures.longest_stop_s = max(self.figures.longest_stop_s, time.monotonic() - begun)
        for pid in left:
            self._wrong(f"process {pid} is left")
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    # What is left.

    def _check_end(self, reference, report):
        figures = self.figures
        computed = self._n_lines(EPOCH)
        needed = N_RUNS * N_EPOCHS
        figures.epochs_needed += needed
        figures.epochs_computed += computed
        beyond = max(0, computed - needed - self.may_repeat)
        figures.epochs_lost_beyond += beyond
        if beyond:
            self._wrong(f"{beyond} epochs were computed again for no reason")
        at_once = self._n_lines(b"!")
        figures.two_writers += at_once
        if at_once:
            self._wrong("two processes were at one run")
        self.subject.check_end(self.root, reference, figures, self._wrong)
        if self.subject.resumes:
            if self._wait(self._start()) != 0:
                self._wrong("a third run does not end well")
            again = self._n_lines(EPOCH) - computed
            figures.epochs_of_a_third_run += again
            if again:
                self._wrong(f"a third run computed {again} epochs")
            figures.reports_compared += 1
            figures.reports_equal += self._report() == report
            if figures.reports_equal < figures.reports_compared:
                self._wrong("the report differs from that of the undisturbed sweep")
        left = self.subject.left(self.root)
        figures.temporary_files_left += len(left)
        if left:
            self._wrong(f"left: {', '.join(path.name for path in left)}")

    def _report(self):
        if not self.subject.resumes:
            return None
        if self._wait(self._start(self.subject.report_line(self.root))) != 0:
            self._wrong("no report")
        return self.subject.report(self.root)

    def _n_lines(self, begin):
        """Lines of the log of epochs that begin so."""
        path = self.root.with_suffix(".epochs")
        found = path.read_bytes().splitlines() if path.exists() else []
        return sum(line.startswith(begin) for line in found)

    def _wrong(self, what):
        if self.subject.resumes:  # a peer is measured, not judged
            self.figures.violations.append(f"{self.root.name}, start {self.figures.starts}: {what}")
