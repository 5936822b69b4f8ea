"""The contrasts that nobody declared."""

import numpy as np
import pytest
from studies import cells, claim, curves, frame, grid

from analysis.decide.exploratory import COLUMNS, exploratory_contrasts
from analysis.design.contrasts import contrasts_of, per_seed, table


def test_all_contrasts_are_looked_at_and_adjusted_together():
    runs = frame(grid(range(5), model__channels=[1, 8, 30], model__dropout=[True, False]))
    rng = np.random.default_rng(2)
    epochs = curves(runs, lambda run, e: 0.01 * (run["model.channels"] == 30) + rng.normal(0, 0.001))
    found = exploratory_contrasts(runs, epochs, cells(runs))
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
    found = exploratory_contrasts(runs, curves(runs, lambda run, e: run["seed"] * run["model.channels"]), cells(runs))
    assert list(found["contrast"].unique()) == ["channels=8 minus channels=1"]
