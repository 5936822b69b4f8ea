"""A run that goes on after a stop, or from a checkpoint, gets the bits of an uninterrupted one."""

import copy
import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from short_training import (
    EPOCHS,
    N_QUESTIONS,
    N_STEPS,
    everything,
    go_on,
    weights,
    without_times,
)

from runner.engine.dezero import named_parameters
from runner.engine.protocol import Position
from runner.state.checkpoint import Checkpoints

each_optimizer = pytest.mark.parametrize("optimizer", ["adam", "momentum", "sgd"])


def stops_at(*questions):
    """A should_stop that is true at these calls, counted from 0 over all resumes."""
    asked = iter(range(1000))
    return lambda: next(asked) in questions


@pytest.fixture(scope="module")
def uninterrupted():
    return {}


def result_of(cache, optimizer, new_run, data):
    """The result of an uninterrupted run of the optimizer, trained once an engine."""
    run = new_run(optimizer=optimizer)
    name = (run.engine.name, optimizer)
    if name not in cache:
        cache[name] = without_times(go_on(run, data, Position())), everything(run)
    return cache[name]


@each_optimizer
@pytest.mark.parametrize("question", range(N_QUESTIONS))
def test_going_on_after_a_stop_anywhere_gives_the_bits_of_an_uninterrupted_run(
    question, optimizer, new_run, data, uninterrupted
):
    run, position = new_run(optimizer=optimizer), Position()
    first = go_on(run, data, position, stops_at(question))
    assert position.epoch == 1 + question // (N_STEPS + 2)
    assert position.step == min(question % (N_STEPS + 2), N_STEPS)
    assert len(first) == position.epoch - 1
    records = first + go_on(run, data, position)
    assert (without_times(records), everything(run)) == result_of(
        uninterrupted, optimizer, new_run, data
    )


@each_optimizer
@pytest.mark.parametrize("question", range(N_QUESTIONS))
def test_going_on_from_a_checkpoint_in_a_new_model_gives_the_bits_of_an_uninterrupted_run(
    question, optimizer, new_run, data, uninterrupted, tmp_path
):
    run, position = new_run(optimizer=optimizer), Position()
    records = go_on(run, data, position, stops_at(question))
    arrays = {f"weights/{n}": w for n, w in weights(run).items()}
    arrays |= {f"optimizer/{n}": a for n, a in run.optimizer.state().items()}
    Checkpoints(tmp_path, "key").save(arrays, dataclasses.asdict(position))
    del run, position

    again = new_run(optimizer=optimizer)
    loaded, where = Checkpoints(tmp_path, "key").load()
    for name, parameter in named_parameters(again.model).items():
        parameter.data = loaded.pop(f"weights/{name}")
    again.optimizer.restore({n.removeprefix("optimizer/"): a for n, a in loaded.items()})
    records += go_on(again, data, Position(**where))
    assert (without_times(records), everything(again)) == result_of(
        uninterrupted, optimizer, new_run, data
    )


def test_any_number_of_stops_gives_the_bits_of_an_uninterrupted_run(new_run, data, uninterrupted):
    expected = result_of(uninterrupted, "adam", new_run, data)

    @settings(max_examples=40)
    @given(st.sets(st.integers(0, 2 * N_QUESTIONS)))
    def check(questions):
        run, position, should_stop, records = new_run(), Position(), stops_at(*questions), []
        while position.epoch <= EPOCHS:
            records += go_on(run, data, position, should_stop)
        assert (without_times(records), everything(run)) == expected

    check()


def test_a_forgotten_optimizer_state_is_noticed(new_run, data, uninterrupted):
    # The tests above prove something because the state matters.
    run, position = new_run(), Position()
    records = go_on(run, data, position, stops_at(4))
    again = new_run()
    for name, parameter in named_parameters(again.model).items():
        parameter.data = weights(run)[name]
    records += go_on(again, data, position)
    assert (without_times(records), everything(again)) != result_of(
        uninterrupted, "adam", new_run, data
    )


def test_optimizer_state_is_named_by_parameter_and_put_back_as_a_copy(new_run, data):
    run, other = new_run(), new_run()
    go_on(run, data, Position(), epochs=1)
    arrays = run.optimizer.state()
    assert sorted(arrays) == sorted(
        ["t"] + [f"{s}/{n}" for s in ("ms", "vs") for n in named_parameters(run.model)]
    )
    assert int(arrays["t"]) == N_STEPS
    kept = copy.deepcopy(arrays)
    other.optimizer.restore(arrays)
    go_on(other, data, Position(), epochs=1)
    assert all(np.array_equal(arrays[n], kept[n]) for n in kept)


@pytest.mark.parametrize(
    "engine", ["stock"], indirect=True
)  # the fast engine has all its state from the start
def test_state_of_an_optimizer_that_has_not_stepped_yet_is_empty(new_run):
    for name in ("adam", "momentum", "sgd"):
        assert new_run(optimizer=name).optimizer.state() == {}
