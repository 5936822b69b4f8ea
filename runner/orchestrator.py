"""A command from its plan to its exit code: prepare, announce, train, conclude."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from runner import engine as engines
from runner import words
from runner.display import ahead, planning, summary
from runner.display import looks as shown
from runner.display.progress import Progress
from runner.display.summary import Outcome
from runner.display.tally import Tally
from runner.errors import StoreBehindError, StoreError
from runner.plan import growth
from runner.plan import plan as plans
from runner.plan.grid import Grid
from runner.plan.looks import settled
from runner.plan.plan import Plan
from runner.prepare import Prepared, keep, prepare, tidy, with_plan
from runner.tracking import comparison
from runner.tracking.mlflow_tracker import MlflowTracker
from runner.tracking.store import address, calls
from runner.tracking.store import mlflow_store as store
from runner.tracking.tracker import Tracker
from runner.tracking.writer import Writer, WriterThread
from runner.train import provenance
from runner.train.sample import Sample
from runner.work import looking
from runner.work.estimate import estimate
from runner.work.launch import LocalWorkers
from runner.work.launcher import Launcher, OnCluster
from runner.work.stop import Stop


def sweep(grid: Grid, command: list[str], launcher: Launcher) -> int:
    """Train what is not trained yet, keep MLflow in step, print the cells; the exit code.

    Parameters
    ----------
    command
        The words that were typed, to be shown when it should be typed again.

    Raises
    ------
    RunnerError
        Before anything is trained: no such launcher, device, data or store, a folder that cannot be
        written, not enough memory.
    """
    words.speak(grid.cells[0].config.runner.language)
    launcher.check(grid.cells[0].config)
    prepared = prepare(grid, command, launcher.is_here, launcher.n_tasks, planning.planning)
    config, single = prepared.config, prepared.plan.single
    summary.announce(prepared)
    foreseen = None
    if prepared.to_train and (config.plan or (config.progress and not single)):
        compile_first(prepared)
        n_later = shown.all_sizes(prepared.plan)[-1] - len(prepared.plan.seeds)
        foreseen = estimate(prepared, n_later)
        summary.announce_time(prepared, foreseen)
    if config.plan:
        ahead.tell(prepared, foreseen.by_cell if foreseen else {})
        return 0
    epoch_s = foreseen.epoch_s if foreseen else {}
    if config.runner.detach and isinstance(launcher, OnCluster) and prepared.to_train:
        return leave(prepared, launcher)
    if prepared.plan.looks:
        return until_decided(prepared, launcher, epoch_s)
    return summary.conclude(prepared, train(prepared, launcher, epoch_s))


def compile_first(prepared: Prepared) -> None:
    """On a machine without compiled kernels, compile them before anything is measured.

    The store is opened meanwhile, which takes seconds where there is none yet.

    Raises
    ------
    StoreError
        When it cannot be used.
    """
    config, run = prepared.config, prepared.to_train[0]
    if not engines.compiles(run.config.engine.name, run.device):
        return
    workers = LocalWorkers(config.runner.workers)
    try:
        workers.start_early(run, 1, lambda: _sample(prepared))
        if not config.plan:
            store.connect(config.tracking.uri, prepared.root)
        workers.compiled()
    finally:
        workers.end()


def _sample(prepared: Prepared) -> Sample:
    run = prepared.to_train[0]
    return Sample.of(run, prepared.sources.read_by(run))


def leave(prepared: Prepared, launcher: OnCluster) -> int:
    """Submit what is not trained yet, and say how to see it again; the exit code.

    Raises
    ------
    RunnerError
        When the cluster refuses it.
    """
    open_tracker(prepared)
    launcher.leave(prepared.plan, prepared.journals, prepared.n_workers, words.tell)
    summary.tell_left(prepared)
    return 0


def until_decided(prepared: Prepared, launcher: Launcher, epoch_s: Mapping[str, float]) -> int:
    """Train look after look, each with twice the seeds, until no claim is open; the exit code.

    After each look the analysis decides claims from what the store holds, and only the cells of
    those that are open get more seeds.

    Raises
    ------
    RunnerError
        When a look cannot be decided, or the store is lost between two of them (StoreBehindError).
    """
    began, tracking = time.monotonic(), prepared.config.tracking
    outcome = train(prepared, launcher, epoch_s)
    while _is_whole(prepared, outcome) and not _is_decided(prepared.plan):
        plan, root = prepared.plan, prepared.root
        seen = looking.look(plan, root, tracking.uri, tracking.experiment)
        prepared = replace(prepared, plan=growth.decided(plan, seen.decided, len(plan.looks)))
        for line in shown.decided(prepared.plan, seen.answers):
            words.tell(line)
        grown = _next_look(prepared, seen.cells, time.monotonic() - began)
        plans.write((grown or prepared).plan, root)
        try:
            if grown is None:
                open_tracker(prepared)  # the store has the plan, with what this look decided
                break
            outcome = train(grown, launcher, epoch_s)
        except StoreError as error:
            kept = "what is trained is kept, the same command goes on"
            raise StoreBehindError(f"{error}; {kept}") from error
        prepared = grown
    return summary.conclude(prepared, outcome)


def _is_whole(prepared: Prepared, outcome: Outcome) -> bool:
    """Whether each run is trained, and the store holds it."""
    is_behind = outcome.behind or outcome.refused
    return outcome.interrupted is None and not is_behind and not summary.failures(prepared)


def _is_decided(plan: Plan) -> bool:
    return plan.claims.keys() <= settled(plan.looks).keys()


def _next_look(prepared: Prepared, cells: list[str], spent_s: float) -> Prepared | None:
    """The look of these cells with twice the seeds; None, and why, where none follows."""
    plan, max_minutes = prepared.plan, prepared.config.sweep.max_minutes
    if not cells:
        return None
    if len(plan.looks) == len(shown.all_sizes(plan)):
        words.tell(shown.ended_by_seeds(plan), indent=2)
        return None
    grown = with_plan(prepared, growth.further(plan, cells))
    next_s = estimate(grown).seconds
    if max_minutes and spent_s + next_s > 60 * max_minutes:
        words.tell(shown.ended_by_time(max_minutes, spent_s, next_s), indent=2)
        return None
    words.tell(shown.goes_on(grown.plan, next_s), indent=2)
    return grown


def train(prepared: Prepared, launcher: Launcher, epoch_s: Mapping[str, float]) -> Outcome:
    """Have workers train the runs of a plan, while MLflow and the display follow their journals.

    Parameters
    ----------
    epoch_s
        That an epoch of a run is expected to take, by cell key.
    """
    if not prepared.to_train and is_stored(prepared):
        keep(prepared)
        plan, journals = prepared.plan, prepared.journals
        name = launcher.name(plan, journals)
        if plan.single and prepared.config.progress:
            curve = Progress(Tally(plan, epoch_s, name), journals, name, 1, lambda: None)
            curve.start()
            curve.stop()
        return Outcome(name, None, None, None, [])
    with launcher.starting(prepared.to_train, prepared.n_workers, lambda: _sample(prepared)):
        return _train(prepared, tracker_of(prepared), launcher, epoch_s)


def is_stored(prepared: Prepared) -> bool:
    """Whether there is nothing to tell the store, as far as that is seen without opening it."""
    plan, root, tracking = prepared.plan, prepared.root, prepared.config.tracking
    file = address.sqlite_file(tracking.uri, root)
    if file is None or not file.exists() or plan.looks:
        return False
    records = {run.run_key: prepared.journals[run.run_key] for run in plan.runs}
    return comparison.has_all(file, tracking.experiment, root, plan, records)


def tracker_of(prepared: Prepared) -> Callable[[], Tracker]:
    """Write the plan under the root; what opens its tracker.

    A local store that is there was checked, and is opened beside the first trainings: importing
    MLflow takes seconds. Any other is opened here, for it may still refuse: a file that has to be
    made, a server, which may want a password.

    Raises
    ------
    StoreError
        When the store cannot be used; the plan is not written then.
    """
    uri, root = prepared.config.tracking.uri, prepared.root
    if not store.is_at_hand(uri, root):
        tracker = open_tracker(prepared)
        return lambda: tracker
    if uri is None:
        store.tell_put_right(root)
    keep(prepared)
    since_ms = time.time_ns() // 1_000_000

    def opened() -> Tracker:
        address.probe(uri, root)  # MLflow itself takes a minute to say that a file is locked
        return _opened(prepared, _connected(prepared, since_ms))

    return opened


def open_tracker(prepared: Prepared) -> Tracker:
    """A tracker that holds the plan; under the root the plan, too, and the data.

    Raises
    ------
    StoreError
        When the store cannot be used. It is asked first, so that it leaves no plan behind then.
    """
    tracker = _connected(prepared)
    keep(prepared)
    return _opened(prepared, tracker)


def _connected(prepared: Prepared, since_ms: int | None = None) -> MlflowTracker:
    root, tracking = prepared.root, prepared.config.tracking
    uri, name = tracking.uri, tracking.experiment
    client = store.connect(uri, root)
    experiment = calls.insist(
        lambda: store.experiment_id(client, name, uri, root), address.shown(uri, root)
    )
    return MlflowTracker(client, experiment, root, lambda: address.probe(uri, root), since_ms)


def _opened(prepared: Prepared, tracker: MlflowTracker) -> MlflowTracker:
    """The tracker, with the plan recorded."""
    plan, uri = prepared.plan, prepared.config.tracking.uri
    if not plan.single:
        calls.insist(lambda: tracker.open_sweep(plan), address.shown(uri, prepared.root))
    return tracker


def _train(
    prepared: Prepared,
    open_tracker: Callable[[], Tracker],
    launcher: Launcher,
    epoch_s: Mapping[str, float],
) -> Outcome:
    plan, journals = prepared.plan, prepared.journals
    # Workers that start on all cores would wait for the import of MLflow.
    n_here = min(prepared.n_workers, len(prepared.to_train)) if prepared.is_here else 0
    is_busy = n_here >= provenance.cores()
    writer = WriterThread(Writer(open_tracker, journals, plan.runs), after_first_news=is_busy)
    name = launcher.name(plan, journals)
    stop_file = prepared.root.sweep(plan.sweep_key).stop_file(name)
    with Stop(stop_file) as stop:
        tally = Tally(plan, epoch_s, name)
        n_workers = prepared.n_workers
        progress = Progress(tally, journals, name, n_workers, lambda: writer.trouble)
        if prepared.config.progress and (prepared.to_train or plan.single):
            progress.start()
        try:
            if prepared.to_train:
                writer.start()
                launcher.train(plan, journals, stop, name, n_workers, words.tell)
        finally:
            if progress.is_alive():
                progress.stop()
            stop_file.unlink(missing_ok=True)
        journals.look(max_age_s=0)
        tidy(prepared)
        stopped = stop.signal is not None
        status = "KILLED" if stopped else "FAILED" if summary.failures(prepared) else "FINISHED"
        behind = writer.finish(status, interrupted=stopped)
    refused = list(writer.writer.refused.values())
    return Outcome(name, stop.exit_code if stopped else None, behind, writer.trouble, refused)
