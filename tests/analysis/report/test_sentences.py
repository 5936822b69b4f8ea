"""What is said of a study, word by word."""

import numpy as np
import pytest
import studies
from studies import cells, claim, curves, frame, grid

from analysis.decide.beside.multiverse import Multiverse
from analysis.decide.claims import decide
from analysis.read.sweeps import Knob
from analysis.report.sentences import details
from analysis.report.words.of_sweep import conditions


def test_a_level_off_the_straight_line_is_named_and_a_line_is_left_alone():
    def decided(bend):
        runs = frame(grid(range(6), model__hidden_size=[100, 200, 400]))
        noise = np.random.default_rng(1).normal(0, 0.001, size=(6, 3))

        def value(run, epoch):
            place = [100, 200, 400].index(run["model.hidden_size"])
            return 0.9 + 0.01 * place + bend * (place == 1) + noise[run["seed"], place]

        slope = claim(knob="model.hidden_size", slope=True)
        return decide(slope, runs, curves(runs, value), cells(runs), 0.05)

    bent, straight = decided(0.03), decided(0.0)
    # Of a bend of 0.03 in the middle of three levels the line takes up a third at each level.
    assert [misfit.estimate for _, misfit in bent.misfits] == pytest.approx(
        [-0.01, 0.02, -0.01], abs=0.001
    )
    (said,) = [
        line
        for line in details(bent, Multiverse({"as declared": bent.verdict}))
        if "straight line" in line
    ]
    assert (
        said.startswith("The levels do not lie on a straight line in log2; off it: ")
        and "at hidden_size=200" in said
    )
    printed = details(straight, Multiverse({"as declared": straight.verdict}))
    assert "No level is established to lie off the straight line in log2." in printed


def under(**knobs):
    """The fixed values of a sweep of these knobs, as they are said."""
    runs = frame(grid(range(2), **knobs))
    return conditions(studies.study(runs, curves(runs, lambda run, epoch: 0.9))).split(", ")


@pytest.mark.parametrize(
    "knobs, idle",
    [
        ({"model__dropout": [False], "model__channels": [1, 2]}, ["model.dropout_ratio"]),
        ({"model__kind": ["mlp"], "optimizer__lr": [0.1, 0.2]}, ["model.channels", "model.blocks"]),
        (
            {"model__fc_depth": [0], "optimizer__lr": [0.1, 0.2]},
            ["model.hidden_size", "model.dropout"],
        ),
        ({"model__blocks": [[[2]], [[4]]]}, ["model.channels"]),
    ],
)
def test_a_knob_that_changes_nothing_in_any_run_is_not_shown_as_one_that_held(knobs, idle):
    said = [text.partition("=")[0] for text in under(**knobs)]
    assert "train.epochs" in said and not set(said) & set(idle)


def test_a_knob_that_changes_nothing_in_some_cells_is_shown_with_their_number():
    said = under(model__dropout=[True, False], model__channels=[1, 2, 3])
    assert (
        "model.dropout_ratio=0.5 (without effect in 3 of 6 cells)" in said
        and "model.hidden_size=100" in said
    )
    assert "model.channels=30 (without effect in 1 of 2 cells)" in under(model__kind=["cnn", "mlp"])
    assert "model.hidden_size=100 (without effect in 1 of 3 cells)" in under(
        model__fc_depth=[0, 1, 2]
    )


def test_the_fixed_values_are_said_in_the_order_that_was_recorded_with_the_sweep():
    runs, epochs = studies.with_effect(lambda run: 0.0)
    shown = {"train.epochs": True, "model.channels": False, "data.name": True}
    said = conditions(
        studies.study(runs, epochs, knobs=[Knob(name, True, shown[name]) for name in shown])
    )
    assert said == "train.epochs=3, data.name=mnist"


def test_the_fixed_values_are_said():
    runs, epochs = studies.with_effect(lambda run: 0.0)
    said = conditions(studies.study(runs, epochs))
    assert (
        "model.channels=30" in said
        and "optimizer.lr=0.001" in said
        and "model.dropout=" not in said
    )
