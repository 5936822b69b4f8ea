"""Which cells a claim sets against which, and with which weights."""

import numpy as np
import pandas as pd
import pytest
from oracles import PUBLISHED
from studies import FIXED, cells, claim, frame, grid

from analysis.design.cells import cells_of
from analysis.design.contrasts import KINDS, NotTestable, contrasts_of, off_the_line
from analysis.design.within_seed import per_seed, table
from runner.record import CLAIM_KINDS, Claim


def test_a_main_effect_is_the_mean_of_the_simple_effects_within_each_seed():
    runs = frame(grid(model__channels=[1, 30], model__dropout=[True, False]))
    (contrast,) = contrasts_of(claim(), cells(runs))
    assert contrast.label == "dropout=true minus dropout=false"
    assert [simple.at for simple in contrast.simples] == [
        {"model.channels": 1},
        {"model.channels": 30},
    ]
    numbers = table(runs, pd.Series(np.arange(20.0) ** 2, index=runs.index))
    one_true, one_false, thirty_true, thirty_false = (
        numbers.iloc[:, i].to_numpy() for i in range(4)
    )
    expected = ((one_true - one_false) + (thirty_true - thirty_false)) / 2
    assert np.array_equal(per_seed(numbers, contrast.weights), expected)
    assert np.array_equal(
        per_seed(numbers, contrast.at_level("model.channels", 30)), thirty_true - thirty_false
    )


def test_a_claim_can_hold_the_other_knobs():
    runs = frame(grid(model__channels=[1, 30], model__dropout=[True, False]))
    (contrast,) = contrasts_of(claim(at={"model.channels": 30}), cells(runs))
    assert contrast.weights == {"channels=30 dropout=true": 1, "channels=30 dropout=false": -1}


def test_a_winner_is_set_against_every_other_level():
    runs = frame(grid(model__channels=[1, 8, 30]))
    contrasts = contrasts_of(claim(knob="model.channels", winner=30), cells(runs))
    labels = [contrast.label for contrast in contrasts]
    assert labels == ["channels=30 minus channels=1", "channels=30 minus channels=8"]


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


def test_two_levels_are_always_on_a_line():
    runs = frame(grid(range(3), model__hidden_size=[100, 400]))
    (slope,) = contrasts_of(claim(knob="model.hidden_size", slope=True), cells(runs))
    assert off_the_line(slope, [100, 400]) == []


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
        with pytest.raises(
            ValueError, match=f"a claim gives {given}: allowed is one of levels, winner, slope"
        ):
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


def test_what_moved_along_is_named_where_several_knobs_moved_at_once():
    runs = frame([knobs | {"seed": seed} for seed in range(5) for knobs in PUBLISHED.values()])
    with pytest.raises(NotTestable, match="several knobs moved at once") as error:
        contrasts_of(claim(knob="model.channels", winner=30), cells(runs))
    for text in ("hidden_size 1000 -> 100", "fc_depth 2 -> 1", "train.epochs 20 -> 50"):
        assert text in str(error.value)


@pytest.mark.parametrize(
    "fields, message",
    [
        (
            dict(knob="optimizer.lr", levels=[0.1, 0.01]),
            "optimizer.lr was not varied: it is 0.001 in every run",
        ),
        (
            dict(knob="model.width", levels=[8, 4]),
            "no run depends on a knob model.width; what was varied is model.channels, model.drop",
        ),
        (
            dict(knob="optimizer.momentum", levels=[0.5, 0.9]),
            "optimizer.momentum has no effect in any cell; what was varied is",
        ),
        (dict(knob="model.channels", levels=[8, 1]), "no cell has model.channels=8"),
        (
            dict(knob="model.channels", levels=[30, 1], at={"model.dropout": 3}),
            "no cell has .* at model.dropout=3",
        ),
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
    with pytest.raises(
        NotTestable, match="no cell differs from channels=30 dropout=true in model.dropout alone"
    ):
        contrasts_of(claim(), cells(frame(rows)))


CNN = {"model": "cnn", "model.kind": "cnn"}
MLP = {"model": "mlp", "model.kind": "mlp"}


def test_a_group_and_a_knob_swept_beside_it_are_both_factors_of_a_full_grid():
    runs = frame(grid(model=[CNN, MLP], model__hidden_size=[16, 32]))
    numbers = table(runs, pd.Series(np.arange(20.0) ** 2, index=runs.index))
    cnn_16, cnn_32, mlp_16, mlp_32 = (numbers.iloc[:, i].to_numpy() for i in range(4))
    for fields, expected in (
        (dict(knob="model", levels=["mlp", "cnn"]), mlp_16 + mlp_32 - cnn_16 - cnn_32),
        (dict(knob="model.hidden_size", levels=[32, 16]), cnn_32 + mlp_32 - cnn_16 - mlp_16),
    ):
        (contrast,) = contrasts_of(claim(**fields), cells(runs))
        assert np.array_equal(per_seed(numbers, contrast.weights), expected / 2)


def test_a_knob_of_one_level_of_a_group_is_compared_there_and_the_group_at_each_of_its_levels():
    rows = [row for row in grid(model=[CNN, MLP], model__channels=[1, 30])]
    runs = frame([row for row in rows if (row["model"], row["model.channels"]) != ("mlp", 30)])
    (of_model,) = contrasts_of(claim(knob="model", levels=["mlp", "cnn"]), cells(runs))
    assert [simple.at for simple in of_model.simples] == [
        {"model.channels": 1},
        {"model.channels": 30},
    ]
    (of_channels,) = contrasts_of(claim(knob="model.channels", winner=30), cells(runs))
    assert [simple.at for simple in of_channels.simples] == [{"model": "cnn"}]


def test_a_preset_is_compared_and_what_moves_with_it_is_not():
    presets = [knobs | {"preset": name} for name, knobs in PUBLISHED.items()]
    found = cells(frame(grid(preset=presets)))
    (contrast,) = contrasts_of(claim(knob="preset", levels=["conv30", "conv1"]), found)
    assert contrast.label == "preset=conv30 minus preset=conv1"
    assert contrast.simples[0].at == {} and list(contrast.weights.values()) == [1, -1]
    with pytest.raises(
        NotTestable, match="several knobs moved at once.*model.hidden_size 1000 -> 100"
    ):
        contrasts_of(claim(knob="model.channels", winner=30), found)


def test_null_is_a_level_like_any_other():
    runs = frame(grid(model__blocks=[None, [[16, 16]]], model__dropout=[True, False]))
    (contrast,) = contrasts_of(claim(), cells(runs))
    assert [simple.at["model.blocks"] for simple in contrast.simples] == [None, [[16, 16]]]
    (contrast,) = contrasts_of(claim(knob="model.blocks", levels=[[[16, 16]], None]), cells(runs))
    assert contrast.label == "blocks=[[16,16]] minus blocks=null" and len(contrast.simples) == 2


def test_two_levels_of_a_group_with_one_configuration_are_named():
    runs = frame(grid(model=[CNN]))
    found = cells_of(runs, FIXED, {"model": ["cnn", "same"]})
    with pytest.raises(
        NotTestable, match="model=same is the same configuration as model=cnn: nothing moves"
    ):
        contrasts_of(claim(knob="model", levels=["same", "cnn"]), found)
