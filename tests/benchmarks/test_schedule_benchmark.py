"""The simulated schedule: what is known of it without simulating."""

import numpy as np
import pytest

from benchmarks import schedule


@pytest.mark.parametrize("way", schedule.WAYS)
def test_equal_runs_on_hosts_that_never_die_take_the_ideal(way):
    random = np.random.default_rng(0)
    assert schedule.makespan(np.full(120, 7.0), 12, way, 0.0, random) == pytest.approx(70.0)


def test_in_turn_the_slowest_cell_decides_where_tasks_are_a_multiple_of_the_cells():
    random = np.random.default_rng(0)
    runs = np.tile(np.arange(1.0, 1 + schedule.N_CELLS), 40)
    took = {
        way: schedule.makespan(runs, schedule.N_CELLS, way, 0.0, random) for way in schedule.WAYS
    }
    assert took["in turn"] == 40 * schedule.N_CELLS
    assert took["shares"] == runs.sum() / schedule.N_CELLS


def test_deaths_cost_what_they_cost_on_average():
    # Each takes the wait, and half of what is between two checkpoints once more.
    random = np.random.default_rng(0)
    taken = schedule.with_deaths(np.full(200_000, 600.0), 0.1, random)
    expected = 600 + 1.0 * (schedule.AGAIN_MIN + schedule.CHECKPOINT_MIN / 2)
    assert taken.mean() == pytest.approx(expected, abs=0.05)
