"""The gate before every claim, and what a design can tell apart."""

import pandas as pd
import pytest
from oracles import PUBLISHED, npk
from studies import frame, grid

from analysis.design.cells import NO_EFFECT
from analysis.design.confounds import moved_together, not_estimable, refusal

AB = ["dropout=true", "dropout=false"]


@pytest.mark.parametrize(
    "change, message",
    [
        (
            {"state": "failed"},
            r"1 of 6 runs failed \(dropout=false seed=2\).*; the same command trains the rest$",
        ),
        (
            {"state": "diverged"},
            r"1 of 6 runs diverged \(dropout=false seed=2\): a mean over the others would hide"
            r" this; a claim with `missing: worst` ranks them last, one about"
            r" `diverges` counts them$",
        ),
        ({"state": "missing"}, r"1 of 6 runs are missing \(dropout=false seed=2\)"),
        ({"state": "running"}, "1 of 6 runs are running"),
        ({"seed": 7}, "not planned with the same seeds"),
        ({"seed": 1}, "a cell has two runs of one seed"),
        ({"first_batch_order.sha256": "other"}, "orders of the batches differ within seed 2"),
        ({"data.sha256": "other"}, "^data differ within seed 2 .*dropout=false seed=2"),
        (
            {"engine": "stock"},
            "engines differ within seed 2.*hold engine.name at one value with the claim's `at`",
        ),
        ({"device": "gpu"}, "devices differ within seed 2"),
        ({"card": "NVIDIA A100"}, "^cards differ within seed 2.*with another runner.root"),
        ({"processor": "AMD EPYC"}, "^processors differ within seed 2.*with another runner.root"),
        (
            {"code": "training_version 1"},
            r"^versions of the code differ within seed 2 \(f{18}: dropout=true seed=2;"
            r" training_version 1:"
            r" dropout=false seed=2\), so more than dropout differs between these runs; the same"
            r" command again"
            r" trains all of its runs with the code that is there now$",
        ),
        (
            {"version.numpy": "1.26"},
            "versions of numpy differ within seed 2.*with another runner.root",
        ),
    ],
    ids=lambda value: next(iter(value.items())) if isinstance(value, dict) else "",
)
def test_runs_that_cannot_be_compared_are_refused_by_name(change, message):
    rows = grid(seeds=range(3), model__dropout=[True, False])
    assert refusal(frame(rows), [AB], ["model.dropout"]) is None
    broken = frame(rows)
    for column, value in change.items():
        broken.loc[broken.index[-1], column] = value
    reason = refusal(broken, [AB], ["model.dropout"])
    assert reason is not None and pd.Series([reason]).str.contains(message).all(), reason


def test_functions_without_kernels_may_differ_where_the_model_is_claimed_and_nowhere_else():
    runs = frame(grid(seeds=range(3), model__dropout=[True, False]))
    runs["engine.fallbacks"] = "[]"
    runs.loc[runs.index[-1], "engine.fallbacks"] = '["tanh"]'
    assert refusal(runs, [AB], ["model.dropout"]) is None
    assert refusal(runs, [AB], ["train.batch_size"]).startswith(
        "the functions without kernels differ within seed 2"
    )


@pytest.mark.parametrize(
    "weights, changed_nothing",
    [
        (lambda run: f"{run['seed']}", True),
        (lambda run: f"{run['seed']} {run['model.channels']}", True),
        (lambda run: f"{run['seed']} {run['model.dropout']}", False),
        # A limit that only some seeds reach is a knob with an effect.
        (lambda run: f"{run['seed']} {run['model.dropout'] and run['seed'] == 1}", False),
        # It has an effect where the other knob has one value.
        (
            lambda run: f"{run['seed']} {run['model.dropout'] and run['model.channels'] == 30}",
            False,
        ),
        (lambda run: None, False),
    ],
)
def test_a_knob_that_left_all_weights_alone_is_no_cause(weights, changed_nothing):
    runs = frame(grid(seeds=range(3), model__channels=[1, 30], model__dropout=[True, False]))
    runs["weights.npz.sha256"] = [weights(run) for run in runs.to_dict("records")]
    reason = refusal(runs, [list(runs["cell_key"].unique())], ["model.dropout"])
    if not changed_nothing:
        assert reason is None
        return
    assert reason.startswith("dropout changed nothing: in each seed its values ended with equal")
    assert "channels=1 dropout=true seed=0" in reason


def test_what_differs_between_seeds_alone_is_no_confound():
    runs = frame(grid(seeds=range(3), model__dropout=[True, False]))
    runs.loc[runs["seed"] == 2, "code"] = "later"
    assert refusal(runs, [AB], ["model.dropout"]) is None


def test_runs_of_two_commits_with_the_same_code_are_compared():
    runs = frame(grid(seeds=range(3), model__dropout=[True, False]))
    runs["git.commit"], runs["git.dirty"] = (
        [f"commit {place}" for place in range(6)],
        ["true", "false"] * 3,
    )
    assert refusal(runs, [AB], ["model.dropout"]) is None


def test_the_claimed_knob_may_change_what_nothing_else_may():
    runs = frame(grid(seeds=range(2), engine__name=["fast", "stock"]))
    runs["engine"] = runs["engine.name"]
    assert refusal(runs, [list(set(runs["cell_key"]))], ["engine.name"]) is None
    assert "engines differ" in (
        refusal(runs, [list(set(runs["cell_key"]))], ["model.dropout"]) or ""
    )


def test_one_seed_says_nothing_about_the_next():
    runs = frame(grid(seeds=[4], model__dropout=[True, False]))
    assert "one seed (4)" in (refusal(runs, [AB], ["model.dropout"]) or "")


def test_the_npk_design_gives_away_its_threefold_interaction():
    terms = [
        ("block",),
        ("N",),
        ("P",),
        ("K",),
        ("N", "P"),
        ("N", "K"),
        ("P", "K"),
        ("N", "P", "K"),
    ]
    assert not_estimable(npk()[["block", *"NPK"]], terms) == [("N", "P", "K")]


def test_a_full_grid_tells_every_term_apart_and_the_published_experiments_tell_none():
    full = pd.DataFrame([(a, b) for a in (1, 2, 3) for b in (1, 2)], columns=["a", "b"])
    assert not_estimable(full, [("a",), ("b",), ("a", "b")]) == []
    published = pd.DataFrame(PUBLISHED).T
    terms = [(name,) for name in published]
    assert not_estimable(published, terms) == terms[1:]


def test_a_knob_that_has_no_effect_in_some_cells_is_still_told_apart():
    rows = [("true", 0.3), ("true", 0.5), ("false", NO_EFFECT)]
    assert moved_together(pd.DataFrame(rows, columns=["dropout", "ratio"], dtype=object)) == []
    assert moved_together(pd.DataFrame(PUBLISHED).T.astype(object)) == list(PUBLISHED["conv1"])


def two_data_sets(**levels):
    runs = frame(grid(range(2), data__name=["digits", "mnist5k"], **levels))
    runs["data.sha256"] = runs["data.name"]
    runs["first_batch_order.sha256"] += runs["data.name"]
    return runs


@pytest.mark.parametrize("knob", ["data", "data.name", "data.n_train", "data.label_noise"])
def test_a_claim_about_data_may_change_the_data_and_the_order_of_the_batches(knob):
    runs = two_data_sets()
    both = [list(set(runs["cell_key"]))]
    assert refusal(runs, both, [knob]) is None
    for other in ("data.normalize", "optimizer", "model.data"):
        assert "data differ within seed 0" in (refusal(runs, both, [other]) or "")
        assert refusal(runs, both, [other, knob]) is None


def test_what_another_factor_changes_may_differ_between_simple_effects_and_nothing_else_may():
    runs = two_data_sets(model__dropout=[True, False])
    compared = [list(set(group["cell_key"])) for _, group in runs.groupby("data.name")]
    assert refusal(runs, compared, ["model.dropout"]) is None
    crossed = [[one, other] for one, other in zip(*compared, strict=True)]
    assert "hold data.name at one value" in (refusal(runs, crossed, ["model.dropout"]) or "")
    runs["code"] = runs["data.name"]
    assert "versions of the code differ" in (refusal(runs, compared, ["model.dropout"]) or "")
