"""What a store holds as two frames."""

import numpy as np
from studies import MadeUpStore, grid

from analysis.read.sweeps import Knob
from runner.record import CODE_OF_VERSION_1, METRICS


def made_up():
    return MadeUpStore(
        grid(range(2), model__dropout=[True, False]), lambda run, epoch: 0.9 + 0.01 * epoch
    )


def test_a_metric_that_the_runs_lack_is_a_column_without_numbers():
    made = made_up()
    made.sent = [row for row in made.sent if row[1] != "test_masked/accuracy"]
    epochs = made.read().epochs
    assert list(epochs) == ["run_key", "epoch", *METRICS] and len(epochs) == 4 * 3
    lacking = epochs.pop("test_masked/accuracy")
    assert lacking.isna().all() and epochs.notna().all(axis=None)


def test_a_metric_that_this_version_does_not_know_is_left_out():
    made = made_up()
    expected = made.read().epochs
    for name in ("gap/calibration", "system/cpu_utilization", "test/recall/3/x"):
        made.sent += [(f"run {place}", name, 4, 1, 0.1) for place in range(4)]
    assert made.read().epochs.equals(expected)


def test_a_metric_that_only_some_runs_have_is_a_column_after_those_of_every_run():
    made = made_up()
    for name in ("test/recall/3", "val/loss", "test/f1"):
        made.sent += [("run 1", name, epoch, 1, 0.1 * epoch) for epoch in (1, 2, 3)]
    epochs = made.read().epochs
    others = ["val/loss", "test/f1", "test/recall/3"]
    assert list(epochs) == ["run_key", "epoch", *METRICS, *others] and len(epochs) == 4 * 3
    assert np.isnan(epochs.loc[epochs["run_key"] != "key 1", others]).all(axis=None)
    of_one = epochs.loc[epochs["run_key"] == "key 1", others].to_numpy()
    assert np.array_equal(of_one, 0.1 * np.repeat([[1], [2], [3]], 3, axis=1))


def test_of_a_row_that_was_sent_twice_the_later_one_counts():
    made = made_up()
    made.sent[:0] = [("run 0", "test/loss", 3, 9, 7.0)]
    made.sent += [("run 0", "test/loss", 3, 1, 5.0)]
    epochs = made.read().epochs
    assert epochs.loc[
        (epochs["run_key"] == "key 0") & (epochs["epoch"] == 3), "test/loss"
    ].tolist() == [7.0]


def test_a_run_that_does_not_name_its_code_is_of_training_version_1_and_a_missing_run_of_none():
    made = made_up()
    made.stored[1].tags.pop("code")
    del made.stored[2]
    runs = made.read().runs
    assert runs["state"].tolist() == ["done", "missing", "done", "done"]
    assert runs["code"].fillna("none").tolist() == [CODE_OF_VERSION_1, "none", "f" * 64, "f" * 64]


def test_the_knobs_of_a_plan_of_version_2_are_those_that_it_names():
    made = made_up()
    names = ["train.epochs", "model.stages", "data.root", "seed"]
    knobs = [{"name": name, "bears_on_numbers": True, "shown": False} for name in names]
    made.plan |= {"version": 2, "knobs": knobs}
    for run in made.plan["runs"]:
        run["config"]["model"]["stages"] = {"first": 1}
        run |= {"without_effect": ["model.stages"], "code": "f" * 64}
    sweep = made.read()
    assert [knob.name for knob in sweep.knobs] == ["train.epochs", "model.stages", "data.root"]
    assert (
        sweep.runs["model.stages"].tolist() == [{"first": 1}] * 4
        and "model.channels" not in sweep.runs
    )
    assert set(sweep.runs["without_effect"]) == {("model.stages", "data.root")}
    assert np.array_equal(sweep.runs["seed"], [0, 0, 1, 1])


def test_a_swept_group_has_its_typed_levels_and_a_knob_that_a_run_lacks_changes_nothing_in_it():
    options = [
        {"model": "cnn", "model.kind": "cnn", "model.channels": 4},
        {"model": "mlp", "model.kind": "mlp", "model.channels": 4},
    ]
    made = MadeUpStore(grid(range(2), model=options), lambda run, epoch: 0.9)
    for run in made.plan["runs"][1::2]:
        del run["config"]["model"]["channels"]
    sweep = made.read()
    assert sweep.knobs[0] == Knob("model", True, True, is_group=True)
    assert sweep.runs["model"].tolist() == ["cnn", "mlp"] * 2
    # Not nan, and not 4.0.
    assert list(map(repr, sweep.runs["model.channels"])) == ["4", "None"] * 2
    lacking = ["model.channels" in names for names in sweep.runs["without_effect"]]
    assert lacking == [False, True] * 2


def test_a_dictionary_that_was_swept_is_a_group_of_the_knobs_below_it():
    rows = grid(range(2), model__dropout=[True, False])
    made = MadeUpStore(rows, lambda run, epoch: 0.9)
    names = ["model.dropout", "model.stages.first", "seed"]
    knobs = [{"name": name, "bears_on_numbers": True, "shown": True} for name in names]
    made.plan |= {"version": 2, "knobs": knobs, "swept": {"model.stages": [{"first": 1}, {}]}}
    for run in made.plan["runs"]:
        stages = {"first": int(run["knobs"]["model.dropout"])}
        run["config"]["model"]["stages"] = run["knobs"]["model.stages"] = stages
        run["without_effect"] = []
    sweep = made.read()
    assert [knob.name for knob in sweep.knobs if knob.is_group] == ["model.stages"]
    assert sweep.runs["model.stages"].tolist() == [{"first": 1}, {"first": 0}] * 2
    assert sweep.runs["model.stages.first"].tolist() == [1, 0] * 2
