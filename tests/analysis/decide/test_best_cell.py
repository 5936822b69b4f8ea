"""Whether a cell is called the best: only where it is established against each of the others."""

import numpy as np
import studies
from studies import curves, frame, grid

from analysis.decide.beside.best_cell import best_cell
from analysis.design.cells import cells_of_sweep
from analysis.read.sweeps import Look, Planned

CHANNELS = dict(model__channels=[1, 8, 30])


RUNS = {n: frame(grid(range(n), **CHANNELS)) for n in (1, 8)}
EPOCHS = {n: curves(runs, lambda run, epoch: 0.9) for n, runs in RUNS.items()}


def sweep(effect, n=8, sd=0.001, draw=0, state="done", **fields):
    runs, epochs = RUNS[n].copy(), EPOCHS[n].copy()
    runs.loc[runs.index[-1], "state"] = state
    luck = np.random.default_rng(draw).normal(0, sd, len(runs))
    values = 0.9 + 0.01 * runs["seed"] + effect * (runs["model.channels"] == 30) + luck
    for metric in ("test/accuracy", "test/loss"):
        epochs[metric] = values[epochs["run_key"]].to_numpy()
    return studies.sweep(runs, epochs, **fields)


def best(made, metric="test/accuracy"):
    return best_cell(made, cells_of_sweep(made), metric)


def test_a_cell_that_is_above_each_other_in_every_seed_is_the_best():
    assert best(sweep(0.05)) == "channels=30"
    # Of a loss less is better, and so it is the worst.
    assert best(sweep(0.05), "test/loss") is None
    assert best(sweep(-0.05), "test/loss") == "channels=30"


def test_equal_cells_have_a_best_one_in_at_most_one_sweep_of_twenty():
    n_called = sum(best(sweep(0.0, draw=draw)) is not None for draw in range(100))
    assert n_called <= 5


def test_where_nothing_can_be_compared_there_is_no_best_cell():
    assert best(sweep(0.05, n=1)) is None
    assert best(sweep(0.05, state="diverged")) is None
    alone = studies.frame(grid(range(8), model__channels=[1]))
    assert best(studies.sweep(alone, curves(alone, lambda run, epoch: 0.9))) is None


def test_looks_need_more_to_be_sure():
    n_called = {
        fields: sum(
            best(sweep(0.0012, draw=draw, planned=Planned(*fields))) is not None
            for draw in range(20)
        )
        for fields in ((), ((Look(tuple(range(8)), None),), 8))
    }
    assert n_called[()] > n_called[(Look(tuple(range(8)), None),), 8]
