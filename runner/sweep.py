"""A sweep from its command line to its exit code: plan, workers, MLflow, table."""

import shlex
import sys
from collections.abc import Callable
from pathlib import Path

from runner import prepare as session
from runner.config.overrides import COMMAND
from runner.config.schema import Config
from runner.display import summary
from runner.display.progress import Progress
from runner.engine import device as devices
from runner.errors import without_password
from runner.files import root_of
from runner.plan import grid
from runner.plan import plan as plans
from runner.plan.plan import Plan, PlannedRun
from runner.state.checkpoint import Checkpoints
from runner.state.journal import RunFolder, read_journal
from runner.tracking import mlflow_store as store
from runner.tracking.writer import Tracker
from runner.train import provenance
from runner.work import estimate, launch
from runner.work.guard import guarded
from runner.work.stop import Stop
from runner.work.worker import stop_file

#: Starts so many workers on the plan at a path, for a launch; returns what they ended with.
StartWorkers = Callable[[Path, str, int], list[str]]


def sweep(cells: grid.Grid, command: list[str], start_workers: StartWorkers) -> int:
    """Train what is not trained yet, keep MLflow in step, print the cells; the exit code.

    Raises
    ------
    RunnerError
        Before anything is trained: no such device, no data, no store, a folder that cannot be written.
    """
    config = cells.cells[0].config
    root = root_of(config.runner.root)
    session.check_writable(root)
    for cell in cells.cells:
        session.check_size(cell.config, cell.config.data.name)
    device = devices.resolve(config.device, {cell.config.engine.name for cell in cells.cells})
    if not config.plan:
        store.check(config.tracking.uri, root)
    sources = session.Sources(root, write=not config.plan)

    def data_of(of: Config) -> tuple[str, str]:
        dataset = sources.of(of)
        return dataset.name, dataset.sha256

    plan, n_duplicates = grid.plan(cells, data_of, device, [without_password(word) for word in command])
    for warning in sources.warnings:
        print(f"runner: {warning}", file=sys.stderr, flush=True)
    n_workers = _n_workers(config, device)
    todo = [r for r in plan.runs if not read_journal(RunFolder(root / "state", r.run_key).journal).trained]
    if not config.plan:
        _tidy(plan, todo, root)
    used = sorted({f"{run.data_name} ({run.data_sha256[:8]})" for run in plan.runs})
    where = {"data": ", ".join(used), "root": root, "uri": store.shown(config.tracking.uri, root)}
    summary.announce(plan, n_duplicates, len(plan.runs) - len(todo), n_workers, where)
    if todo and (config.plan or config.progress):
        summary.announce_time(*estimate.seconds(plan, todo, root, sources.named, n_workers))
    if config.plan:
        return 0
    return _train(plan, config, root, n_workers, bool(todo), start_workers)


def _tidy(plan: Plan, todo: list[PlannedRun], root: Path) -> None:
    """Remove the checkpoints of trained runs: one that was killed right after its end could not do so itself."""
    missing = {run.run_key for run in todo}
    for run in plan.runs:
        if run.run_key not in missing:
            Checkpoints(RunFolder(root / "state", run.run_key).path, run.run_key).delete()


def _train(
    plan: Plan, config: Config, root: Path, n_workers: int, anything_to_do: bool, start_workers: StartWorkers
) -> int:
    # The store first: one that turns out to be unusable leaves no plan behind.
    ledger = session.open_ledger(config, root, plan.runs)
    path = plans.write(plan, root)
    store.insist(lambda: ledger.open_sweep(plan), store.shown(config.tracking.uri, root))
    tracker = Tracker(ledger)
    name = launch.new_launch()
    with Stop(stop_file(path, name)) as stop:
        if anything_to_do:
            tracker.start()
            progress = Progress(plan.runs, root, n_workers, lambda: tracker.trouble, name)
            if config.progress:
                progress.start()
            try:
                with guarded():
                    launch.until_settled(plan, root, name, stop, lambda n: start_workers(path, name, n), n_workers)
            finally:
                if config.progress:
                    progress.stop()
                stop_file(path, name).unlink(missing_ok=True)
        stopped = stop.signal is not None
        failed = summary.failures(plan, root)
        behind = tracker.finish("KILLED" if stopped else "FAILED" if failed else "FINISHED", interrupted=stopped)
    summary.print_table(plan, root)
    summary.tell_passed_over(plan.runs, root, name)
    if behind:
        session.tell_behind(behind, root / "state", tracker.trouble, config, root)
    return _exit_code(plan, root, stop.exit_code if stopped else None, failed, bool(behind))


def _exit_code(plan: Plan, root: Path, interrupted: int | None, failed: list[str], is_behind: bool) -> int:
    """Say what is left to do and how; the first thing that went wrong decides the code."""
    again = shlex.join(plan.command)
    for line in failed:
        print(f"runner: {line}", file=sys.stderr)
    n_trained = sum(read_journal(RunFolder(root / "state", r.run_key).journal).trained for r in plan.runs)
    if interrupted is not None:
        print(
            f"runner: interrupted; {n_trained} of {len(plan.runs)} runs are trained, nothing is lost;"
            f" go on with: {again}",
            file=sys.stderr,
        )
        return interrupted
    if failed:
        others = f"the others are {'trained' if is_behind else 'stored'}; try again with"
        if n_trained + len(failed) < len(plan.runs):
            why = " (runner.fail_fast)" if plan.runs[0].config.runner.fail_fast else ""
            others = f"which stopped the sweep{why}; {n_trained} are trained; go on with"
        print(f"runner: {len(failed)} of {len(plan.runs)} runs failed, {others}: {again}", file=sys.stderr)
        return 1
    if is_behind:
        return 4
    print(f"{n_trained} of {len(plan.runs)} runs trained and stored. Browse the curves: make ui")
    print(f"or {COMMAND}.ui; change a value and run again: only what is new is trained.")
    return 0


def _n_workers(config: Config, device: str) -> int:
    if config.runner.workers > 0:
        return config.runner.workers
    return max(1, devices.gpu_count()) if device == "gpu" else provenance.cores()
