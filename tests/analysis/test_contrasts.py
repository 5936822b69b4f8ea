"""From curves to per-seed differences: the reductions, the cells set against each other, the gate before them."""

import numpy as np
import pandas as pd
import pytest
from oracles import npk
from studies import cells, claim, frame, grid

from analysis.decide.metrics import REDUCERS, reduce
from analysis.design.cells import same
from analysis.design.confounds import moved_together, not_estimable, refusal
from analysis.design.contrasts import KINDS, NotTestable, contrasts_of, per_seed, table
from runner.record import CLAIM_KINDS, REDUCTIONS, Claim, Reduction, parse_reduction

ACCURACIES = [0.90, 0.96, 0.97, 0.95, 0.98]


def curve(values, name="test/accuracy"):
    return pd.DataFrame({"run_key": "a", "epoch": range(1, len(values) + 1), name: values})


# Reductions.


@pytest.mark.parametrize(
    "text, expected",
    [
        ("final(test/accuracy)", 0.98),
        ("last(2, test/accuracy)", (0.95 + 0.98) / 2),
        ("last(99, test/accuracy)", sum(ACCURACIES) / 5),
        ("auc(test/accuracy)", sum(ACCURACIES) / 5),
        ("epochs_to(test/accuracy, 0.97)", 3),
        ("epochs_to(test/accuracy, 0.95)", 2),
    ],
)
def test_a_curve_becomes_the_number_that_the_claim_names(text, expected):
    shuffled = curve(ACCURACIES).sample(frac=1, random_state=0)
    found = reduce(shuffled, parse_reduction(text))
    assert found.loc["a", "value"] == pytest.approx(expected, rel=1e-15)
    assert not found.loc["a", "censored"]
    assert parse_reduction(str(parse_reduction(text))) == parse_reduction(text)


def test_a_threshold_that_is_never_reached_is_censored_at_the_last_epoch():
    assert tuple(reduce(curve(ACCURACIES), parse_reduction("epochs_to(test/accuracy, 0.99)")).loc["a"]) == (5.0, True)


def test_a_loss_reaches_its_threshold_from_above():
    found = reduce(curve([0.5, 0.2, 0.1], "test/loss"), parse_reduction("epochs_to(test/loss, 0.2)"))
    assert tuple(found.loc["a"]) == (2.0, False)


@pytest.mark.parametrize("text", ["final(test/accuracy)", "auc(test/accuracy)", "last(2, test/accuracy)"])
def test_what_is_not_a_number_stays_so(text):
    assert np.isnan(reduce(curve([0.9, 0.95, np.nan]), parse_reduction(text)).loc["a", "value"])


@pytest.mark.parametrize(
    "text",
    ["max(test/accuracy)", "final(test/accuracy, 2)", "last(test/accuracy)", "epochs_to(test/accuracy)", "final"],
)
def test_other_metrics_are_refused(text):
    with pytest.raises(ValueError, match="allowed is final"):
        parse_reduction(text)


def test_every_reduction_that_a_claim_can_name_is_computed_and_any_other_is_refused():
    assert tuple(REDUCERS) == tuple(REDUCTIONS)
    with pytest.raises(ValueError, match="best: allowed is final, last, auc, epochs_to"):
        reduce(curve(ACCURACIES), Reduction("best", "test/accuracy"))


# Which cells are set against which.


def test_a_main_effect_is_the_mean_of_the_simple_effects_within_each_seed():
    runs = frame(grid(model__channels=[1, 30], model__dropout=[True, False]))
    (contrast,) = contrasts_of(claim(), cells(runs))
    assert contrast.label == "dropout=true minus dropout=false"
    assert [simple.at for simple in contrast.simples] == [{"model.channels": 1}, {"model.channels": 30}]
    numbers = table(runs, pd.Series(np.arange(20.0) ** 2, index=runs.index))
    one_true, one_false, thirty_true, thirty_false = (numbers.iloc[:, i].to_numpy() for i in range(4))
    expected = ((one_true - one_false) + (thirty_true - thirty_false)) / 2
    assert np.array_equal(per_seed(numbers, contrast.weights), expected)
    assert np.array_equal(per_seed(numbers, contrast.at_level("model.channels", 30)), thirty_true - thirty_false)


def test_a_claim_can_hold_the_other_knobs():
    runs = frame(grid(model__channels=[1, 30], model__dropout=[True, False]))
    (contrast,) = contrasts_of(claim(at={"model.channels": 30}), cells(runs))
    assert contrast.weights == {"channels=30 dropout=true": 1, "channels=30 dropout=false": -1}


def test_a_winner_is_set_against_every_other_level():
    runs = frame(grid(model__channels=[1, 8, 30]))
    found = contrasts_of(claim(knob="model.channels", winner=30), cells(runs))
    assert [one.label for one in found] == ["channels=30 minus channels=1", "channels=30 minus channels=8"]


def test_a_slope_is_least_squares_on_log2_of_the_knob():
    runs = frame(grid(model__hidden_size=[100, 300, 1000], model__fc_depth=[1, 2]))
    (contrast,) = contrasts_of(claim(knob="model.hidden_size", slope=True), cells(runs))
    rng = np.random.default_rng(0)
    numbers = table(runs, pd.Series(rng.normal(size=len(runs)), index=runs.index))
    expected = [
        np.polyfit(np.log2([100, 300, 1000]), row.to_numpy().reshape(3, 2).mean(axis=1), 1)[0]
        for _, row in numbers.iterrows()
    ]
    assert per_seed(numbers, contrast.weights) == pytest.approx(expected, rel=1e-12)


def test_every_kind_of_claim_has_its_contrasts_and_any_other_is_refused():
    assert tuple(KINDS) == CLAIM_KINDS

    class Newer(Claim):
        kinds = ("median",)

    runs = frame(grid(model__dropout=[True, False]))
    newer = Newer("", "model.dropout", "final(test/accuracy)", "either", 0.0)
    for wrong, given in (
        (newer, "median"),
        (claim(winner=30, slope=True), "winner and slope"),
        (claim(levels=None), "no kind"),
    ):
        with pytest.raises(ValueError, match=f"a claim gives {given}: allowed is one of levels, winner, slope"):
            contrasts_of(wrong, cells(runs))


def test_a_knob_without_effect_does_not_keep_cells_apart():
    rows = [
        {"model.dropout": dropout, "model.dropout_ratio": ratio, "seed": seed}
        for seed in range(3)
        for dropout, ratio in ((True, 0.3), (True, 0.5), (False, 0.3))
    ]
    (contrast,) = contrasts_of(claim(), cells(frame(rows)))
    assert [simple.at["model.dropout_ratio"] for simple in contrast.simples] == [0.3, 0.5]
    assert contrast.weights["dropout=false dropout_ratio=0.3"] == -1


PUBLISHED = {
    "conv1": {"model.channels": 1, "model.hidden_size": 1000, "model.fc_depth": 2, "train.epochs": 20},
    "conv30": {"model.channels": 30, "model.hidden_size": 100, "model.fc_depth": 1, "train.epochs": 50},
}


def test_what_moved_along_is_named_where_several_knobs_moved_at_once():
    runs = frame([knobs | {"seed": seed} for seed in range(5) for knobs in PUBLISHED.values()])
    with pytest.raises(NotTestable, match="several knobs moved at once") as error:
        contrasts_of(claim(knob="model.channels", winner=30), cells(runs))
    for text in ("hidden_size 1000 -> 100", "fc_depth 2 -> 1", "train.epochs 20 -> 50"):
        assert text in str(error.value)


@pytest.mark.parametrize(
    "fields, message",
    [
        (dict(knob="optimizer.lr", levels=[0.1, 0.01]), "optimizer.lr was not varied: it is 0.001 in every run"),
        (dict(knob="model.channels", levels=[8, 1]), "no cell has model.channels=8"),
        (dict(knob="model.channels", levels=[30, 1], at={"model.dropout": 3}), "no cell has .* at model.dropout=3"),
        (
            dict(knob="model.dropout", slope=True),
            "a slope on log2 needs positive numbers; model.dropout has true, false",
        ),
    ],
)
def test_a_contrast_that_the_sweep_does_not_have_is_refused_by_name(fields, message):
    runs = frame(grid(model__channels=[1, 30], model__dropout=[True, False]))
    with pytest.raises(NotTestable, match=message):
        contrasts_of(claim(**fields), cells(runs))


def test_a_cell_that_is_missing_from_the_grid_is_named():
    rows = [row for row in grid(model__channels=[1, 30], model__dropout=[True, False])]
    rows = [row for row in rows if (row["model.channels"], row["model.dropout"]) != (30, False)]
    with pytest.raises(NotTestable, match="nothing differs from channels=30 dropout=true in model.dropout alone"):
        contrasts_of(claim(), cells(frame(rows)))


def test_true_is_not_one_and_one_is_one_point_zero():
    assert same(1, 1.0) and same([1], [1]) and not same(1, True) and not same(False, 0)


# The gate.

AB = ["dropout=true", "dropout=false"]


@pytest.mark.parametrize(
    "change, message",
    [
        ({"state": "failed"}, r"1 of 6 runs failed \(dropout=false seed=2\).*the same command again"),
        (
            {"state": "diverged"},
            r"1 of 6 runs diverged \(dropout=false seed=2\): a mean over the others would hide them$",
        ),
        ({"state": "missing"}, r"1 of 6 runs are missing \(dropout=false seed=2\)"),
        ({"state": "running"}, "1 of 6 runs running"),
        ({"seed": 7}, "not planned with the same seeds"),
        ({"seed": 1}, "a seed is there twice in one cell"),
        ({"first_batch_order.sha256": "other"}, "orders of the batches differ within seed 2"),
        ({"data.sha256": "other"}, "^data differ within seed 2 .*dropout=false seed=2"),
        ({"engine": "stock"}, "engines differ within seed 2"),
        ({"device": "gpu"}, "devices differ within seed 2"),
        ({"git.commit": "other"}, "versions of the code differ within seed 2"),
        ({"version.numpy": "1.26"}, "versions of numpy differ within seed 2"),
    ],
    ids=lambda value: next(iter(value.items())) if isinstance(value, dict) else "",
)
def test_runs_that_cannot_be_compared_are_refused_by_name(change, message):
    rows = grid(seeds=range(3), model__dropout=[True, False])
    assert refusal(frame(rows), AB, "model.dropout") is None
    broken = frame(rows)
    for column, value in change.items():
        broken.loc[broken.index[-1], column] = value
    found = refusal(broken, AB, "model.dropout")
    assert found is not None and pd.Series([found]).str.contains(message).all(), found


def test_what_differs_between_seeds_alone_is_no_confound():
    runs = frame(grid(seeds=range(3), model__dropout=[True, False]))
    runs.loc[runs["seed"] == 2, "git.commit"] = "later"
    assert refusal(runs, AB, "model.dropout") is None


def test_the_claimed_knob_may_change_what_nothing_else_may():
    runs = frame(grid(seeds=range(2), engine__name=["fast", "stock"]))
    runs["engine"] = runs["engine.name"]
    assert refusal(runs, list(set(runs["cell_key"])), "engine.name") is None
    assert "engines differ" in (refusal(runs, list(set(runs["cell_key"])), "model.dropout") or "")


def test_one_seed_says_nothing_about_the_next():
    runs = frame(grid(seeds=[4], model__dropout=[True, False]))
    assert "one seed (4)" in (refusal(runs, AB, "model.dropout") or "")


def test_the_npk_design_gives_away_its_threefold_interaction():
    terms = [("block",), ("N",), ("P",), ("K",), ("N", "P"), ("N", "K"), ("P", "K"), ("N", "P", "K")]
    assert not_estimable(npk()[["block", *"NPK"]], terms) == [("N", "P", "K")]


def test_a_full_grid_tells_every_term_apart_and_the_published_experiments_tell_none():
    full = pd.DataFrame([(a, b) for a in (1, 2, 3) for b in (1, 2)], columns=["a", "b"])
    assert not_estimable(full, [("a",), ("b",), ("a", "b")]) == []
    published = pd.DataFrame(PUBLISHED).T
    terms = [(name,) for name in published]
    assert not_estimable(published, terms) == terms[1:]


def test_a_knob_that_has_no_effect_in_some_cells_is_still_told_apart():
    rows = [("true", 0.3), ("true", 0.5), ("false", None)]
    assert moved_together(pd.DataFrame(rows, columns=["dropout", "ratio"], dtype=object)) == []
    assert moved_together(pd.DataFrame(PUBLISHED).T.astype(object)) == list(PUBLISHED["conv1"])
