"""The tally of a plan: kept up to date by what has changed, it says what a count of everything
says."""

import statistics
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import pytest
from configs import configured
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.display.progress import Tally, count, duration, ending
from runner.record import DONE
from runner.state.journal import Attempt
from runner.state.records import End, Epoch, Setup, Start
from runner.state.run_record import RunRecord

N_EPOCHS = 3


def planned(key, cell):
    return SimpleNamespace(
        run_key=key, cell_key=cell, config=configured({"train.epochs": N_EPOCHS})
    )


RUNS = [planned(key, cell) for key, cell in (("a", "x"), ("b", "x"), ("c", "y"))]


def start(key):
    return Start(key, "", {}, {}, {}, "cpu", 1, "1-a")


def epoch(n, seconds):
    return Epoch(
        n, {"time/train_s": seconds, "time/eval_s": 0.5, "test/accuracy": 0.5, "train/loss": 0.25}
    )


events = st.lists(
    st.tuples(
        st.sampled_from(range(len(RUNS))),
        st.one_of(
            st.just("start"),
            st.floats(0.1, 9.0),
            st.sampled_from(["done", "failed", "killed", "diverged"]),
        ),
    ),
    max_size=25,
)


@settings(max_examples=200)
@given(events)
def test_a_tally_says_what_a_count_of_all_journals_says(events):
    attempts = {run.run_key: Attempt("a", start=start(run.run_key)) for run in RUNS}
    journals = {run.run_key: RunRecord({}) for run in RUNS}
    tally = Tally(SimpleNamespace(runs=RUNS))
    for place, event in events:
        run = RUNS[place]
        attempt = attempts[run.run_key]
        if event == "start":
            attempt.add(start(run.run_key))
        elif isinstance(event, float):
            attempt.add(epoch(min(len(attempt.epochs) + 1, N_EPOCHS), event))
        else:
            attempt.add(End(event))
        journals[run.run_key] = RunRecord({"a": replace(attempt)})
        tally.count(run, journals[run.run_key])
    statuses = Counter(journal.status for journal in journals.values() if journal.end)
    assert {status: n for status, n in tally.ended.items() if n} == statuses
    assert tally.n_ended == sum(statuses.values())
    assert tally.n_epochs == sum(len(journal.epochs) for journal in journals.values())
    paces = {
        cell: [
            sum((e.metrics["time/train_s"], 0.5))
            for run in RUNS
            if run.cell_key == cell
            for e in journals[run.run_key].epochs.values()
        ]
        for cell in ("x", "y")
    }
    every = [pace for cell in paces.values() for pace in cell]
    left = tally.seconds_left(2)
    if not every:
        assert left is None
        return
    expected = 0.0
    for run in RUNS:
        if not journals[run.run_key].end:
            pace = statistics.fmean(paces[run.cell_key] or every)
            expected += pace * (N_EPOCHS - len(journals[run.run_key].epochs))
    assert left == pytest.approx(expected / 2, abs=1e-9)


def test_an_ending_is_one_line():
    attempt = Attempt("a")
    for record in (start("a"), Setup(), epoch(1, 1.0), epoch(2, 1.5), End(DONE)):
        attempt.add(record)
    done = "test accuracy 0.5000, train loss 0.2500, 2 epochs in 3.5 s"
    assert ending(RunRecord({"a": attempt})) == done
    attempt.add(End("failed", "out of memory"))
    assert ending(RunRecord({"a": attempt})) == "failed (out of memory)"


@pytest.mark.parametrize(
    "seconds, text",
    [(0.04, "0.0 s"), (9.96, "10.0 s"), (48.2, "48 s"), (200, "3 min 20 s"), (7500, "2 h 05 min")],
)
def test_a_duration_reads_as_people_say_it(seconds, text):
    assert duration(seconds) == text


def test_one_is_singular():
    assert (count(1, "seed"), count(0, "seed"), count(5, "seed")) == (
        "1 seed",
        "0 seeds",
        "5 seeds",
    )
