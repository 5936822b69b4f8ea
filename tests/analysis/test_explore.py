"""Slopes that are none, and the contrasts that nobody declared."""

import numpy as np
import pytest
from studies import cells, claim, curves, frame, grid

from analysis.decide.claims import decide
from analysis.decide.exploratory import COLUMNS, explore
from analysis.decide.multiverse import Multiverse
from analysis.design.contrasts import contrasts_of, off_the_line, per_seed, table
from analysis.report.sentences import details
from analysis.statistics.intervals import skewed


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


def test_two_levels_are_always_on_a_line():
    runs = frame(grid(range(3), model__hidden_size=[100, 400]))
    (slope,) = contrasts_of(claim(knob="model.hidden_size", slope=True), cells(runs))
    assert off_the_line(slope, [100, 400]) == []


def test_all_contrasts_are_looked_at_and_adjusted_together():
    runs = frame(grid(range(5), model__channels=[1, 8, 30], model__dropout=[True, False]))
    rng = np.random.default_rng(2)
    epochs = curves(runs, lambda run, e: 0.01 * (run["model.channels"] == 30) + rng.normal(0, 0.001))
    found = explore(runs, epochs, cells(runs))
    # Three pairs of channels and one of dropout, and three changes, by two metrics.
    assert len(found) == 2 * (3 + 1 + 3) and list(found) == COLUMNS
    assert set(found.loc[found["p_bh"] <= 0.05, "contrast"]) >= {"channels=30 minus channels=1"}
    assert (found["p_bh"] >= found["p_t"]).all()
    numbers = epochs[epochs["epoch"] == 3].set_index("run_key")["test/accuracy"]
    (one,) = contrasts_of(claim(knob="model.channels", levels=[8, 1]), cells(runs))
    assert found.loc[0, "estimate"] == pytest.approx(per_seed(table(runs, numbers), one.weights).mean())
    assert found.loc[0, "contrast"] == "channels=8 minus channels=1"


def test_what_the_gate_refuses_is_not_looked_at():
    runs = frame(grid(range(3), model__channels=[1, 8, 30]))
    runs.loc[runs.index[-1], "state"] = "failed"
    found = explore(runs, curves(runs, lambda run, e: run["seed"] * run["model.channels"]), cells(runs))
    assert list(found["contrast"].unique()) == ["channels=8 minus channels=1"]


def test_a_skewed_sample_is_told_and_a_symmetric_one_is_not():
    assert skewed(np.array([0.1, 0.0, -0.1, 0.05, -0.05, 0.02, -0.02, 3.0]))
    assert not skewed(np.array([-3.0, -1, -0.5, 0, 0.5, 1, 3.0])) and not skewed(np.full(8, 0.5))
    rng = np.random.default_rng(3)
    # Two standard errors of a normal sample: about one in twenty.
    assert np.mean([skewed(one) for one in rng.normal(size=(2000, 8))]) == pytest.approx(0.05, abs=0.02)
