"""A command from its plan to its exit code: plan, workers, tracking, table. A single run is a plan of one."""

import shlex
import sys

from runner import prepare
from runner.config.overrides import COMMAND
from runner.config.schema import Config
from runner.display import summary
from runner.display.progress import Progress
from runner.engine import device as devices
from runner.errors import without_password
from runner.plan import grid as grids
from runner.plan import plan as plans
from runner.plan.plan import Plan
from runner.state.checkpoint import Checkpoints
from runner.state.journals import Journals
from runner.state.root import Root
from runner.tracking import address
from runner.tracking import mlflow_store as store
from runner.tracking.writer import Writer, WriterThread
from runner.train import provenance
from runner.work import estimate
from runner.work.launch import Launch, StartWorkers, new_launch
from runner.work.processes import guarded
from runner.work.stop import Stop


def sweep(grid: grids.Grid, command: list[str], start_workers: StartWorkers) -> int:
    """Train what is not trained yet, keep MLflow in step, print the cells; the exit code.

    Parameters
    ----------
    command
        The words that were typed, to be shown when it should be typed again.

    Raises
    ------
    RunnerError
        Before anything is trained: no such device, no data, no store, a folder that cannot be written.
    """
    config = grid.cells[0].config
    root = Root.of(config.runner.root)
    prepare.check_writable(root)
    for cell in grid.cells:
        prepare.check_size(cell.config, cell.config.data.name)
    device = devices.resolve(config.device, {cell.config.engine.name for cell in grid.cells})
    if not config.plan:
        address.check(config.tracking.uri, root)
    sources = prepare.Sources(root, write=not config.plan)

    def data_of(of: Config) -> tuple[str, str]:
        dataset = sources.of(of)
        return dataset.name, dataset.sha256

    plan, n_duplicates = grids.plan(grid, data_of, device, [without_password(word) for word in command])
    for warning in sources.warnings:
        print(f"runner: {warning}", file=sys.stderr, flush=True)
    journals = Journals(root, [run.run_key for run in plan.runs]).look()
    todo = [run for run in plan.runs if not journals[run.run_key].trained]
    if not config.plan:
        _tidy(plan, journals, root)
    n_workers = _n_workers(config, device)
    used = sorted({f"{run.data_name} ({run.data_sha256[:8]})" for run in plan.runs})
    where = {"data": ", ".join(used), "root": root, "uri": address.shown(config.tracking.uri, root)}
    summary.announce(plan, n_duplicates, len(plan.runs) - len(todo), n_workers, where)
    if todo and (config.plan or (config.progress and not plan.single)):
        summary.announce_time(*estimate.seconds(plan, todo, journals, sources.named, n_workers))
    if config.plan:
        return 0
    return _train(plan, config, journals, n_workers, start_workers)


def _tidy(plan: Plan, journals: Journals, root: Root) -> None:
    """Remove the checkpoints of trained runs: one that was killed right after its end could not do so itself."""
    for run in plan.runs:
        if journals[run.run_key].trained:
            Checkpoints(root.run(run.run_key).path, run.run_key).delete()


def _train(plan: Plan, config: Config, journals: Journals, n_workers: int, start_workers: StartWorkers) -> int:
    root = journals.root
    # The store first: one that turns out to be unusable leaves no plan behind.
    tracker = prepare.open_tracker(config, root, plan)
    plans.write(plan, root)
    if not plan.single:
        store.insist(lambda: tracker.open_sweep(plan), address.shown(config.tracking.uri, root))
    writer = WriterThread(Writer(tracker, journals, plan.runs))
    name = new_launch()
    stop_file = root.sweep(plan.sweep_key).stop_file(name)
    with Stop(stop_file) as stop:
        progress = Progress(plan, journals, name, n_workers, lambda: writer.trouble)
        anything_to_do = not all(journals[run.run_key].trained for run in plan.runs)
        if config.progress and (anything_to_do or plan.single):
            progress.start()
        try:
            if anything_to_do:
                writer.start()
                with guarded():
                    Launch(plan, root, journals, stop, start_workers, name).until_settled(n_workers)
        finally:
            if progress.is_alive():
                progress.stop()
            stop_file.unlink(missing_ok=True)
        journals.look(max_age_s=0)
        stopped = stop.signal is not None
        failed = summary.failures(plan, root, journals)
        behind = writer.finish("KILLED" if stopped else "FAILED" if failed else "FINISHED", interrupted=stopped)
    summary.print_table(plan, journals)
    summary.tell_passed_over(plan, journals, name)
    if behind:
        prepare.tell_behind(behind, writer.trouble, config, root)
    return _exit_code(plan, journals, stop.exit_code if stopped else None, failed, bool(behind))


def _exit_code(plan: Plan, journals: Journals, interrupted: int | None, failed: list[str], is_behind: bool) -> int:
    """Say what is left to do and how; the first thing that went wrong decides the code."""
    again = shlex.join(plan.command)
    for line in failed:
        print(f"runner: {line}", file=sys.stderr)
    n_trained = sum(journals[run.run_key].trained for run in plan.runs)
    if interrupted is not None:
        n_epochs = len(journals[plan.runs[0].run_key].epochs)
        reached = f"; {n_trained} of {len(plan.runs)} runs are trained"
        if plan.single:
            reached = f" after {n_epochs} whole epochs"
        print(f"runner: interrupted{reached}, nothing is lost; go on with: {again}", file=sys.stderr)
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
