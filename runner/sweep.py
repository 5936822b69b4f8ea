"""A command from its plan to its exit code: prepare, announce, train, conclude."""

from runner.display import ahead, summary
from runner.display.progress import Progress
from runner.display.summary import Outcome
from runner.plan.grid import Grid
from runner.prepare import Prepared, open_tracker, prepare, tidy
from runner.tracking.writer import Writer, WriterThread
from runner.work.estimate import estimate
from runner.work.launch import Launch, StartWorkers, new_launch
from runner.work.processes import guarded
from runner.work.stop import Stop


def sweep(grid: Grid, command: list[str], start_workers: StartWorkers, is_here: bool = True) -> int:
    """Train what is not trained yet, keep MLflow in step, print the cells; the exit code.

    Parameters
    ----------
    command
        The words that were typed, to be shown when it should be typed again.
    is_here
        Whether workers run on this machine.

    Raises
    ------
    RunnerError
        Before anything is trained: no such device, no data, no store, a folder that cannot be
        written, not enough memory.
    """
    prepared = prepare(grid, command, is_here)
    config, single = prepared.config, prepared.plan.single
    summary.announce(prepared)
    time = None
    if prepared.to_train and (config.plan or (config.progress and not single)):
        time = estimate(prepared)
        summary.announce_time(prepared, time.seconds, time.n_unknown)
    if config.plan:
        ahead.tell(prepared, time.by_cell if time else {})
        return 0
    return summary.conclude(prepared, train(prepared, start_workers))


def train(prepared: Prepared, start_workers: StartWorkers) -> Outcome:
    """Have workers train the runs of a plan, while MLflow and the display follow their journals."""
    plan, journals = prepared.plan, prepared.journals
    writer = WriterThread(Writer(open_tracker(prepared), journals, plan.runs))
    name = new_launch()
    stop_file = prepared.root.sweep(plan.sweep_key).stop_file(name)
    with Stop(stop_file) as stop:
        progress = Progress(plan, journals, name, prepared.n_workers, lambda: writer.trouble)
        if prepared.config.progress and (prepared.to_train or plan.single):
            progress.start()
        try:
            if prepared.to_train:
                writer.start()
                with guarded():
                    Launch(plan, journals, stop, start_workers, name).until_settled(
                        prepared.n_workers
                    )
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
