"""The contrasts that nobody declared."""

import numpy as np
import pytest
from studies import cells, claim, curves, frame, grid

from analysis.decide.beside.exploratory import COLUMNS, exploratory_contrasts
from analysis.design.contrasts import contrasts_of
from analysis.design.within_seed import per_seed, table


def test_all_contrasts_are_looked_at_and_adjusted_together():
    runs = frame(grid(range(5), model__channels=[1, 8, 30], model__dropout=[True, False]))
    rng = np.random.default_rng(2)
    epochs = curves(
        runs, lambda run, e: 0.01 * (run["model.channels"] == 30) + rng.normal(0, 0.001)
    )
    contrasts = exploratory_contrasts(runs, epochs, cells(runs))
    # Three pairs of channels and one of dropout, and three changes, by two metrics.
    assert len(contrasts) == 2 * (3 + 1 + 3) and list(contrasts) == COLUMNS
    assert set(contrasts.loc[contrasts["p_bh"] <= 0.05, "contrast"]) >= {
        "channels=30 minus channels=1"
    }
    assert (contrasts["p_bh"] >= contrasts["p_t"]).all()
    numbers = epochs[epochs["epoch"] == 3].set_index("run_key")["test/accuracy"]
    (contrast,) = contrasts_of(claim(knob="model.channels", levels=[8, 1]), cells(runs))
    assert contrasts.loc[0, "estimate"] == pytest.approx(
        per_seed(table(runs, numbers), contrast.weights).mean()
    )
    assert contrasts.loc[0, "contrast"] == "channels=8 minus channels=1"


def test_what_the_gate_refuses_is_not_looked_at():
    runs = frame(grid(range(3), model__channels=[1, 8, 30]))
    runs.loc[runs.index[-1], "state"] = "failed"
    epochs = curves(runs, lambda run, epoch: run["seed"] * run["model.channels"])
    contrasts = exploratory_contrasts(runs, epochs, cells(runs))
    assert list(contrasts["contrast"].unique()) == ["channels=8 minus channels=1"]
