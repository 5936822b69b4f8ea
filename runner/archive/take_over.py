"""Sweeps and runs of another root, verified and copied to this one; nothing is there twice."""

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from runner.archive.contents import Contents
from runner.errors import ConfigError, StateError
from runner.plan import looks
from runner.plan import plan as plans
from runner.plan.plan import Plan, PlannedRun
from runner.state.root import BEFORE_ATTEMPTS, Root, RunFolder
from runner.state.run_record import NOT_WRITTEN, RunRecord, changed_files, read_run
from runner.system.files import no_room, sync_folder, write_whole


@dataclass
class Taken:
    """What came of it."""

    n_sweeps: int = 0
    n_runs: int = 0
    #: Trained here before.
    n_here: int = 0
    #: Not trained there.
    n_untrained: int = 0
    #: What does not prove itself there, and stayed there, a line each.
    problems: list[str] = field(default_factory=list)


def take_over(root: Root, other: Root) -> Taken:
    """Copy the trained runs of another root, and its sweeps, each after it proved itself.

    Raises
    ------
    RunnerError
        When there is nothing to take over.
    """
    if root.path == other.path:
        raise ConfigError(f"--from {other}: it is the root itself; give another one")
    there, taken = Contents(other), Taken()
    taken.problems += there.problems
    root.state.mkdir(parents=True, exist_ok=True)
    try:
        for run in there.runs:
            _take_run(run, root, other, taken)
        for plan in there.plans:
            here = root.sweep(plan.sweep_key).plan
            if not here.exists() or _has_grown(plan, here):
                here.parent.mkdir(parents=True, exist_ok=True)
                write_whole(here, other.sweep(plan.sweep_key).plan.read_bytes())
                taken.n_sweeps += not plan.single
    except OSError as error:
        raise no_room(error, root.state) from error
    shutil.rmtree(root.incoming, ignore_errors=True)
    return taken


def _has_grown(plan: Plan, here: Path) -> bool:
    """Whether a plan of there has looks that the one here has not come to."""
    try:
        return looks.progress(plan.looks) > looks.progress(plans.read(here).looks)
    except StateError:
        return False


def _take_run(run: PlannedRun, root: Root, other: Root, taken: Taken) -> None:
    theirs, ours = other.run(run.run_key), root.run(run.run_key)
    record = read_run(theirs)
    if not record.trained:
        taken.n_untrained += 1
        taken.problems += [f"{run.name}: {damage}" for damage in record.damages]
    elif read_run(ours).trained:
        taken.n_here += 1
    elif changed := _changed(theirs, record):
        taken.problems += [f"{run.name}: {file}: {NOT_WRITTEN}" for file in changed]
    elif BEFORE_ATTEMPTS in record.chain and ours.attempt(BEFORE_ATTEMPTS).journal.exists():
        taken.problems.append(
            f"{run.name}: {ours.path} holds an unfinished run of an earlier version; move it away"
        )
    else:
        for id in record.chain:
            _copy(theirs, ours, id, root.incoming)
        taken.n_runs += 1


def _changed(folder: RunFolder, record: RunRecord) -> list[Path]:
    assert record.attempt is not None and record.end is not None
    return changed_files(folder.attempt(record.attempt), record.end.sha256)


def _copy(theirs: RunFolder, ours: RunFolder, id: str, incoming: Path) -> None:
    """Copy an attempt, which appears whole."""
    source, target = theirs.attempt(id).path, ours.attempt(id).path
    if id == BEFORE_ATTEMPTS:  # it is the run's own folder
        target.mkdir(parents=True, exist_ok=True)
        files = [
            file for file in sorted(source.iterdir()) if file.is_file() and file.name != "lock"
        ]
        # The journal is last: it says that the others are there.
        for file in sorted(files, key=lambda file: file == theirs.attempt(id).journal):
            write_whole(target / file.name, file.read_bytes())
        return
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    # Not among the attempts until it is whole.
    beside = incoming / f"{ours.key}-{id}"
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    for file in source.iterdir():
        if not file.name.startswith(("checkpoint", ".")):
            write_whole(beside / file.name, file.read_bytes())
    os.rename(beside, target)
    sync_folder(target.parent)
