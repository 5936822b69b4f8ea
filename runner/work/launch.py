"""Workers until every run is settled: started by a launcher, and again when one dies."""

import contextlib
import os
import pickle
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from runner import engine as engines
from runner import words
from runner.errors import RunnerError
from runner.plan.plan import Plan, PlannedRun
from runner.record import FAILED, KILLED
from runner.state.journal import write_death
from runner.state.journals import Journals
from runner.state.records import End
from runner.system import limits
from runner.system.language import say
from runner.train import provenance
from runner.train.sample import Sample
from runner.work.processes import WorkerWatch, time_limit_cause
from runner.work.stop import Stop

#: Starts so many workers on the plan at a path, for a launch, and waits for them. Returns the
#: errors that they ended with, and raises when the launcher itself lost one.
StartWorkers = Callable[[Path, str, int], list[str]]

#: How often in a row workers may end without an epoch more before this gives up.
MAX_IDLE_LAUNCHES = 3
_LOOK_S = 0.2


def unsettled(plan: Plan, journals: Journals, launch: str) -> list[PlannedRun]:
    """The runs that a launch is not done with."""
    journals.look(max_age_s=0)
    return [run for run in plan.runs if not journals[run.run_key].settled(launch)]


def n_done(plan: Plan, journals: Journals, launch: str) -> int:
    """A number that grows with every run that is settled and every epoch that is trained."""
    journals.look(max_age_s=0)
    records = [journals[run.run_key] for run in plan.runs]
    return sum(record.settled(launch) + len(record.epochs) for record in records)


def new_launch() -> str:
    """The name of a launch: this process and something random."""
    return f"{os.getpid()}-{uuid.uuid4().hex[:8]}"


def threads_of(asked: int, n_workers: int) -> int:
    """How many threads a worker has: where there are fewer runs than cores, the cores are shared.

    Parameters
    ----------
    asked
        `runner.workers`: whoever gives a number means as many cores.
    """
    return 1 if asked > 0 else max(1, provenance.cores() // n_workers)


class LocalWorkers:
    """Workers as processes of this machine, without a launcher of Hydra's.

    One of them may start before there is work: it imports what a run needs, and compiles kernels.
    """

    def __init__(self, asked: int) -> None:
        """`asked` as in `threads_of`."""
        self._asked = asked
        self._early: subprocess.Popen[bytes] | None = None
        #: What the early one closes when it has compiled; None once that is known.
        self._compiling: BinaryIO | None = None
        self._told_at: float | None = None

    def start_early(self, run: PlannedRun, n_workers: int, sample: Callable[[], Sample]) -> None:
        """Start one worker for a run like this one; where it has to compile, that is said."""
        read, write = os.pipe()
        self._compiling = open(read, "rb")
        early = ["--early", str(os.getpid()), str(write)]
        self._early = _worker(early, stdin=subprocess.PIPE, pass_fds=(write,))
        os.close(write)
        if engines.compiles(run.config.engine.name, run.device):
            words.tell(engines.COMPILING)
            self._told_at = time.monotonic()
        self._give(self._early, (run, sample()))

    def compiled(self) -> None:
        """Wait until the early worker has compiled, and say how long that took."""
        if self._compiling is None:
            return
        with self._compiling:
            self._compiling.read()
        self._compiling = None
        if self._told_at is not None:
            seconds = time.monotonic() - self._told_at
            words.tell(say("compiled in {s} s", s=f"{seconds:.0f}"))

    def start(self, plan: Path, launch: str, n_workers: int) -> list[str]:
        """Start workers, the early one among them, and wait for them: a `StartWorkers`."""
        work = str(plan), launch, threads_of(self._asked, n_workers)
        workers = []
        if self._early is not None:
            self.compiled()
            early, self._early = self._early, None
            self._give(early, work, is_last=True)
            workers.append(early)
        while len(workers) < n_workers:
            workers.append(_worker([*map(str, work)], stdin=subprocess.DEVNULL))
        return [_ended(code) for code in [worker.wait() for worker in workers] if code]

    def end(self) -> None:
        """End an early worker that was given no work."""
        if self._early is not None:
            self._early.kill()
            self._early.communicate()
            self._early = None
        if self._compiling is not None:
            self._compiling.close()
            self._compiling = None

    @staticmethod
    def _give(worker: "subprocess.Popen[bytes]", given: object, is_last: bool = False) -> None:
        """What a worker reads next; one that has ended is told of by its exit code."""
        assert worker.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            worker.stdin.write(pickle.dumps(given))
            worker.stdin.flush()
            if is_last:
                worker.stdin.close()


def _worker(words_of: list[str], **how: Any) -> "subprocess.Popen[bytes]":
    # In a process group of its own: a Ctrl-C reaches the sweep's process, and by it the worker.
    # Python would print a traceback for one that comes while the worker still imports.
    line = [sys.executable, "-m", "runner.work.worker", *words_of]
    return subprocess.Popen(line, process_group=0, **how)


def _ended(code: int) -> str:
    """How a process ended, in the words of joblib's launcher."""
    return f"EXIT({code})" if code > 0 else f"{signal.Signals(-code).name}({code})"


@dataclass
class Launch:
    """The workers of one command, from the first start to the end of the last run.

    They end with this process, which finds out what killed one of them (`cluster/launch.py` has
    those that a cluster owns).
    """

    plan: Plan
    journals: Journals
    stop: Stop
    start_workers: StartWorkers
    name: str = field(default_factory=new_launch)
    _suspects: set[str] = field(default_factory=set)

    def until_settled(self, n_workers: int) -> None:
        """Start workers until each run is trained, has failed, or a stop is asked for.

        Raises
        ------
        RunnerError
            When workers cannot be started at all.
        """
        n_idle = 0
        while not self.stop():
            todo = unsettled(self.plan, self.journals, self.name)
            if not todo:
                return
            before = n_done(self.plan, self.journals, self.name)
            watch = WorkerWatch(
                self.journals,
                self.name,
                {run.run_key: run.config.runner.time_limit_s for run in todo},
            )
            watch.start()
            errors: list[str] = []
            try:
                path = self.journals.root.sweep(self.plan.sweep_key).plan
                errors = self.start_workers(path, self.name, min(n_workers, len(todo)))
            except (
                Exception
            ) as error:  # loky's TerminatedWorkerError, submitit's UncompletedJobError, ...
                errors = [" ".join(str(error).split())]
            self._outlast()
            watch.stop()
            if self.stop():
                return
            self._blame(watch, errors)
            # A cluster may well end its jobs several times before a long run is at its end.
            is_idle = n_done(self.plan, self.journals, self.name) == before
            n_idle = n_idle + 1 if is_idle else 0
            if n_idle >= MAX_IDLE_LAUNCHES:
                why = errors[0] if errors else "no reason given"
                raise RunnerError(
                    f"workers end without training anything: {why}{limits.told_address_space()};"
                    " what is trained is kept, the same command goes on"
                )

    def _held(self) -> list[tuple[PlannedRun, int]]:
        """The runs of this launch that are under way now, each with its process."""
        pids = self.journals.look(max_age_s=0).under_way(self.name)
        return [(run, pids[run.run_key]) for run in self.plan.runs if run.run_key in pids]

    def _outlast(self) -> None:
        """Wait for workers that a launcher left: submitit's gives up when it loses the first."""
        while any(self._is_locked(run) for run, _ in self._held()):
            time.sleep(_LOOK_S)

    def _is_locked(self, run: PlannedRun) -> bool:
        with self.journals.root.run(run.run_key).locked() as is_free:
            return not is_free

    def _blame(self, watch: WorkerWatch, errors: list[str]) -> None:
        """Record the run whose worker died as failed; let those that went down with it try again.

        When it cannot be told which worker was first, all are tried again, and one that loses its
        worker a second time is the culprit.
        """
        held = self._held()
        culprits = (
            [run for run, pid in held if pid in watch.first_dead]
            if len(watch.first_dead) == 1
            else []
        )
        # A worker that held no run any more had settled it (a card was lost): the others only went
        # down with it.
        blameless = len(watch.first_dead) == 1 and not culprits and not watch.timed_out
        if watch.timed_out:
            culprits = [run for run, _ in held if run.run_key in watch.timed_out]
        for run, pid in held:
            guilty = (
                run in culprits
                or len(held) == 1
                or (not culprits and run.run_key in self._suspects)
            )
            if blameless:
                guilty = False
            else:
                self._suspects.add(run.run_key)
            if not guilty:
                self._end(run, End(KILLED, "its worker ended with another one"))
            elif run.run_key in watch.timed_out:
                self._end(run, End(FAILED, time_limit_cause(run.config.runner.time_limit_s)))
            else:
                self._end(run, End(FAILED, _cause(pid, errors)))

    def _end(self, run: PlannedRun, end: End) -> None:
        """Record how the attempt of a worker that died ended, unless it has done so itself."""
        folder = self.journals.root.run(run.run_key)
        # Whoever only looks whether the run is being trained holds the lock for a moment.
        with folder.locked(wait_s=1.0) as is_mine:
            record = self.journals.read(run.run_key)
            attempt = record.of_launch(self.name)
            if is_mine and attempt and record.under_way(self.name):
                write_death(folder.attempt(attempt.id), end)
        self.journals.read(run.run_key)


def _cause(pid: int, errors: list[str]) -> str:
    codes = re.findall(r"SIG\w+\(-\d+\)|EXIT\(\d+\)|UNKNOWN\(\d+\)", " ".join(errors))
    how = f", {codes[0]}" if codes else ""
    # With too few addresses a library may end the process in any way.
    limit = limits.told_address_space()
    memory = ", possibly out of memory" if not codes or "SIGKILL" in codes[0] or limit else ""
    return f"its worker died (process {pid}{how}{memory}{limit})"
