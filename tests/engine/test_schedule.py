"""The learning rate of each step, in closed form, and in training on either engine."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from short_training import (
    EPOCHS,
    N_QUESTIONS,
    N_STEPS,
    assembled,
    everything,
    go_on,
    resume,
    save,
    without_times,
)

from runner.engine.dezero import dezero
from runner.engine.protocol import Position
from runner.engine.recipe import Recipe
from runner.engine.update.schedule import depends_on_n_epochs, rate
from runner.state.checkpoint import Checkpoints
from runner.train import fewer_epochs

# Steps an epoch, and epochs.
SIZES = 4, 6
STEP = {"kind": "step", "at": [2, 5], "factor": 0.5}
COSINE = {"kind": "cosine"}


def rates(schedule, lr=0.8):
    return [rate(schedule, lr, n, *SIZES) for n in range(1, math.prod(SIZES) + 1)]


# =============================================================================
# Closed forms
# =============================================================================
def test_without_a_schedule_the_rate_stays():
    assert rates(None) == [0.8] * 24


def test_a_step_schedule_multiplies_after_each_of_its_epochs():
    assert rates(STEP) == [0.8] * 8 + [0.4] * 12 + [0.2] * 4
    assert rates(STEP | {"at": [6]}) == [0.8] * 24, "the last epoch is still at the rate before it"


def test_a_cosine_starts_at_the_rate_is_half_in_the_middle_and_would_be_zero_after_the_end():
    found = rates(COSINE)
    assert found[0] == 0.8 and found[12] == pytest.approx(0.4, rel=1e-15)
    assert found == sorted(found, reverse=True) and 0 < found[-1] < 0.004
    assert rate(COSINE, 0.8, 25, *SIZES) == 0
    # A half cosine is odd about its middle.
    for i in range(1, 24):
        assert found[i] + rate(COSINE, 0.8, 25 - i, *SIZES) == pytest.approx(0.8, rel=1e-15)


def test_a_warm_up_goes_straight_from_zero_to_the_rate():
    found = rates({"warmup_epochs": 2})
    assert found == pytest.approx([0.8 * n / 8 for n in range(1, 9)] + [0.8] * 16, rel=1e-15)
    assert found[7] == 0.8
    assert rates({"warmup_epochs": 0}) == [0.8] * 24
    assert rates({"warmup_epochs": 0.25})[0] == 0.8
    assert rates({"warmup_epochs": 12})[-1] == 0.4, "longer than the run"


def test_after_a_warm_up_a_cosine_has_the_rest_and_a_step_keeps_its_epochs():
    found = rates(COSINE | {"warmup_epochs": 2})
    assert found[:8] == rates({"warmup_epochs": 2})[:8]
    assert found[8:] == [rate(COSINE, 0.8, n, 4, 4) for n in range(1, 17)]
    assert rates(COSINE | {"warmup_epochs": 6}) == rates({"warmup_epochs": 6})
    assert rates(STEP | {"warmup_epochs": 1})[4:] == rates(STEP)[4:]
    assert rates(STEP | {"at": [1], "warmup_epochs": 2})[4:8] == [
        r / 2 for r in rates({"warmup_epochs": 2})[4:8]
    ]


def test_only_a_cosine_looks_at_the_number_of_epochs():
    for schedule in (None, STEP, {"warmup_epochs": 2}, STEP | {"warmup_epochs": 3}):
        assert not depends_on_n_epochs(schedule)
        first = [rate(schedule, 0.8, n, 4, 3) for n in range(1, 13)]
        assert first == rates(schedule)[:12]
    assert depends_on_n_epochs(COSINE) and depends_on_n_epochs(COSINE | {"warmup_epochs": 1})
    assert [rate(COSINE, 0.8, n, 4, 3) for n in range(1, 13)] != rates(COSINE)[:12]


# =============================================================================
# In training
# =============================================================================
SCHEDULES = [
    {"kind": "step", "at": [1], "factor": 0.1},
    {"kind": "cosine", "warmup_epochs": 1},
]


@pytest.fixture(params=["fast", "stock"])
def scheduled(request, new_run):
    """Call for a run whose optimizer has the schedule, for EPOCHS epochs."""

    def build(schedule, of="Adam", **options):
        run = new_run(engine=request.param)
        settings = {"lr": 0.01, "schedule": schedule} | options
        recipe = Recipe(f"dezero.optimizers.{of}", settings, EPOCHS)
        run.optimizer = run.engine.optimizer(recipe, run.model)
        return run

    return build


@pytest.fixture
def data(digits, few):
    return few(digits, 60, 30)


@pytest.mark.parametrize("of", ["Adam", "MomentumSGD", "SGD", "AdaGrad"])
@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_each_step_is_taken_at_its_rate(of, schedule, scheduled, data, monkeypatch):
    run, seen = scheduled(schedule, of), []
    rule = run.optimizer.rule
    update = rule.update

    def watched():
        seen.append(getattr(rule, "alpha" if of == "Adam" else "lr"))
        update()

    monkeypatch.setattr(rule, "update", watched)
    go_on(run, data, Position())
    steps = range(1, EPOCHS * N_STEPS + 1)
    assert seen == [rate(schedule, 0.01, n, N_STEPS, EPOCHS) for n in steps]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
@pytest.mark.parametrize("question", range(1, N_QUESTIONS, 2))
def test_a_run_that_goes_on_from_a_checkpoint_has_the_bits_of_an_uninterrupted_one(
    schedule, question, scheduled, data, tmp_path
):
    options = {"weight_decay": 0.1, "decoupled_decay": True, "clip_grad": 0.5}
    whole = scheduled(schedule, **options)
    expected = without_times(go_on(whole, data, Position())), everything(whole)

    asked = iter(range(N_QUESTIONS))
    first, position = scheduled(schedule, **options), Position()
    records = go_on(first, data, position, lambda: next(asked) == question)
    save(first, Checkpoints(tmp_path, "key"), vars(position))
    second = scheduled(schedule, **options)
    records += go_on(second, data, resume(second, Checkpoints(tmp_path, "key")))
    assert (without_times(records), everything(second)) == expected


def test_the_rates_that_kernels_read_are_those_of_single_updates(new_run):
    # What a GPU is given for an epoch, against the CPU's update by update.
    run = new_run(engine="fast")
    settings = {"lr": 0.01, "weight_decay": 0.1, "decoupled_decay": True, "schedule": SCHEDULES[1]}
    recipe = Recipe("dezero.optimizers.Adam", settings, 2)
    made = run.engine.optimizer(recipe, run.model)
    made.move_to(Position(epoch=2, step=1), 5)
    made.rule.t = 6
    found, keeps = made.rates(4)
    plain = dezero.optimizers.Adam()
    for i in range(4):
        plain.t, plain.alpha = 7 + i, rate(SCHEDULES[1], 0.01, 7 + i, 5, 2)
        assert found[i] == plain.lr and keeps[i] == 1 - plain.alpha * 0.1
    assert (made.rule.t, made.rule.alpha) == (6, 0.01)
    assert np.diff(found).max() < 0


def test_a_scheduled_run_ends_otherwise_than_one_at_a_constant_rate(scheduled, data):
    runs = [scheduled(schedule) for schedule in (None, *SCHEDULES)]
    for run in runs:
        go_on(run, data, Position())
    assert len({everything(run)["out/W"] for run in runs}) == len(runs)


# =============================================================================
# More epochs from the end of a run with fewer
# =============================================================================
@pytest.mark.parametrize("schedule, is_looked_for", [({}, True), (STEP, True), (COSINE, False)])
def test_a_run_under_a_cosine_is_not_gone_on_with_from_one_of_fewer_epochs(
    schedule, is_looked_for, new_run, monkeypatch
):
    asked = []
    monkeypatch.setattr(fewer_epochs.identity, "identity", lambda *of: asked.append(of) or {})
    config = assembled(new_run(), None, epochs=3).config
    config.optimizer["schedule"] |= schedule
    planned = SimpleNamespace(
        config=config, data_name="digits", data_sha256="", device="cpu", code=""
    )
    assert fewer_epochs.find(planned, None, counts=[5]) is None
    assert bool(asked) == is_looked_for
