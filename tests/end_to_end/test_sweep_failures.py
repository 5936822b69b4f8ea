"""What goes wrong in one run stays there, and what is refused leaves nothing."""

import re
import shutil

import pytest
from commands import (
    EPOCHS,
    MAIN,
    attempt_of,
    cells_table,
    end,
    environment,
    free_port,
    journals,
    keys_of,
    lines,
    listing,
    recorded_end,
    results,
    run,
    start,
    stored,
    stored_by_key,
    sync,
)
from places import FAULTY

from runner.record import METRICS
from runner.state.root import Root
from runner.state.run_record import read_run

pytest_plugins = "roots"

SMALL = ("data=digits", "model.hidden_size=16", "train.epochs=2")


# What goes wrong in one run stays there.


def test_a_run_that_fails_is_recorded_and_the_others_finish(main_job, root):
    keys = keys_of(main_job.root, seed=0)
    faults = environment(PYTHONPATH=FAULTY, FAULTS=f"{keys[1]}:exception")
    ended = run(root, "-m", *MAIN, "seed=0", "hydra/launcher=basic", code=1, env=faults)
    assert "failed: channels=1 dropout=false seed=0: ValueError: the model's own" in ended.err
    told = "1 of 4 runs failed, the others are stored; try again with: python -m runner -m "
    assert told in ended.err and " hydra/launcher=basic " in ended.err.partition(told)[2]
    assert {key: records[-1]["status"] for key, records in lines(root, "end").items()} == {
        key: "failed" if key == keys[1] else "done" for key in keys
    }
    assert "ValueError: the model's" in attempt_of(root, keys[1]).error.read_text()
    stored_run = stored_by_key(Root(root).database)[keys[1]]
    assert recorded_end(stored_run) == ("FAILED", "failed", None)
    assert stored_run.tags["cause"].startswith("ValueError")
    assert stored_run.params["model.channels"] == "1"

    before = journals(root)
    ended = run(root, "-m", *MAIN, "seed=0", "hydra/launcher=basic")
    assert "3 of 4 already trained" in ended.out
    assert [key for key, records in journals(root).items() if records != before[key]] == [keys[1]]
    assert results(root, keys)[keys[1]][1] == results(main_job.root, keys)[keys[1]][1]
    stored_run = stored_by_key(Root(root).database)[keys[1]]
    assert recorded_end(stored_run) == ("FINISHED", "done", "1")
    assert len(stored_run.rows) == EPOCHS * len(METRICS)


@pytest.mark.long
def test_a_damaged_journal_is_named_and_its_run_is_trained_anew_to_the_same_numbers(
    main_job, new_root
):
    root = new_root(state=main_job.root)
    key = keys_of(main_job.root, seed=0)[2]
    journal = attempt_of(root, key).journal
    content = journal.read_bytes()
    journal.write_bytes(content.replace(b'"test/accuracy": 0.', b'"test/accuracy": 1.', 1))
    ended = run(root, "-m", *MAIN, "seed=0")
    assert "3 of 4 already trained" in ended.out
    named = f"channels=3 dropout=true seed=0: {journal}: line 3 is damaged (its checksum"
    assert named in ended.err
    assert attempt_of(root, key).journal != journal
    assert results(root, [key]) == results(main_job.root, [key])
    stored_run = stored_by_key(Root(root).database)[key]
    assert {at for _, _, _, at in stored_run.rows} == {
        epoch.time_ms for epoch in read_run(Root(root).run(key)).epochs.values()
    }
    sync(root)
    assert "8 runs looked at" in sync(root, "--verify").stdout
    assert "4 of 4 already trained" in run(root, "-m", *MAIN, "seed=0").out


@pytest.mark.parametrize("place", [".", "attempts"])
def test_a_file_in_the_place_of_a_runs_folder_is_named_and_costs_no_other_run(
    place, main_job, new_root
):
    root = new_root(state=main_job.root)
    key = keys_of(main_job.root, seed=0)[2]
    in_the_way = root / "state" / key / place
    shutil.rmtree(in_the_way)
    in_the_way.write_bytes(b"in the way")
    ended = run(root, "-m", *MAIN, "seed=0", code=1)
    attempts = root / "state" / key / "attempts"
    assert f"{attempts}: Not a directory; move it away" in ended.err
    assert "3 of 4 already trained" in ended.out and in_the_way.read_bytes() == b"in the way"


def test_a_diverged_run_is_a_result_that_is_counted_and_not_averaged(root):
    words = (
        "-m",
        *SMALL,
        "optimizer=sgd",
        "optimizer.lr=0.01,100",
        "optimizer.weight_decay=1",
        "seed=0,1",
    )
    ended = run(root, *words, "hydra/launcher=basic")
    assert ended.err == ""
    small, large = cells_table(ended.out)
    assert (small["lr"], small["n"], small["diverged"]) == ("0.01", "2", "0")
    assert (large["lr"], large["n"], large["diverged"]) == ("100.0", "0", "2")
    assert "failed" not in small, "a column of runs that failed only where there are any"
    assert set(large.values()) == {"100.0", "0", "2", "-"}
    diverged = [
        stored_run
        for stored_run in stored(Root(root).database)
        if stored_run.params["optimizer.lr"] == "100.0"
    ]
    for stored_run in diverged:
        assert recorded_end(stored_run) == ("FAILED", "diverged", "1")
        assert re.fullmatch(r"loss (nan|inf) at epoch \d, batch \d+", stored_run.tags["cause"])
    assert len(diverged) == 2
    before = journals(root)
    assert "4 of 4 already trained" in run(root, *words).out
    assert journals(root) == before


# What is refused leaves nothing.


@pytest.mark.parametrize("words", [("-m", "seed=0,1"), ("seed=0",)], ids=["sweep", "single run"])
def test_a_server_that_does_not_answer_is_refused_in_seconds_and_nothing_is_left(tmp_path, words):
    root = tmp_path / "root"
    ended = end(
        start(root, *words, *SMALL, f"tracking.uri=http://me:secret@127.0.0.1:{free_port()}"),
        2,
        timeout=15,
    )
    assert ended.err.count("\n") == 1 and "cannot be reached" in ended.err
    assert "secret" not in ended.err + ended.out
    assert listing(tmp_path) == {}


@pytest.mark.parametrize("words", [("-m", "seed=0,1"), ("seed=0",)], ids=["sweep", "single run"])
def test_a_file_that_is_no_store_is_refused_and_left_alone(tmp_path, words):
    root = tmp_path / "root"
    root.mkdir()
    Root(root).database.write_bytes(b"notes, not a database\n" * 50)
    before = listing(tmp_path)
    assert (
        f"not a usable MLflow store: {Root(root).database}" in run(root, *words, *SMALL, code=2).err
    )
    assert listing(tmp_path) == before
