"""Workers until every run is settled: started through Hydra's launcher, and started again when one dies."""

import functools
import os
import re
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runner.errors import RunnerError
from runner.plan.plan import Plan, PlannedRun
from runner.record import FAILED, KILLED
from runner.state.journal import JournalWriter, RunFolder, read_journal, settled, under_way
from runner.work.deaths import DeathWatch
from runner.work.stop import Stop
from runner.work.timelimit import Hung, told

#: How often in a row workers may end without an epoch more before this gives up.
_MAX_IDLE_LAUNCHES = 3
_LOOK_S = 0.2


def new_launch() -> str:
    """The name of a launch: this process and something random."""
    return f"{os.getpid()}-{uuid.uuid4().hex[:8]}"


def until_settled(
    plan: Plan, root: Path, launch: str, stop: Stop, start_workers: Callable[[int], list[str]], n_workers: int
) -> None:
    """Start workers until each run is trained, has failed, or a stop is asked for.

    Parameters
    ----------
    start_workers
        Starts so many workers and waits for them; returns the errors that they ended with, and raises
        when the launcher itself lost one.

    Raises
    ------
    RunnerError
        When workers cannot be started at all.
    """
    suspects: set[str] = set()
    n_idle = 0
    while not stop():
        todo = _unsettled(plan, root, launch)
        if not todo:
            return
        done = _done(plan, root, launch)
        watch = DeathWatch(functools.partial(_pids, todo, root, launch))
        watch.start()
        hung = Hung(functools.partial(_limits, todo, root, launch))
        if any(run.config.runner.time_limit_s for run in todo):
            hung.start()
        errors: list[str] = []
        try:
            errors = start_workers(min(n_workers, len(todo)))
        except Exception as error:  # loky's TerminatedWorkerError, submitit's UncompletedJobError, ...
            errors = [" ".join(str(error).split())]
        _outlast(todo, root, launch)
        first_dead = watch.stop()
        timed_out = hung.stop() if hung.is_alive() else set()
        if stop():
            return
        _blame(todo, root, launch, first_dead, suspects, errors, timed_out)
        # A cluster may well end its jobs several times before a long run is at its end.
        n_idle = 0 if _done(plan, root, launch) > done else n_idle + 1
        if n_idle >= _MAX_IDLE_LAUNCHES:
            why = errors[0] if errors else "no reason given"
            raise RunnerError(
                f"workers end without training anything: {why}; what is trained is kept, the same command goes on"
            )


def _done(plan: Plan, root: Path, launch: str) -> int:
    """What grows with every run that is settled and every epoch that is trained."""
    journals = [read_journal(RunFolder(root / "state", run.run_key).journal) for run in plan.runs]
    return sum(settled(journal, launch) + len(journal.epochs) for journal in journals)


def _outlast(runs: list[PlannedRun], root: Path, launch: str) -> None:
    """Wait for the workers that a launcher has left to themselves: submitit's gives up when it loses the first."""
    while any(_is_locked(run, root) for run, _ in _held(runs, root, launch)):
        time.sleep(_LOOK_S)


def _is_locked(run: PlannedRun, root: Path) -> bool:
    with RunFolder(root / "state", run.run_key).locked() as is_free:
        return not is_free


def _unsettled(plan: Plan, root: Path, launch: str) -> list[PlannedRun]:
    state = root / "state"
    return [r for r in plan.runs if not settled(read_journal(RunFolder(state, r.run_key).journal), launch)]


def _held(runs: list[PlannedRun], root: Path, launch: str) -> list[tuple[PlannedRun, int]]:
    """The runs of this launch that are under way now, each with its process."""
    found = []
    for run in runs:
        start = _start(run, root, launch)
        if start:
            found.append((run, int(start["pid"])))
    return found


def _start(run: PlannedRun, root: Path, launch: str) -> dict[str, Any] | None:
    """The start line of a run that this launch began and that has not ended."""
    journal = read_journal(RunFolder(root / "state", run.run_key).journal)
    return journal.start if under_way(journal, launch) else None


def _pids(runs: list[PlannedRun], root: Path, launch: str) -> set[int]:
    return {pid for _, pid in _held(runs, root, launch)}


def _limits(runs: list[PlannedRun], root: Path, launch: str) -> dict[str, tuple[int, float]]:
    return {run.run_key: (pid, run.config.runner.time_limit_s) for run, pid in _held(runs, root, launch)}


def _blame(
    runs: list[PlannedRun],
    root: Path,
    launch: str,
    first_dead: set[int],
    suspects: set[str],
    errors: list[str],
    timed_out: set[str],
) -> None:
    """Record as failed the run whose worker died, and let those that went down with it try again.

    When it cannot be told which worker was first, all are tried again, and one that loses its worker a
    second time is the culprit.
    """
    held = _held(runs, root, launch)
    culprits = [run for run, pid in held if pid in first_dead] if len(first_dead) == 1 else []
    # One that held nothing any more had settled it (a card was lost): the others only went down with it.
    blameless = len(first_dead) == 1 and not culprits and not timed_out
    if timed_out:
        culprits = [run for run, _ in held if run.run_key in timed_out]
    for run, pid in held:
        guilty = run in culprits or len(held) == 1 or (not culprits and run.run_key in suspects)
        if blameless:
            guilty = False
        else:
            suspects.add(run.run_key)
        folder = RunFolder(root / "state", run.run_key)
        with folder.locked() as mine:
            if not mine or settled(read_journal(folder.journal), launch):
                continue
            writer = JournalWriter(folder.journal)
            late = told(run.config.runner.time_limit_s) if run.run_key in timed_out else None
            if guilty:
                writer.write("end", status=FAILED, cause=late or _cause(pid, errors))
            else:
                writer.write("end", status=KILLED, cause="its worker ended with another one")
            writer.close()


def _cause(pid: int, errors: list[str]) -> str:
    codes = re.findall(r"SIG\w+\(-\d+\)|EXIT\(\d+\)|UNKNOWN\(\d+\)", " ".join(errors))
    how = f", {codes[0]}" if codes else ""
    memory = ", possibly out of memory" if not codes or "SIGKILL" in codes[0] else ""
    return f"its worker died (process {pid}{how}{memory})"
