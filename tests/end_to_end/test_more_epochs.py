"""A run with more epochs goes on from the end of the one with fewer: with the same bits."""

import dataclasses
from functools import partial

import pytest
from commands import end, environment, run, start, stored
from journaling import append, records_of

from runner.data.catalogue import find
from runner.plan import final_states
from runner.plan import plan as plans
from runner.plan.size import memory
from runner.record import TIMES
from runner.state.root import Root
from runner.state.run_record import read_run

pytest_plugins = "roots"

WORDS = ("data=digits", "model.channels=2", "model.hidden_size=16", "runner.checkpoint_every_s=0")


def of_epochs(root, n_epochs):
    """The record of the only run of a root with so many epochs, and its attempt's folder."""
    found = [(folder, read_run(folder)) for folder in Root(root).runs()]
    ((folder, record),) = [
        (folder, record)
        for folder, record in found
        if record.start.config["train"]["epochs"] == n_epochs
    ]
    return record, folder.attempt(record.attempt)


@pytest.mark.parametrize(
    "how",
    [
        ("optimizer=adam",),
        pytest.param(("optimizer=momentum", "engine=stock"), marks=pytest.mark.long),
        pytest.param(("optimizer=sgd", "optimizer.lr=0.01", "model=mlp"), marks=pytest.mark.long),
    ],
    ids=["adam", "momentum", "sgd"],
)
def test_more_epochs_have_the_bits_that_they_have_from_the_beginning(how, tmp_path, empty_store):
    words = [word for word in WORDS if "channels" not in word or "model=mlp" not in how]
    roots = [tmp_path / "on", tmp_path / "anew"]
    for root in roots:
        root.mkdir()
        Root(root).database.write_bytes(empty_store.read_bytes())
    run(roots[0], *words, *how, "train.epochs=2")
    out = run(roots[0], *words, *how, "train.epochs=5").out
    run(roots[1], *words, *how, "train.epochs=5")
    (record, folder), (anew, folder_anew) = (of_epochs(root, 5) for root in roots)
    before, _ = of_epochs(roots[0], 2)
    assert record.setup.goes_on_from_epoch == 3 and anew.setup.goes_on_from_epoch == 1
    assert record.setup.taken_from == before.start.run_key
    for number in range(1, 6):
        ours, theirs = (r.epochs[number].metrics for r in (record, anew))
        assert {n: v for n, v in ours.items() if n not in TIMES} == {
            n: v for n, v in theirs.items() if n not in TIMES
        }
    assert record.epochs[2] == before.epochs[2], "with the time at which it was trained"
    for file, other in zip(folder.results[1:], folder_anew.results[1:], strict=True):
        assert file.read_bytes() == other.read_bytes(), file.name
    assert out.count("epoch: ") == 5, "all of them are shown"
    assert "; goes on after 2 epochs that a run with fewer trained" in out
    # MLflow has all epochs, and says whose the first ones are.
    told = {run.tags["run_key"]: run for run in stored(Root(roots[0]).database)}
    stored_run = told[record.start.run_key]
    assert stored_run.tags["epochs.taken_from"] == before.start.run_key
    assert {step for _, step, *_ in stored_run.rows} == set(range(1, 6))


@pytest.fixture
def two_epochs(tmp_path, empty_store):
    root = tmp_path / "root"
    root.mkdir()
    Root(root).database.write_bytes(empty_store.read_bytes())
    run(root, *WORDS, "train.epochs=2")
    return root


def test_a_sweep_says_what_goes_on_and_what_is_kept(two_epochs):
    words = ("-m", *WORDS, "train.epochs=4", "seed=0,1")
    out = run(two_epochs, *words, "plan=true").out
    assert "1 go on from 2 epochs that a run with fewer trained" in out
    assert "final states are kept, 0 MB: more epochs go on from them (runner.keep)" in out
    out = run(two_epochs, *words, "plan=true", "runner.keep=never").out
    assert "final states" not in out


@pytest.mark.long
def test_who_keeps_none_has_none(two_epochs):
    run(two_epochs, *WORDS, "train.epochs=3", "runner.keep=never")
    record, folder = of_epochs(two_epochs, 3)
    assert record.setup.goes_on_from_epoch == 3
    assert not folder.final_state(3).exists()
    assert Root(two_epochs).kept_epochs() == {2}


def test_a_damaged_final_state_is_told_and_not_used(two_epochs):
    _, folder = of_epochs(two_epochs, 2)
    content = bytearray(folder.final_state(2).read_bytes())
    content[len(content) // 2] ^= 1
    folder.final_state(2).write_bytes(content)
    err = run(two_epochs, *WORDS, "train.epochs=3").err
    record, _ = of_epochs(two_epochs, 3)
    assert record.setup.goes_on_from_epoch == 1 and record.setup.taken_from is None
    assert "the final state of" in err and "could not be used" in err


@pytest.mark.long
def test_a_run_that_is_killed_after_it_took_epochs_over_has_them_once(two_epochs, tmp_path):
    env = environment(RUNNER_KILL_AT="after_journal", RUNNER_KILL_ONCE=str(tmp_path / "once"))
    words = ("-m", *WORDS, "train.epochs=5", "seed=0")
    end(start(two_epochs, *words, env=env), 1)
    run(two_epochs, *words)
    record, _ = of_epochs(two_epochs, 5)
    assert record.trained and not record.is_mixed and not record.damages
    assert sorted(record.epochs) == [1, 2, 3, 4, 5]


@pytest.mark.long
def test_another_processor_takes_no_epochs_over(two_epochs):
    record, folder = of_epochs(two_epochs, 2)
    assert record.start.processor in folder.journal.read_text()
    first, *others = records_of(folder)
    folder.journal.unlink()
    append(folder, dataclasses.replace(first, processor="of another family"), *others)
    run(two_epochs, *WORDS, "train.epochs=3")
    later, _ = of_epochs(two_epochs, 3)
    assert later.setup.goes_on_from_epoch == 1


def test_auto_keeps_what_stays_small(two_epochs, monkeypatch):
    (plan,) = [plans.read(folder.plan) for folder in Root(two_epochs).sweeps()]
    _, folder = of_epochs(two_epochs, 2)
    size = memory.final_state(plan.runs[0].config, find("digits"))
    assert find("digits").image_shape == (1, 8, 8)
    # conv 2x(9+1), hidden 16x(2x16+1), last 10x17 numbers; weights and Adam's two moments, 4 bytes.
    assert size == 4 * 3 * (2 * 10 + 16 * 33 + 10 * 17)
    assert size < folder.final_state(2).stat().st_size < size + 10_000  # names, and a header each
    asked = dataclasses.replace(plan, runs=[_kept(run, "auto") for run in plan.runs])
    resolved = partial(
        final_states.resolved,
        size=lambda run: memory.final_state(run.config, find(run.data_name)),
    )
    decided, total = resolved(asked)
    assert total == size and decided.runs[0].config.runner.keep == "always"
    monkeypatch.setattr(final_states, "MOST_BYTES", size - 1)
    assert resolved(asked)[0].runs[0].config.runner.keep == "never"
    always = dataclasses.replace(plan, runs=[_kept(run, "always") for run in plan.runs])
    assert resolved(always)[0].runs[0].config.runner.keep == "always"


def _kept(run, how):
    runner = dataclasses.replace(run.config.runner, keep=how)
    return dataclasses.replace(run, config=dataclasses.replace(run.config, runner=runner))
