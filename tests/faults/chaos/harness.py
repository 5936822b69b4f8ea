"""The loop: starts sweeps, has them killed, has what is left judged, until so many kills are
done."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
import traceback
from collections import Counter
from pathlib import Path

from commands import descendants, is_alive

from chaos import checker
from chaos.checker import Evidence, Undisturbed
from chaos.figures import Figures
from chaos.nemesis import COLD, SURVIVED, Nemesis
from chaos.subjects import N_WORKERS

_PATIENCE_S, _REAP_S = 120.0, 10.0
#: One sweep in so many logs to a server.
_SERVED = 5


class Harness:
    """One subject under fire.

    Parameters
    ----------
    subject
        `subjects.Runner` or `subjects.PlainScript`.
    folder
        An empty folder, in which each sweep gets a root of its own.
    points
        Named points, each visited by a start of its own, as often as it is named.
    n_cold
        How many starts are killed while they compile.
    """

    def __init__(self, subject, folder, seed, n_kills, points=(), n_cold=0):
        self.subject, self.folder, self.n_kills = subject, Path(folder), n_kills
        self.figures = Figures(subject.name, seed)
        self.nemesis = Nemesis(subject, seed, points, n_cold)
        self.log = self.folder / "log.txt"
        self.evidence = None

    def run(self):
        """All of it; the figures."""
        begun = time.monotonic()
        try:
            undisturbed = self._undisturbed()
            while self.figures.n_kills < self.n_kills and not self.figures.violations:
                served = self.figures.sweeps % _SERVED == 0
                self._new_sweep(f"sweep {self.figures.sweeps}", served, undisturbed)
                self.figures.sweeps += 1
                while not self.figures.violations and not self._one_command():
                    if time.monotonic() - begun > 600 + 60 * self.n_kills:
                        self._violated(["out of time"])
                self.subject.leave()
                self._tell()
        except Exception:  # told at once: the other harness may go on for an hour
            traceback.print_exc()
            raise
        finally:
            self.subject.leave()
        self.figures.wall_s = time.monotonic() - begun
        return self.figures

    def _tell(self):
        figures = self.figures
        told = f"{figures.n_kills} of {self.n_kills} kills, {figures.sweeps} sweeps"
        print(f"{self.folder.name}: {told}", *figures.violations, sep="; ", flush=True)

    # One sweep.

    @property
    def root(self):
        return self.evidence.root

    def _new_sweep(self, name, served=False, undisturbed=None):
        if self.evidence is not None and self.evidence.undisturbed is not None:
            shutil.rmtree(self.root)
        root = self.folder / name
        self.subject.prepare(root, served)
        self.evidence = Evidence(self.subject, root, self.figures, undisturbed)

    def _undisturbed(self):
        self._new_sweep("undisturbed")
        assert self._wait(self._start()) == 0, self.log.read_text()[-2000:]
        results = self.subject.results(self.root)
        return Undisturbed(results, self._report() if self.subject.resumes else None)

    def _one_command(self):
        """Start the command, killed or not; whether the sweep has ended by itself."""
        begun, self.evidence.left_processes = time.monotonic(), []
        if self.figures.n_kills >= self.n_kills:
            exit_code = self._wait(self._start())
        elif point := self.nemesis.next_point():
            exit_code = self._command_to_a_point(point)
        else:
            exit_code = self._killed_command()
        self.evidence.exit_code = exit_code
        self._judge(checker.AT_REST)
        if exit_code != 0:
            return False
        self.figures.longest_recovery_s = max(
            self.figures.longest_recovery_s, time.monotonic() - begun
        )
        self._at_the_end()
        return True

    def _at_the_end(self):
        self.figures.resumes += self.subject.n_resumed(self.root)
        self._judge(checker.AT_THE_END)
        if self.subject.resumes:
            self.evidence.n_epochs_before = self.evidence.n_epochs
            self.evidence.exit_code = self._wait(self._start())
            self._report()
            self._judge(checker.AFTER_A_THIRD_RUN)
        self._judge(checker.LEFT)

    def _killed_command(self):
        kill = self.nemesis.draw()
        names = self.subject.cold(self.root) if kill.is_cold else {}
        line = self.subject.cold_line(self.root) if kill.is_cold else None
        n_set_up = self.subject.n_set_up(self.root) if kill.is_cold else 0
        commands = [self._start(line, names) for _ in range(kill.n_commands)]
        self.nemesis.wait(kill, self.root, commands[0], lambda: self._judge(checker.ANY_TIME))
        if commands[0].poll() is None:
            is_cold = kill.is_cold and self.subject.n_set_up(self.root) == n_set_up
            self.figures.kills[COLD if is_cold else kill.kind] += 1
            if kill.kind not in SURVIVED:
                self.evidence.may_repeat += N_WORKERS * len(commands)
                below = [pid for process in commands for pid in descendants(process.pid)]
                ends = self.nemesis.strike(kill, self.root, commands)
                self._reap(commands, below, kill.kind if ends else None)
                return None
            self.nemesis.strike(kill, self.root, commands)
        return max([self._wait(process) for process in commands])

    def _command_to_a_point(self, point):
        """A command that is to die at a named point; where it does not come by, it is an
        undisturbed one."""
        once = self.folder / f"died at {point} ({self.figures.points[point] + 1})"
        armed = self.nemesis.arm(point, self.root, once)
        if point.startswith("report_"):
            exit_code = self._wait(self._start())
            self._wait(self._start(self.subject.report_line(self.root), armed))
            self._report()
        else:
            exit_code = self._wait(self._start(names=armed))
        if self.nemesis.passed_by(point, died=once.exists()):
            self._violated([f"nobody came by {point}"])
        if not once.exists():
            return exit_code
        self.figures.points[point] += 1
        self.figures.kills["named point"] += 1
        self.evidence.may_repeat += N_WORKERS
        return 0 if exit_code == 0 else None

    def _report(self):
        """The files of a report of the sweep."""
        if self._wait(self._start(self.subject.report_line(self.root))) != 0:
            self._violated(["no report"])
        return self.subject.report(self.root)

    def _judge(self, invariants):
        self._violated(checker.judge(self.evidence, invariants))

    def _violated(self, violations):
        if self.subject.resumes:  # a peer is measured, not judged
            where = f"{self.root.name}, start {self.figures.starts}"
            self.figures.violations += [f"{where}: {what}" for what in violations]

    # Processes.

    def _start(self, line=None, names=None):
        self.figures.starts += 1
        with open(self.log, "ab") as log:
            return subprocess.Popen(
                line or self.subject.line(self.root),
                env=self.subject.environment(self.root) | (names or {}),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _wait(self, process):
        try:
            return process.wait(timeout=_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._violated(["a start that did not end"])
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            return process.wait()

    def _reap(self, commands, below, kind):
        """Wait for commands and what they started; what outlives them is noted, and killed.

        `kind` is that of the kill that they should end by; None: they go on without a worker.
        """
        begun = time.monotonic()
        for process in commands:
            self._wait(process)
        # Counted from their end: a sweep that lost a worker may go on for long.
        ended = time.monotonic()
        while any(map(is_alive, below)) and time.monotonic() - ended < _REAP_S:
            time.sleep(0.02)
        self.evidence.left_processes = [pid for pid in below if is_alive(pid)]
        if kind:
            self.figures.longest_stop_s |= Counter({kind: time.monotonic() - begun})
        for pid in self.evidence.left_processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
