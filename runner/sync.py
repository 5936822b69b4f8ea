"""`python -m runner.sync`: bring MLflow in step with everything that is in state/."""

import argparse
import sys
from collections.abc import Iterator

from runner.errors import RunnerError, StateError, StoreBehindError, StoreError
from runner.plan import plan as plans
from runner.plan.plan import PlannedRun, config_from
from runner.state.journals import Journals
from runner.state.root import Root
from runner.state.run_record import changed_files, read_run
from runner.tracking import address
from runner.tracking import mlflow_store as store
from runner.tracking.mlflow_tracker import MlflowTracker
from runner.tracking.writer import Writer


def sync(root: Root, uri: str | None, experiment: str) -> int:
    """Replay the journals of all runs; how many runs were looked at.

    Raises
    ------
    StoreError
        When the store cannot be used, or there is nothing to put into it.
    StoreBehindError
        When it went away on the way.
    """
    if not root.state.is_dir():
        raise StoreError(
            f"{root.state}: there is no such folder; train something first, or give --root"
        )
    client = store.connect(uri, root)
    of = (client, experiment, uri, root)
    experiment_id = store.insist(lambda: store.experiment_id(*of), address.shown(uri, root))
    # The oldest first: a run's parent is the first sweep that it served.
    sweeps = [
        plan for plan in (plans.read(folder.plan) for folder in root.sweeps()) if not plan.single
    ]
    planned = {run.run_key: run for plan in sweeps for run in plan.runs}
    alone = [run for run in _started(root) if run.run_key not in planned]
    journals = Journals(root, [*planned, *(run.run_key for run in alone)])
    try:
        for plan in sweeps:
            tracker = MlflowTracker(client, experiment_id, root)
            tracker.open_sweep(plan, used=False)
            writer = Writer(tracker, journals, plan.runs)
            writer.update()
            writer.close_as_recorded()
        Writer(MlflowTracker(client, experiment_id, root), journals, alone).update()
    except RunnerError:
        raise
    except Exception as error:
        why = store.in_short(error)
        raise StoreBehindError(
            f"the store went away ({why}); nothing is lost, run it again"
        ) from error
    return len(planned) + len(alone)


def verify(root: Root) -> int:
    """Compare the files of trained runs with the hashes in their journals; the number of runs.

    Raises
    ------
    StateError
        Naming the files that are missing or not what the run wrote.
    """
    n_runs, wrong = 0, list[str]()
    for folder in root.runs():
        record = read_run(folder)
        if record.end is None or record.attempt is None or not record.end.sha256:
            continue
        n_runs += 1
        wrong += map(str, changed_files(folder.attempt(record.attempt), record.end.sha256))
    if wrong:
        raise StateError(
            f"not what the run wrote: {', '.join(wrong)}; move the run's folder away and start"
            " its sweep again to"
            " train it anew"
        )
    return n_runs


def _started(root: Root) -> Iterator[PlannedRun]:
    """Every run that was ever started, as its journal describes it."""
    for folder in root.runs():
        start = read_run(folder).start
        if start is not None:
            yield PlannedRun(
                start.run_key,
                start.cell_key,
                start.knobs,
                config_from(start.config),
                start.data["name"],
                start.data["sha256"],
                start.device,
                code=start.code,
            )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m runner.sync", description=__doc__)
    parser.add_argument(
        "--root", help="folder that holds state/ (default: the checkout, else here)"
    )
    parser.add_argument("--uri", help="tracking store (default: the local one under the root)")
    parser.add_argument(
        "--experiment", default="ablations", help="MLflow experiment (default: %(default)s)"
    )
    parser.add_argument(
        "--verify",
        action="store_true",
        help="instead, hold all files in state/ against the journals' hashes",
    )
    arguments = parser.parse_args()
    try:
        if arguments.verify:
            print(
                f"{verify(Root.of(arguments.root))} runs looked at; every file is what its run"
                " wrote"
            )
            return
        n_runs = sync(Root.of(arguments.root), arguments.uri, arguments.experiment)
    except RunnerError as error:
        print(f"runner.sync: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    print(f"{n_runs} runs looked at; the store is in step")


if __name__ == "__main__":
    main()
