"""The tally of a plan: kept up to date by what has changed, it says what a count of everything
says."""

import io
import statistics
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import pytest
from configs import configured
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from runner.display.progress import Progress, count, duration, ending
from runner.display.tally import Tally
from runner.record import DONE
from runner.state.journal import Attempt
from runner.state.records import Compiling, End, Epoch, Setup, Start
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
    # A run that was killed goes on.
    ended = {key for key, one in journals.items() if one.status in ("done", "failed", "diverged")}
    statuses = Counter(journals[key].status for key in ended)
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
        assert left == (0.0 if len(ended) == len(RUNS) else None)
        return
    expected = 0.0
    for run in RUNS:
        if run.run_key not in ended:
            pace = statistics.fmean(paces[run.cell_key] or every)
            expected += pace * (N_EPOCHS - len(journals[run.run_key].epochs))
    assert left == pytest.approx(expected / 2, abs=1e-9)


@pytest.mark.parametrize(
    ("status", "n"), [("done", 1), ("diverged", 1), ("failed", 0), ("killed", 0)]
)
def test_a_run_that_an_earlier_launch_did_not_train_has_not_ended_for_this_one(status, n):
    attempt = Attempt("a")
    for record in (start("a"), epoch(1, 1.5), End(status)):
        attempt.add(record)
    earlier = RunRecord({"a": attempt})
    tally = Tally(SimpleNamespace(runs=RUNS[:1]), launch="2-b")
    tally.count(RUNS[0], earlier)
    assert (tally.n_ended, tally.seconds_left(1)) == (n, 0.0 if n else 4.0)
    # Of its own launch, one that failed is not trained again.
    own = Tally(SimpleNamespace(runs=RUNS[:1]), launch=earlier.start.launch)
    own.count(RUNS[0], earlier)
    assert own.n_ended == (status != "killed")


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


class MadeUpJournals(dict):
    """The records of runs, all of them under way."""

    def changed_since(self, position):
        return list(self), 0

    def under_way(self, launch):
        return dict.fromkeys(self, 1)


def shown(records, width=80, expected=None, name=""):
    """The live display of two cells of two runs, each with the records of its journal."""
    runs = [planned(key, cell) for key, cell in (("a", "x"), ("b", "y"))]
    for run in runs:
        run.name = f"cell={run.cell_key} {name}seed=0"
    journals = MadeUpJournals()
    for run, of_run in zip(runs, records, strict=True):
        attempt = Attempt("a")
        for record in (start(run.run_key), *of_run):
            attempt.add(record)
        journals[run.run_key] = RunRecord({"a": attempt})
    plan = SimpleNamespace(runs=runs, looks=(), max_seeds=0)
    progress = Progress(Tally(plan, expected or {}), journals, "", 2, lambda: None)
    console = Console(width=width, file=io.StringIO())
    console.print(progress._view())
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_a_display_has_a_bar_and_the_time_left_of_the_sweep_and_of_each_run():
    sweep, states, first, second = shown([[Setup(), epoch(1, 3.5)], [Setup(), epoch(1, 7.5)]])
    # Of three epochs of 4 s and of 8 s two are to come, less what was spent of one since.
    assert sweep.split() == [
        "runs",
        "0",
        "of",
        "2",
        bar(sweep),
        *"epochs 2 of 6 left 8.0 s".split(),
    ]
    assert states == "  2 running"
    assert first.startswith("cell=x seed=0") and "epoch 2/3, test 50.00 %" in first
    assert first.endswith("left 4.0 s") and second.endswith("left 8.0 s")


def bar(line):
    return next(word for word in line.split() if set(word) <= set("━╸╺"))


def test_before_an_epoch_is_trained_the_time_left_is_that_of_the_estimate():
    sweep, _, first, _ = shown([[Setup()], [Setup()]], expected={"x": 2.0, "y": 4.0})
    assert first.endswith("left 4.0 s") and sweep.endswith("left 8.0 s")
    # Of what was expected to take 2 s each, an epoch took twice as long.
    *_, second = shown([[Setup(), epoch(1, 3.5)], [Setup()]], expected={"x": 2.0, "y": 4.0})
    assert second.endswith("left 16 s")
    assert not any("left" in line or "unknown" in line for line in shown([[Setup()], [Setup()]]))


def test_compiling_is_told_with_its_seconds_and_names_are_broken_between_words():
    knobs = "hidden_size=200 fc_depth=2 weight_decay=0.0001 batch_size=100 "
    told = shown([[Compiling()], [Setup(), epoch(1, 3.5)]], name=knobs)
    assert any("compiling, " in line and " h " in line for line in told)
    assert max(map(len, told)) <= 80
    words = set(" ".join(told).split())
    assert set(knobs.split()) <= words
