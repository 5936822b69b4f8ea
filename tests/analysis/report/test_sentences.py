"""What is said of a study, word by word."""

import numpy as np
import pytest
import studies
from studies import cells, claim, curves, frame, grid

from analysis.decide.claims import decide
from analysis.decide.multiverse import Multiverse
from analysis.report.sentences import conditions, details


def test_a_level_off_the_straight_line_is_named_and_a_line_is_left_alone():
    def decided(bend):
        runs = frame(grid(range(6), model__hidden_size=[100, 200, 400]))
        noise = np.random.default_rng(1).normal(0, 0.001, size=(6, 3))

        def value(run, epoch):
            place = [100, 200, 400].index(run["model.hidden_size"])
            return 0.9 + 0.01 * place + bend * (place == 1) + noise[run["seed"], place]

        slope = claim(knob="model.hidden_size", slope=True)
        return decide("c", slope, runs, curves(runs, value), cells(runs), 0.05)

    bent, straight = decided(0.03), decided(0.0)
    # Of a bend of 0.03 in the middle of three levels the line takes up a third at each level.
    assert [one.estimate for _, one in bent.misfits] == pytest.approx([-0.01, 0.02, -0.01], abs=0.001)
    (said,) = [line for line in details(bent, Multiverse({"as declared": bent.verdict})) if "straight line" in line]
    assert said.startswith("It is no straight line in log2; off it:") and "at hidden_size=200" in said
    told = details(straight, Multiverse({"as declared": straight.verdict}))
    assert "No level is established to lie off the straight line in log2." in told


def test_the_fixed_values_are_said():
    runs, epochs = studies.with_effect(lambda run: 0.0)
    said = conditions(studies.study(runs, epochs))
    assert "model.channels=30" in said and "optimizer.lr=0.001" in said and "model.dropout=" not in said
