"""The simulated schedule: what is known of it without simulating."""

from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import schedule
from runner.work.share import dealt


@pytest.mark.parametrize("way", schedule.WAYS)
def test_equal_runs_on_hosts_that_never_die_take_the_ideal(way):
    random = np.random.default_rng(0)
    assert schedule.makespan(np.full(120, 7.0), 12, way, 0.0, random) == pytest.approx(70.0)


def test_shares_are_those_that_tasks_get():
    n_runs, n_tasks = 107, 6
    runs = [
        SimpleNamespace(place=place, cell_key=f"{place % schedule.N_CELLS:02}")
        for place in range(n_runs)
    ]
    rounds = np.array(list(schedule.dealt(n_runs, n_tasks, "shares")))
    simulated = [sorted(set(of_task) - {-1}) for of_task in rounds.T.tolist()]
    assert [[run.place for run in share] for share in dealt(runs, n_tasks)] == sorted(simulated)


def test_deaths_cost_what_they_cost_on_average():
    # Each takes the wait, and half of what is between two checkpoints once more.
    random = np.random.default_rng(0)
    taken = schedule.with_deaths(np.full(200_000, 600.0), 0.1, random)
    expected = 600 + 1.0 * (schedule.AGAIN_MIN + schedule.CHECKPOINT_MIN / 2)
    assert taken.mean() == pytest.approx(expected, abs=0.05)
