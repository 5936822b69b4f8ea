"""Starts sweeps, kills them at random moments and at named ones, and looks at what is left, until N kills are done."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

from commands import descendants, is_alive

from chaos.figures import Figures
from chaos.subjects import N_EPOCHS, N_RUNS, N_WORKERS

#: How often each kind of kill is drawn: everything at once, the sweep's process alone, one worker, polite requests.
KINDS = {"group": 55, "parent": 15, "worker": 10, "SIGTERM": 10, "SIGINT": 10}
_PATIENCE_S = 60.0
#: One start in five is of two sweeps at once.
_TWO = 0.2


class Harness:
    """One subject under fire.

    Parameters
    ----------
    subject
        `subjects.Ours` or `subjects.Plain`.
    folder
        An empty folder; a root for each sweep is made in it.
    points
        Whether each named point is visited, too.
    """

    def __init__(self, subject, folder, seed, n_kills, points=True):
        self.subject, self.folder, self.n_kills = subject, Path(folder), n_kills
        self.random = random.Random(seed)
        self.figures = Figures(subject.name, seed)
        # Once each in the short tier, five times in that of 600 kills.
        self.points = list(subject.points) * max(1, n_kills // 120) if points else []
        self.log = self.folder / "log.txt"
        self.root = None
        self.n_killed_here = 0

    def run(self):
        """All of it; the figures."""
        begun = time.monotonic()
        reference = self._undisturbed()
        while self.figures.n_kills < self.n_kills and not self.figures.violations:
            self._new_root()
            while not self._ended(reference):
                if time.monotonic() - begun > 600 + 15 * self.n_kills:
                    self._wrong("out of time")
                    return self.figures
                if self.figures.violations:
                    break
        self.figures.wall_s = time.monotonic() - begun
        return self.figures

    # One sweep.

    def _undisturbed(self):
        self._new_root("undisturbed")
        self.figures.sweeps -= 1
        assert self._wait(self._start()) == 0, self.log.read_text()[-2000:]
        return self.subject.reference(self.root)

    def _new_root(self, name=None):
        if self.root is not None and self.root.name != "undisturbed" and not self.figures.violations:
            shutil.rmtree(self.root)
        self.root = self.folder / (name or f"sweep {self.figures.sweeps}")
        self.subject.prepare(self.root)
        self.figures.sweeps += 1
        self.n_killed_here = 0

    def _ended(self, reference):
        """One start of the command, killed or not; whether the sweep ended by itself."""
        if self.figures.n_kills >= self.n_kills:
            code, seconds = self._undisturbed_start()
        elif self.points:
            code, seconds = self._to_a_point(self.points.pop(0))
        else:
            code, seconds = self._killed_start()
        self.subject.check(self.root, self.figures, self._wrong)
        if code != 0:
            if code not in (1, None):
                self._wrong(f"exit code {code}")
            return False
        self.figures.longest_recovery_s = max(self.figures.longest_recovery_s, seconds)
        self._check_end(reference)
        return True

    def _undisturbed_start(self):
        begun = time.monotonic()
        return self._wait(self._start()), time.monotonic() - begun

    def _killed_start(self):
        begun = time.monotonic()
        before = self.subject.n_recorded(self.root)
        kind = self.random.choices(list(KINDS), KINDS.values())[0]
        together = [self._start() for _ in range(2 if self.random.random() < _TWO else 1)]
        process = together[0]
        # Half of the kills come in the middle of training, half at any moment of a start's first six seconds.
        in_training = self.random.random() < 0.5
        until = begun + (self.random.uniform(0, 6) if not in_training else _PATIENCE_S)
        while process.poll() is None and time.monotonic() < until:
            if in_training and self.subject.n_recorded(self.root) > before:
                time.sleep(self.random.uniform(0, 0.5))
                break
            time.sleep(0.02)
        if process.poll() is None:
            below = [pid for one in together for pid in descendants(one.pid)]
            self._kill(kind, process, together)
            self._reap(together, below)
            self.figures.kills[kind] += 1
            self.n_killed_here += 1
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
            self._wrong(f"nobody came by {point}")
        self.figures.points[point] += 1
        self.figures.kills["named point"] += 1
        self.n_killed_here += 1
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

    def _check_end(self, reference):
        figures = self.figures
        computed = self._n_computed()
        needed = N_RUNS * N_EPOCHS
        figures.epochs_needed += needed
        figures.epochs_computed += computed
        # Two sweeps at once have twice the workers.
        figures.epochs_lost_beyond += max(0, computed - needed - 2 * N_WORKERS * self.n_killed_here)
        self.subject.check_end(self.root, reference, figures, self._wrong)
        if self.subject.resumes:
            if self._wait(self._start()) != 0:
                self._wrong("a third run does not end well")
            again = self._n_computed() - computed
            figures.epochs_of_a_third_run += again
            if again:
                self._wrong(f"a third run computed {again} epochs")
        figures.temporary_files_left += len(self.subject.left(self.root))

    def _n_computed(self):
        path = self.root.with_suffix(".epochs")
        return path.read_bytes().count(b"\n") if path.exists() else 0

    def _wrong(self, what):
        if self.subject.resumes:  # a peer is measured, not judged
            self.figures.violations.append(f"{self.root.name}, start {self.figures.starts}: {what}")
