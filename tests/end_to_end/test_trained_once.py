"""Numbers do not depend on who trains, and what is trained is never trained again."""

import pytest
from commands import (
    MAIN,
    end,
    journals,
    keys_of,
    lines,
    results,
    run,
    start,
    stored,
    stored_by_key,
)

from runner.record import METRICS
from runner.state.root import Root

pytest_plugins = "roots"

SMALL = ("data=digits", "model.hidden_size=16", "train.epochs=2")


# Who trains does not matter.


@pytest.mark.parametrize(
    "words",
    [
        ("hydra/launcher=basic",),
        ("runner.workers=1",),
        ("hydra/launcher=joblib", "hydra.launcher.n_jobs=3"),
        pytest.param(("hydra/launcher=submitit_local", "runner.workers=2"), marks=pytest.mark.long),
    ],
    ids=["basic launcher", "one worker", "joblib's own three workers", "jobs of submitit"],
)
def test_numbers_and_weights_do_not_depend_on_who_trains(main_job, root, words):
    ended = run(root, "-m", *MAIN, "seed=0", "progress=false", *words)
    assert results(root) == results(main_job.root, keys_of(main_job.root, seed=0))
    assert "[1/" not in ended.out, "progress=false is silent"
    assert "4 of 4 runs trained and stored" in ended.out


# What is trained is never trained again.


def test_the_same_command_again_trains_nothing_and_fills_another_store(main_job, new_root):
    root = new_root(state=main_job.root)
    before = journals(root)
    ended = run(root, "-m", *MAIN, "seed=0,1")
    assert "8 of 8 already trained" in ended.out
    assert journals(root) == before
    assert {
        key: stored_run.rows for key, stored_run in stored_by_key(Root(root).database).items()
    } == {
        key: stored_run.rows
        for key, stored_run in stored_by_key(Root(main_job.root).database).items()
    }


@pytest.mark.long
def test_runs_are_shared_by_single_commands_and_sweeps_and_only_new_ones_are_trained(root):
    database = Root(root).database
    run(root, *SMALL, "model.channels=2", "seed=0")
    (single,) = stored(database)
    assert "mlflow.parentRunId" not in single.tags and single.tags["complete"] == "1"
    before = journals(root)

    ended = run(root, "-m", *SMALL, "model.channels=2,3", "seed=0", "hydra/launcher=basic")
    assert "1 of 2 already trained" in ended.out
    assert before.items() <= journals(root).items()
    (first_parent,) = stored(database, "sweep")
    assert {stored_run.tags["mlflow.parentRunId"] for stored_run in stored(database)} == {
        first_parent.id
    }
    assert single.id in {stored_run.id for stored_run in stored(database)}
    before = journals(root)

    ended = run(root, "-m", *SMALL, "model.channels=4,3,2", "seed=0", "hydra/launcher=basic")
    assert "2 of 3 already trained" in ended.out
    assert before.items() <= journals(root).items()
    runs = stored_by_key(database)
    parents = {stored_run.tags["sweep_key"]: stored_run for stored_run in stored(database, "sweep")}
    assert (len(runs), len(parents)) == (3, 2)
    (second_key,) = set(parents) - {first_parent.tags["sweep_key"]}
    for key, stored_run in runs.items():
        shared = key in before
        channels = stored_run.params["model.channels"]
        assert stored_run.tags[f"sweep.{second_key[:8]}"] == f"channels={channels}"
        assert (f"sweep.{first_parent.tags['sweep_key'][:8]}" in stored_run.tags) == shared
        assert stored_run.tags["mlflow.parentRunId"] == (
            first_parent.id if shared else parents[second_key].id
        )

    before = journals(root)
    ended = run(root, *SMALL, "model.channels=4", "seed=0")
    assert "; already trained" in ended.out and "1 of 1 runs trained and stored" in ended.out
    assert ended.out.count("epoch: ") == 2, "its curve is shown again"
    assert journals(root) == before


@pytest.mark.long
def test_two_identical_sweeps_at_once_share_the_work(root):
    # With engine=stock and 5,000 images the second sweep still finds work when it has started.
    small = ("data=mnist5k", "model.hidden_size=16", "train.epochs=4", "engine=stock")
    words = ("-m", *small, "model.channels=2,3", "seed=0,1,2", "runner.workers=1")
    both = [start(root, *words) for _ in range(2)]
    for process in both:
        assert "6 of 6 runs trained and stored" in end(process, 0).out
    starts = lines(root, "start")
    assert [len(attempts) for attempts in starts.values()] == [1] * 6, "each run was trained once"
    assert len({attempts[0]["pid"] for attempts in starts.values()}) == 2, "both trained"
    runs = stored_by_key(Root(root).database)
    assert {stored_run.tags["complete"] for stored_run in runs.values()} == {"1"} and len(runs) == 6
    assert [len(stored_run.rows) for stored_run in runs.values()] == [4 * len(METRICS)] * 6
    assert len(stored(Root(root).database, "sweep")) == 1
