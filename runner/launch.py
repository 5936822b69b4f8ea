"""Workers until every run is settled: started through Hydra's launcher, and started again when one dies."""

import functools
import os
import re
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runner.deaths import DeathWatch
from runner.errors import RunnerError
from runner.plan import Plan, PlannedRun
from runner.record import FAILED
from runner.state import JournalReader, JournalWriter, RunFolder, read_journal
from runner.stop import Stop
from runner.worker import settled

#: How often in a row workers may end without having finished anything before this gives up.
_MAX_IDLE_LAUNCHES = 3


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
        watch = DeathWatch(functools.partial(_pids, todo, root, launch))
        watch.start()
        errors: list[str] = []
        try:
            errors = start_workers(min(n_workers, len(todo)))
        except Exception as error:  # loky's TerminatedWorkerError, submitit's UncompletedJobError, ...
            errors = [" ".join(str(error).split())]
        first_dead = watch.stop()
        if stop():
            return
        _blame(todo, root, launch, first_dead, suspects, errors)
        n_idle = 0 if len(_unsettled(plan, root, launch)) < len(todo) else n_idle + 1
        if n_idle >= _MAX_IDLE_LAUNCHES:
            raise RunnerError(f"workers end without training anything: {errors[0] if errors else 'no reason given'}")


def _unsettled(plan: Plan, root: Path, launch: str) -> list[PlannedRun]:
    state = root / "state"
    return [r for r in plan.runs if not settled(read_journal(RunFolder(state, r.run_key).journal), launch)]


def _pids(runs: list[PlannedRun], root: Path, launch: str) -> set[int]:
    """The processes that hold runs of this launch now."""
    found = set()
    for run in runs:
        journal = JournalReader(RunFolder(root / "state", run.run_key).journal).poll()
        if journal.start and not journal.end and journal.start["launch"] == launch:
            found.add(int(journal.start["pid"]))
    return found


def _blame(
    runs: list[PlannedRun], root: Path, launch: str, first_dead: set[int], suspects: set[str], errors: list[str]
) -> None:
    """Record as failed the run whose worker died, and let those that went down with it try again.

    When it cannot be told which worker was first, all are tried again, and one that loses its worker a
    second time is the culprit.
    """
    held: list[tuple[PlannedRun, dict[str, Any]]] = []
    for run in runs:
        folder = RunFolder(root / "state", run.run_key)
        journal = read_journal(folder.journal)
        if journal.start and not journal.end and journal.start["launch"] == launch:
            held.append((run, journal.start))
    culprits = [run for run, start in held if start["pid"] in first_dead] if len(first_dead) == 1 else []
    for run, start in held:
        guilty = run in culprits or len(held) == 1 or (not culprits and run.run_key in suspects)
        suspects.add(run.run_key)
        if not guilty:
            continue
        folder = RunFolder(root / "state", run.run_key)
        with folder.locked() as mine:
            if not mine or settled(read_journal(folder.journal), launch):
                continue
            writer = JournalWriter(folder.journal)
            writer.write("end", status=FAILED, cause=_cause(int(start["pid"]), errors))
            writer.close()


def _cause(pid: int, errors: list[str]) -> str:
    codes = re.findall(r"SIG\w+\(-\d+\)|EXIT\(\d+\)|UNKNOWN\(\d+\)", " ".join(errors))
    how = f", {codes[0]}" if codes else ""
    memory = ", possibly out of memory" if not codes or "SIGKILL" in codes[0] else ""
    return f"its worker died (process {pid}{how}{memory})"
