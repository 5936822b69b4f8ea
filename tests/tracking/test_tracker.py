"""The seam for any tracker: one of twenty lines, which writes a CSV, gets what MLflow gets."""

import csv

import pytest
from commands import lines
from replays import only_plan

from runner.record import METRICS
from runner.state.journals import Journals
from runner.state.root import Root
from runner.tracking.tracker import TrackedRun
from runner.tracking.writer import Writer, WriterThread

pytest_plugins = "roots"


class CsvTracker:
    """Rows to a CSV: run, epoch, metric, value, time."""

    def __init__(self, path):
        self.path, self.ended, self.sweeps = path, {}, []

    def probe(self):
        pass

    def open_sweep(self, plan, used=True):
        self.sweeps.append(plan.name)

    def begin_run(self, run, journal):
        return TrackedRun(run.name)

    def log_rows(self, tracked, epochs):
        with open(self.path, "a", newline="") as file:
            for epoch in epochs:
                rows = [
                    (tracked.id, epoch.epoch, name, value, epoch.time_ms)
                    for name, value in epoch.metrics.items()
                ]
                csv.writer(file).writerows(rows)

    def end_run(self, tracked, epochs, journal):
        self.log_rows(tracked, epochs)
        self.ended[tracked.id] = journal.status

    def close_sweep(self, status, journals):
        self.sweeps.append((status, [journal.status for journal in journals.values()]))


@pytest.fixture
def tracker(tmp_path):
    return CsvTracker(tmp_path / "rows.csv")


def test_every_row_reaches_it_once_with_the_time_of_the_journal(main_job, tracker):
    plan = only_plan(main_job.root)
    journals = Journals(Root(main_job.root), [run.run_key for run in plan.runs])
    tracker.open_sweep(plan)
    thread = WriterThread(Writer(lambda: tracker, journals, plan.runs))
    thread.start()
    assert thread.finish("FINISHED") is None
    assert tracker.sweeps == [plan.name, ("FINISHED", ["done"] * len(plan.runs))]
    assert tracker.ended == {run.name: "done" for run in plan.runs}
    names = {run.run_key: run.name for run in plan.runs}
    with open(tracker.path, newline="") as file:
        rows = sorted(
            (name, int(epoch), metric, float(x), int(ms))
            for name, epoch, metric, x, ms in csv.reader(file)
        )
    assert rows == sorted(
        (names[key], line["epoch"], metric, line["metrics"][metric], line["time_ms"])
        for key, epochs in lines(main_job.root, "epoch").items()
        for line in epochs
        for metric in METRICS
    )


def test_a_run_that_a_tracker_refuses_is_told_again_and_keeps_no_other_from_it(
    main_job, tracker, monkeypatch
):
    plan = only_plan(main_job.root)
    journals = Journals(Root(main_job.root), [run.run_key for run in plan.runs])
    refused = plan.runs[2].name
    end_run = tracker.end_run

    def refuses_once(tracked, epochs, journal):
        if tracked.id == refused and refused not in asked:
            asked.append(refused)
            raise ConnectionError("not now")
        end_run(tracked, epochs, journal)

    asked = []
    monkeypatch.setattr(tracker, "end_run", refuses_once)
    writer = Writer(lambda: tracker, journals, plan.runs)
    with pytest.raises(ConnectionError):
        writer.update()
    assert (
        set(tracker.ended) == {run.name for run in plan.runs} - {refused} and writer.n_behind == 1
    )
    writer.update()
    assert set(tracker.ended) == {run.name for run in plan.runs} and writer.n_behind == 0
