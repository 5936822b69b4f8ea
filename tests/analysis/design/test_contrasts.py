"""Which cells a claim sets against which, and with which weights."""

import numpy as np
import pandas as pd
import pytest
from oracles import PUBLISHED
from studies import cells, claim, frame, grid

from analysis.design.contrasts import (
    KINDS,
    NotTestable,
    contrasts_of,
    off_the_line,
    per_seed,
    table,
)
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
