"""How long an epoch takes: what was recorded, what is measured, and what lies between."""

from types import SimpleNamespace

import pytest
from configs import configured

from runner import engine
from runner.data.catalogue import CATALOGUE
from runner.plan.plan import PlannedRun
from runner.record import DONE
from runner.state.journal import Attempt
from runner.state.records import End, Epoch, Start
from runner.state.root import Root
from runner.state.run_record import RunRecord
from runner.train import pace, provenance
from runner.work import paces
from runner.work.estimate import estimate
from runner.work.paces import BUDGET_S, kind


def run(seed=0, **knobs):
    values = {name.replace("__", "."): value for name, value in knobs.items()}
    config = configured(values | {"seed": seed})
    cell = str(sorted(values.items()))
    return PlannedRun(f"{cell} {seed}", cell, values, config, "mnist", "d" * 64, "cpu")


def trained(of, seconds, processor=None):
    config = {"train": {"epochs": len(seconds)}}
    attempt = Attempt("a")
    ours = provenance.processor()
    begin = Start(of.run_key, "", {}, config, {}, "cpu", 1, "1-a", processor=processor or ours)
    attempt.add(begin)
    for n, s in enumerate(seconds, 1):
        attempt.add(Epoch(n, {"time/train_s": s, "time/eval_s": 0.0}))
    attempt.add(End(DONE))
    return RunRecord({"a": attempt})


def prepared(tmp_path, runs, records=(), n_workers=1):
    """A plan of which the runs that have no record are to be trained."""
    journals = {of.run_key: RunRecord({}) for of in runs} | dict(records)
    plan = SimpleNamespace(runs=runs, sweep_key="k" * 64, looks=())
    sources = SimpleNamespace(entry=lambda of: CATALOGUE["mnist"], read_by=lambda of: None)
    to_train = [of for of in runs if not journals[of.run_key].trained]
    return SimpleNamespace(
        plan=plan, root=Root(tmp_path), journals=journals, sources=sources, checked={},
        to_train=to_train, taken_epochs={}, n_workers=n_workers,
    )  # fmt: skip


@pytest.fixture
def steps(monkeypatch):
    """Measures a run as its channels' seconds, which takes as many of a clock that stands still."""
    clock = SimpleNamespace(now=100.0, measured=[], compile_s=0.0)

    def epoch_s(of, sample):
        n = float(of.config.model["channels"])
        clock.measured.append(int(n))
        clock.now += n + clock.compile_s
        clock.compile_s = 0.0
        return n

    monkeypatch.setattr(pace, "epoch_s", epoch_s)
    monkeypatch.setattr(paces.Sample, "of", lambda of, dataset: None)
    monkeypatch.setattr(paces.time, "monotonic", lambda: clock.now)
    monkeypatch.setattr(engine, "compiles", lambda name, device: clock.compile_s > 0)
    return clock


def test_what_takes_no_time_makes_no_other_kind():
    assert kind(run(optimizer__lr=0.001)) == kind(run(1, optimizer__lr=0.1))
    assert kind(run(train__epochs=1)) == kind(run(train__epochs=50))
    assert kind(run(optimizer__weight_decay=1e-4)) != kind(run(optimizer__weight_decay=0.0))
    assert kind(run(model__dropout=True)) != kind(run(model__dropout=False))
    assert kind(run(model__channels=1)) != kind(run(model__channels=30))


def test_recorded_epochs_of_a_like_run_are_taken_with_their_range(tmp_path, steps):
    done, to_come = run(optimizer__lr=0.1), run(optimizer__lr=0.2)
    records = {done.run_key: trained(done, [1.0, 2.0, 3.0, 4.0, 5.0])}
    foreseen = estimate(prepared(tmp_path, [done, to_come], records))
    n = to_come.config.train.epochs
    assert foreseen.seconds == pytest.approx(3.0 * n) and not steps.measured
    assert (foreseen.low_s, foreseen.high_s) == pytest.approx((1.4 * n, 4.6 * n))


def test_another_processor_says_nothing(tmp_path, steps):
    done, to_come = run(optimizer__lr=0.1), run(optimizer__lr=0.2, model__channels=30)
    records = {done.run_key: trained(done, [9.0], processor="another")}
    made = prepared(tmp_path, [done, run(optimizer__lr=0.3), to_come], records)
    assert estimate(made).epoch_s[to_come.cell_key] == 30.0


def test_kinds_within_the_budget_are_all_measured(tmp_path, steps):
    runs = [run(model__channels=n) for n in (1, 2, 3)]
    foreseen = estimate(prepared(tmp_path, runs, n_workers=2))
    assert sorted(steps.measured) == [1, 2, 3]
    assert foreseen.seconds == pytest.approx(6.0 * runs[0].config.train.epochs / 2)
    assert foreseen.low_s < foreseen.seconds < foreseen.high_s


def test_cells_that_could_not_be_measured_lie_between_those_that_were(tmp_path, steps):
    runs = [run(model__channels=n) for n in (1, 2, 4, 6, 8, 16)]
    foreseen = estimate(prepared(tmp_path, runs))
    # Both ends first; then the budget is spent.
    assert steps.measured == [1, 16] and BUDGET_S < 17
    seconds = [foreseen.epoch_s[of.cell_key] for of in runs]
    assert seconds == sorted(seconds) and len(seconds) == 6
    assert seconds[2] == pytest.approx(4.0, rel=0.01)


def test_where_nothing_can_be_measured_nothing_is_foreseen(tmp_path, steps, monkeypatch):
    monkeypatch.setattr(pace, "epoch_s", lambda of, sample: 0.0)  # its loss is not finite
    assert not estimate(prepared(tmp_path, [run()])).by_cell
