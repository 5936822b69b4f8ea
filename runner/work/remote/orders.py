"""What a task on another host needs to train runs as they would be trained here."""

from collections.abc import Sequence
from pathlib import Path

from runner.plan import fingerprint
from runner.plan.plan import PlannedRun
from runner.state.root import AttemptFolder, Root
from runner.system.user_code import is_users
from runner.train import fewer_epochs
from runner.work.remote import program
from runner.work.remote.seam import Order


def order(runs: Sequence[PlannedRun], root: Root, launch: str) -> Order:
    """Runs, what earlier attempts left of them, the user's own code, and the names of data."""
    state: dict[str, bytes] = {}
    for run in runs:
        state |= _left(run, root)
    return Order(
        launch=launch,
        runs=list(runs),
        program=program.name(),
        state=state,
        own_code=_own_code(runs),
        data=tuple({f"{run.data_name}-{run.data_sha256[:8]}": None for run in runs}),
    )


def _left(run: PlannedRun, root: Root) -> dict[str, bytes]:
    """Journals and checkpoints of a run, and the run with fewer epochs that it can go on from."""
    folder = root.run(run.run_key)
    files = []
    for attempt in map(folder.attempt, folder.attempt_ids()):
        files += [*_journals(attempt), *attempt.path.glob("checkpoint*")]
    counts = root.kept_epochs()
    if fewer := fewer_epochs.find(run, root, counts) if counts else None:
        before = root.run(fewer.run_key)
        attempts = [before.attempt(id) for id in before.attempt_ids()]
        files += [file for attempt in attempts for file in _journals(attempt)]
        files += [attempt.final_state(fewer.n_epochs) for attempt in attempts]
    there = [file for file in files if file.exists()]
    return {file.relative_to(root.state).as_posix(): file.read_bytes() for file in there}


def _journals(attempt: AttemptFolder) -> list[Path]:
    return [attempt.journal] if attempt.is_before_attempts else [attempt.journal, attempt.death]


def _own_code(runs: Sequence[PlannedRun]) -> dict[str, bytes]:
    """The user's modules that the runs import, as their fingerprints cover them.

    Packages that are installed here have to be installed there.
    """
    targets = {target for run in runs for target in fingerprint.own_targets(run.config)}
    found = {}
    for module, file in fingerprint.own_modules(sorted(targets)).items():
        if is_users(str(file)):
            place = module.replace(".", "/")
            found[f"{place}/__init__.py" if file.name == "__init__.py" else f"{place}.py"] = (
                file.read_bytes()
            )
    return found
