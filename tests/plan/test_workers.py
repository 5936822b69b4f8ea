"""How many workers fit: counted together, lowered where the number is automatic, else refused."""

from dataclasses import replace
from functools import partial

import pytest
from configs import configured

from runner.errors import ConfigError
from runner.plan.planned import planned_run
from runner.plan.size import workers
from runner.plan.size.memory import Need
from runner.system import limits

GIB = 2**30
#: What a run needs: its seed, in GiB.
that_fit = partial(workers.that_fit, need=lambda run: Need(run.config.seed * GIB, GIB // 2, GIB))


@pytest.fixture
def machine(monkeypatch):
    """Sets the free memory and the limit on addresses."""

    def of(free, addresses=None):
        monkeypatch.setattr(limits, "free_memory", lambda: int(free * GIB))
        monkeypatch.setattr(limits, "address_space", lambda: addresses)
        monkeypatch.setattr(workers, "_COMMAND", 0)

    return of


def runs(*seeds, device="cpu"):
    made = [configured(seed=seed) for seed in seeds]
    return [planned_run(config, {}, "digits", "ab" * 32, device) for config in made]


def test_two_workers_that_fit_one_by_one_and_not_together_are_refused(machine):
    machine(free=23.5)
    allowed = (
        "runner.workers=2: the 2 largest runs need together about 40.5 GiB, and 23.5 GiB is free"
    )
    with pytest.raises(ConfigError, match=f"{allowed}; 1 fit: runner.workers=1"):
        that_fit(2, True, runs(20, 20))
    assert that_fit(1, True, runs(20, 20)) == (1, [])


def test_the_largest_runs_count_wherever_they_are_in_the_plan(machine):
    machine(free=20)
    with pytest.raises(ConfigError, match="the 3 largest runs need together about 21.5 GiB"):
        that_fit(3, True, runs(1, 10, 1, 1, 10, 1))
    assert that_fit(3, True, runs(1, 10, 1, 1, 1, 1)) == (3, [])


def test_an_automatic_number_is_lowered_and_told_in_one_line(machine):
    machine(free=25)
    n, told = that_fit(4, False, runs(10, 10, 10, 10, 10))
    assert n == 2
    assert told == [
        "2 of 4 workers are started: the 4 largest runs need together about 40.5 GiB, and 25.0 GiB"
        " is free"
    ]


def test_no_more_workers_count_than_there_are_runs(machine):
    machine(free=11)
    assert that_fit(64, True, runs(10)) == (64, [])
    assert that_fit(64, True, []) == (64, [])


@pytest.mark.parametrize("is_asked", [True, False])
def test_a_run_that_does_not_fit_alone_is_refused_whoever_set_the_number(machine, is_asked):
    machine(free=8)
    with pytest.raises(ConfigError, match="seed=9: training it needs about 9.5 GiB, and 8.0 GiB"):
        that_fit(2, is_asked, runs(1, 9))


def test_the_commands_own_memory_counts(machine, monkeypatch):
    machine(free=2)
    assert that_fit(1, True, runs(1)) == (1, [])
    monkeypatch.setattr(workers, "_COMMAND", GIB)
    with pytest.raises(ConfigError, match="needs about 2.5 GiB"):
        that_fit(1, True, runs(1))


def test_workers_on_cards_are_not_counted(machine):
    machine(free=11)
    assert that_fit(4, True, runs(10, 10, 10, device="gpu")) == (4, [])


def test_a_run_whose_need_is_not_known_is_not_refused(machine):
    machine(free=8)
    assert workers.that_fit(2, True, runs(9, 9), lambda run: None) == (2, [])


def test_what_may_be_smaller_are_the_batch_and_the_models_own_sizes(machine):
    machine(free=1)
    lower = "lower train.batch_size or model.hidden_size or model.fc_depth$"
    with pytest.raises(ConfigError, match=lower):
        that_fit(1, True, [replace(run, config=configured(model="mlp", seed=9)) for run in runs(9)])


def test_ulimit_is_named_and_counts_for_each_process_alone(machine):
    machine(free=100, addresses=5 * GIB)
    assert that_fit(3, True, runs(3, 3, 3)) == (3, [])
    with pytest.raises(
        ConfigError, match=r"needs about 5.5 GiB of addresses, and ulimit -v 5242880"
    ):
        that_fit(3, True, runs(1, 4))
