"""`python -m runner.sync`: bring MLflow in step with everything that is in state/."""

import contextlib
import shlex
import sys
import time
from collections.abc import Iterator
from typing import Any

from runner import words
from runner.archive.contents import Contents
from runner.archive.take_over import Taken, take_over
from runner.display.progress import Progress, count
from runner.display.tally import Tally
from runner.errors import RunnerError, StateError, StoreBehindError
from runner.plan.plan import Plan
from runner.record import FAILED
from runner.state.journals import Journals
from runner.state.root import Root
from runner.state.run_record import NOT_WRITTEN, changed_files
from runner.system import streams
from runner.system.command import command_of, parser_of
from runner.system.language import Said, joined, say
from runner.tracking import comparison
from runner.tracking.mlflow_tracker import MlflowTracker
from runner.tracking.store import address, arguments, calls, upgrade
from runner.tracking.store import mlflow_store as store
from runner.tracking.writer import Writer, WriterThread
from runner.work.cluster.submitted import Submitted, submitted, tidy

#: Seconds between two looks at journals, and two questions to a cluster.
_LOOK_S, _ASK_S = 1.0, 5.0

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

    def tracker() -> MlflowTracker:
        return MlflowTracker(client, experiment_id, root)

    with _told_in_a_line(root):
        for plan in kept.sweeps:
            writer = Writer(tracker, kept.journals, plan.runs)
            writer.tracker.open_sweep(plan, used=False)
            writer.update()
            writer.settle()
            writer.close_as_recorded()
            problems += writer.refused.values()
        writer = Writer(tracker, kept.journals, kept.alone)
        writer.update()
    return len(kept.runs), list(dict.fromkeys([*problems, *writer.refused.values()]))


def follow(root: Root, uri: str | None, experiment: str, word: str) -> list[str]:
    """Keep the store in step with a sweep that other processes train, until it is over.

    It may be ended and started again at any time, on any host that sees the root.

    Parameters
    ----------
    word
        The sweep's name or the start of its key.

    Returns
    -------
    What is wrong with its runs or their files, a line each.

    Raises
    ------
    StoreError
        When the store cannot be used at the start, or there is no such sweep.
    StoreBehindError
        When the store was lost later.
    """
    contents = Contents(root)
    plan = contents.sweep(word)
    if plan is None:
        raise contents.no_such(word)
    client, experiment_id = _opened(root, uri, experiment)
    tracker = MlflowTracker(client, experiment_id, root)
    calls.insist(lambda: tracker.open_sweep(plan, used=False), address.shown(uri, root))
    journals = Journals(root, [run.run_key for run in plan.runs])
    writer = WriterThread(Writer(lambda: tracker, journals, plan.runs))
    writer.start()
    job, next_ask = submitted(plan, root), time.monotonic() + _ASK_S
    words.tell(joined(": ", [f"{plan.name} ({plan.sweep_key[:8]})", *([job.words] if job else [])]))
    launch = job.given.launch if job else None
    progress = Progress(Tally(plan, launch=launch), journals, launch or "", 1, lambda: None)
    progress.start()
    try:
        while not _is_over(plan, journals, job):
            time.sleep(_LOOK_S)
            if time.monotonic() >= next_ask:
                job, next_ask = submitted(plan, root), time.monotonic() + _ASK_S
    finally:
        progress.stop()
    journals.look(max_age_s=0)
    statuses = {run.run_key: journals[run.run_key].status for run in plan.runs}
    failed = [f"{run.name}: failed" for run in plan.runs if statuses[run.run_key] == FAILED]
    n_left = sum(not journals[key].trained for key in statuses) - len(failed)
    if behind := writer.finish("KILLED" if n_left else "FAILED" if failed else "FINISHED"):
        raise StoreBehindError(f"{behind} not in the store yet; nothing is lost, run it again")
    if not n_left and not failed:
        tidy(plan, root)
    left = f"{plan.name}: {count(n_left, 'run')} left and nobody at it; go on with: "
    return [*failed, *([left + shlex.join(plan.command)] if n_left else [])]


def _is_over(plan: Plan, journals: Journals, job: Submitted | None) -> bool:
    """Whether no run of a sweep is to come, as far as can be seen from here."""
    records = [journals[run.run_key] for run in plan.runs]
    if all(record.trained for record in records):
        return True
    return job.is_over if job else all(record.end for record in records)


def verify(root: Root, uri: str | None, experiment: str) -> tuple[int, list[str]]:
    """Hold the files under state/ against their hashes, and what the store has against them.

    Returns
    -------
    The number of trained runs, and what is not as it was written, a line each.

    Raises
    ------
    StoreError
        When the store cannot be used.
    StoreBehindError
        When a call failed on the way.
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
    with _told_in_a_line(root):
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


@contextlib.contextmanager
def _told_in_a_line(root: Root) -> Iterator[None]:
    """Calls to the store in the block; StoreBehindError where one fails."""
    try:
        yield
    except RunnerError:
        raise
    except Exception as error:
        why = calls.failure(error, root)
        raise StoreBehindError(f"{why}; nothing is lost, run it again") from error


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
    instead.add_argument(
        "--follow",
        metavar="SWEEP",
        help="instead, keep the store in step with a sweep (name or start of its key) to its end",
    )
    given = parser.parse_args()
    root = Root.of(given.root)
    do = verify if given.verify else sync
    try:
        if given.upgrade_store:
            words.tell(upgrade.upgrade(given.uri, root))
            return
        if given.follow:
            problems = follow(root, given.uri, given.experiment, given.follow)
            _end(problems, say("the sweep is over; the store is in step"))
            return
        taken = take_over(root, Root.of(given.other)) if given.other else Taken()
        if given.other:
            _tell(taken, given.other)
        n_runs, problems = do(root, given.uri, given.experiment)
    except RunnerError as error:
        words.complain(str(error), _COMMAND)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:  # the sweep goes on, and the next one tells the store the rest
        sys.exit(130)
    looked_at = "{n} runs looked at; the store is in step"
    if given.verify:
        looked_at = "{n} runs looked at; state/ and the store hold what they wrote"
    _end([*taken.problems, *problems], say(looked_at, n=n_runs))


def _end(problems: list[str], told: Said) -> None:
    """Say what is wrong, and leave with its exit code; or else that all is well."""
    for problem in problems:
        words.complain(problem, _COMMAND)
    if problems:
        sys.exit(StateError.exit_code)
    words.tell(told)


if __name__ == "__main__":
    main()
