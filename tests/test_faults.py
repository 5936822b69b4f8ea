"""Runs that hang, exit, or run out of memory; disks that are full; stores that are locked: each costs itself alone."""

import sys
from pathlib import Path

import pytest
from commands import environment, lines, run, stored

from runner import store

pytest_plugins = "roots"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="signals, limits and /proc as Linux has them")

SMALL = ("data=digits", "model.channels=2", "model.hidden_size=16", "train.epochs=2")
FAULTY = str(Path(__file__).with_name("faulty"))


def faulty(**by_seed):
    """The environment in which these seeds misbehave."""
    faults = " ".join(f"{seed.removeprefix('seed')}:{fault}" for seed, fault in by_seed.items())
    return environment(PYTHONPATH=FAULTY, FAULTS=faults)


def causes(root):
    """Seed -> how its run ended last, and why."""
    starts, ends = lines(root, "start"), lines(root, "end")
    return {
        starts[key][-1]["config"]["seed"]: (found[-1]["status"], found[-1]["cause"])
        for key, found in ends.items()
        if found
    }


def test_every_way_for_a_run_to_go_wrong_costs_that_run_alone_and_is_told_by_its_cause(root):
    seeds = "seed=0,1,2,3,4,5,6,7,8"
    env = faulty(
        seed1="hang", seed2="sys.exit=0", seed3="sys.exit=3", seed4="os._exit", seed5="MemoryError",
        seed6="OutOfMemoryError", seed8="hang_in_C",
    )  # fmt: skip
    ended = run(root, "-m", *SMALL, seeds, "runner.workers=2", "runner.time_limit_s=2", code=1, env=env)
    found = causes(root)
    late = "timed out: not at its end within 2 s (runner.time_limit_s)"
    assert {seed: status for seed, (status, _) in found.items()} == {
        seed: "done" if seed in (0, 7) else "failed" for seed in range(9)
    }
    told = {seed: cause for seed, (_, cause) in found.items()}
    assert told[1] == told[8] == late
    assert (told[2], told[3]) == ("SystemExit: 0", "SystemExit: 3")
    assert told[4].startswith("its worker died (process ")
    assert (told[5], told[6]) == ("out of memory (asked for 5 TB)", "out of memory (asked for 80 GB of 78)")
    assert "7 of 9 runs failed, the others are stored; try again with: python -m runner -m" in ended.err
    for seed, cause in told.items():
        assert cause is None or f"seed={seed}: {cause}" in ended.err
    by_seed = {one.tags["seed"]: one for one in stored(store.database(root))}
    assert {seed for seed, one in by_seed.items() if one.status == "FINISHED"} == {"0", "7"}
    assert "RUNNING" not in {one.status for one in by_seed.values()}
    assert by_seed["1"].tags["cause"] == late and "complete" not in by_seed["2"].tags

    again = run(root, "-m", *SMALL, seeds, "runner.workers=2")
    assert "2 of 9 already trained" in again.out and "9 of 9 runs trained and stored" in again.out


def test_the_first_failure_stops_a_sweep_that_is_told_to_fail_fast(root):
    words = ("-m", *SMALL, "seed=0,1,2,3", "hydra/launcher=basic", "runner.fail_fast=true")
    ended = run(root, *words, code=1, env=faulty(seed1="exception"))
    assert "1 of 4 runs failed, which stopped the sweep (runner.fail_fast); 1 are trained; go on with" in ended.err
    assert set(causes(root)) == {0, 1} and causes(root)[1] == ("failed", "ValueError: the model's own fault")
    assert "4 of 4 runs trained" in run(root, *words).out
