"""`python -m runner.sync`: bring MLflow in step with everything that is in state/."""

import sys
from typing import Any

from runner import words
from runner.archive.contents import Contents
from runner.archive.take_over import Taken, take_over
from runner.display.progress import count
from runner.errors import RunnerError, StateError, StoreBehindError
from runner.state.root import Root
from runner.state.run_record import NOT_WRITTEN, changed_files
from runner.system import streams
from runner.system.command import command_of, parser_of
from runner.system.language import joined, say
from runner.tracking import comparison
from runner.tracking.mlflow_tracker import MlflowTracker
from runner.tracking.store import address, arguments, calls, upgrade
from runner.tracking.store import mlflow_store as store
from runner.tracking.writer import Writer

_COMMAND = "runner.sync"


def sync(root: Root, uri: str | None, experiment: str) -> tuple[int, list[str]]:
    """Replay the journals of all runs.

    Returns
    -------
    How many runs were looked at, and what is wrong with files under state/, a line each.

    Raises
    ------
    StoreError
        When the store cannot be used, or there is nothing to put into it.
    StoreBehindError
        When a call failed on the way.
    """
    kept = Contents(root)
    client, experiment_id = _opened(root, uri, experiment)
    problems = list(kept.problems)
    try:
        for plan in kept.sweeps:
            tracker = MlflowTracker(client, experiment_id, root)
            tracker.open_sweep(plan, used=False)
            writer = Writer(tracker, kept.journals, plan.runs)
            writer.update()
            writer.settle()
            writer.close_as_recorded()
            problems += writer.refused.values()
        writer = Writer(MlflowTracker(client, experiment_id, root), kept.journals, kept.alone)
        writer.update()
    except RunnerError:
        raise
    except Exception as error:
        raise StoreBehindError(
            f"{calls.failure(error, root)}; nothing is lost, run it again"
        ) from error
    return len(kept.runs), list(dict.fromkeys([*problems, *writer.refused.values()]))


def verify(root: Root, uri: str | None, experiment: str) -> tuple[int, list[str]]:
    """Hold the files under state/ against their hashes, and what the store has against them.

    Returns
    -------
    The number of trained runs, and what is not as it was written, a line each.
    """
    kept = Contents(root)
    problems = list(kept.problems)
    trained = [run for run in kept.runs if kept.journals[run.run_key].trained]
    for run in kept.runs:
        record, folder = kept.journals[run.run_key], root.run(run.run_key)
        if not record.trained:  # else it was trained by an attempt that is whole
            problems += [f"{run.name}: {damage}" for damage in record.damages]
        if record.trained and record.end and record.attempt:
            changed = changed_files(folder.attempt(record.attempt), record.end.sha256)
            problems += [f"{run.name}: {file}: {NOT_WRITTEN}" for file in changed]
    if uri is None and not root.database.exists():
        return len(trained), problems
    client, experiment_id = _opened(root, uri, experiment, to_read=True)
    tracker, where = MlflowTracker(client, experiment_id, root), address.shown(uri, root)
    wrong = f"not what is in state/; delete that run there, and type {command_of('runner.sync')}"
    for run in trained:
        record = kept.journals[run.run_key]
        if not comparison.holds(tracker, run):
            again = f"{command_of('runner.sync')} puts it there"
            problems.append(f"{run.name}: in {where} it is not there whole: {again}")
        elif differ := comparison.differences(tracker, run, record):
            problems.append(f"{run.name}: in {where}: {', '.join(differ)}: {wrong}")
    for plan in kept.sweeps:
        records = {run.run_key: kept.journals[run.run_key] for run in plan.runs}
        if differ := comparison.differences_of_sweep(tracker, plan, records):
            problems.append(f"{plan.name}: in {where}: {', '.join(differ)}: {wrong}")
    return len(trained), problems


def _opened(root: Root, uri: str | None, experiment: str, to_read: bool = False) -> tuple[Any, str]:
    """A client for the store, and the number of the experiment there."""
    client = store.connect(uri, root, to_read)
    of = (client, experiment, uri, root)
    return client, calls.insist(lambda: store.experiment_id(*of), address.shown(uri, root))


def _tell(taken: Taken, other: str) -> None:
    what = joined(" and ", [count(taken.n_runs, "run"), count(taken.n_sweeps, "sweep")])
    here = "{what} taken over from {other}; {n} were here already"
    words.tell(say(here, what=what, other=other, n=taken.n_here))
    if taken.n_untrained:
        left = "{runs} there not trained yet, and left there"
        words.tell(say(left, runs=count(taken.n_untrained, "run")))


def main() -> None:
    """The command line."""
    streams.outlast_readers()
    parser = parser_of("runner.sync", __doc__)
    arguments.add(parser)
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument(
        "--verify",
        action="store_true",
        help="instead, hold all files in state/ against their hashes, and the store against them",
    )
    instead.add_argument(
        "--from",
        dest="other",
        metavar="OTHER_ROOT",
        help="first take over the trained runs and the sweeps of another root, each verified",
    )
    instead.add_argument(
        "--upgrade-store",
        action="store_true",
        help="instead, bring a SQLite store of an older MLflow to the schema of the one installed"
        " here, in a copy that takes its name; the old file is kept as FILE.before-REVISION",
    )
    given = parser.parse_args()
    root = Root.of(given.root)
    do = verify if given.verify else sync
    try:
        if given.upgrade_store:
            words.tell(upgrade.upgrade(given.uri, root))
            return
        taken = take_over(root, Root.of(given.other)) if given.other else Taken()
        if given.other:
            _tell(taken, given.other)
        n_runs, problems = do(root, given.uri, given.experiment)
    except RunnerError as error:
        words.complain(str(error), _COMMAND)
        sys.exit(error.exit_code)
    problems = [*taken.problems, *problems]
    for problem in problems:
        words.complain(problem, _COMMAND)
    if problems:
        sys.exit(StateError.exit_code)
    if given.verify:
        words.tell(say("{n} runs looked at; state/ and the store hold what they wrote", n=n_runs))
    else:
        words.tell(say("{n} runs looked at; the store is in step", n=n_runs))


if __name__ == "__main__":
    main()
