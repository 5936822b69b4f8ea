"""What a sweep or a run leaves when it is forgotten: nothing that no other sweep needs."""

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from runner.archive.contents import Contents
from runner.errors import RunnerError
from runner.plan.plan import Plan, PlannedRun
from runner.state.root import Root
from runner.tracking import removal
from runner.tracking.mlflow_tracker import MlflowTracker


@dataclass(frozen=True)
class Doomed:
    """What is to be removed, and what stays since others need it."""

    #: The sweep, and plans of single runs that go with their run.
    plans: list[Plan]
    runs: list[PlannedRun]
    #: The runs of the sweep that others need, and the names of those.
    staying: list[PlannedRun]
    needed_by: list[str]
    n_bytes: int


def doomed(contents: Contents, word: str) -> Doomed:
    """What a sweep's name, the start of its key or the start of a run's key stands for.

    Raises
    ------
    RunnerError
        For a word that names nothing, a run that a sweep needs, and what is being trained now.
    """
    sweep = contents.sweep(word)
    if sweep is not None:
        of_others = _by_run(plan for plan in contents.plans if plan is not sweep)
        runs = [run for run in sweep.runs if run.run_key not in of_others]
        staying = [run for run in sweep.runs if run.run_key in of_others]
        needed_by = sorted({of_others[run.run_key] for run in staying})
        found = _doomed(contents.root, [sweep], runs, staying, needed_by)
    else:
        run = contents.run(word)
        if run is None:
            raise contents.no_such(word)
        of_sweeps = _by_run(contents.sweeps)
        if run.run_key in of_sweeps:
            raise RunnerError(
                f"{word}: the sweep {of_sweeps[run.run_key]} needs it; forget that sweep, or leave"
                " the run"
            )
        single = [plan for plan in contents.plans if plan.runs[0].run_key == run.run_key]
        found = _doomed(contents.root, single, [run], [], [])
    for run in found.runs:
        folder = contents.root.run(run.run_key)
        if folder.path.exists():
            with folder.locked() as is_free:
                if not is_free:
                    raise RunnerError(f"{run.name}: is being trained now; stop that first")
    return found


def forget(root: Root, doomed: Doomed, tracker: MlflowTracker | None, uri: str | None) -> None:
    """Remove it: from the store, then from state/, the plan last.

    Parameters
    ----------
    tracker
        None where there is no store.
    """
    if tracker is not None:
        removal.remove(tracker, [run.run_key for run in doomed.runs], uri)
        for plan in doomed.plans:
            staying = [run.run_key for run in doomed.staying]
            removal.remove_sweep(tracker, plan.sweep_key, staying, uri)
    root.forgotten.mkdir(exist_ok=True)
    for run in doomed.runs:
        folder = root.run(run.run_key).path
        if folder.exists():
            # A run is there or it is not: half a folder would be a damaged run.
            gone = root.forgotten / run.run_key
            shutil.rmtree(gone, ignore_errors=True)
            os.rename(folder, gone)
    shutil.rmtree(root.forgotten, ignore_errors=True)
    for plan in doomed.plans:
        shutil.rmtree(root.sweep(plan.sweep_key).path, ignore_errors=True)


def _by_run(plans: Iterable[Plan]) -> dict[str, str]:
    """The name of a plan that needs a run, by run key."""
    return {
        run.run_key: f"{plan.name} ({plan.sweep_key[:8]})" for plan in plans for run in plan.runs
    }


def _doomed(
    root: Root,
    plans: list[Plan],
    runs: list[PlannedRun],
    staying: list[PlannedRun],
    needed_by: list[str],
) -> Doomed:
    folders = [root.run(run.run_key).path for run in runs]
    folders += [root.sweep(plan.sweep_key).path for plan in plans]
    return Doomed(plans, runs, staying, needed_by, sum(map(_n_bytes, folders)))


def _n_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
