"""What differs first is found by bounds that rounding, as some trainings show it, may widen."""

from types import SimpleNamespace

import numpy as np
import pytest

from runner.card.compare import Reference, first_other_bits
from runner.card.trial import Trial


def evaluated(loss=1.0, n_right=90, scale=1.0):
    correct = np.arange(100) < n_right
    scores = np.float32(scale) * np.linspace(-1, 1, 200, dtype=np.float32).reshape(100, 2)
    return SimpleNamespace(
        loss=loss,
        correct=correct,
        accuracy=correct.mean(),
        scores=scores,
        predicted=scores.argmax(axis=1),
    )


def made(losses=(2.0, 1.0), gradient=(1.0, -2.0, 0.5), **of_test):
    gradients = {"out/W": np.array(gradient, np.float32)}
    return Trial(list(losses), 3.0, gradients, {}, {"test": evaluated(**of_test)})


FIRST = [
    ({}, None),
    (dict(losses=(2.0001, 1.00005)), None),
    (dict(losses=(2.0, 1.0002)), "step 2, loss: 1.0002 and not 1, off by 2.0e-04 (1e-04 allowed)"),
    (dict(losses=(2.0,)), "step 2 was not taken"),
    (dict(losses=(2.0, float("nan"))), "step 2, loss: nan and not 1"),
    (dict(gradient=(1.0, -2.0, 0.500016)), None),
    (
        dict(gradient=(1.002, -2.0, 0.5), losses=(2.0, 1.1)),
        "step 1, gradient of out/W: off by 1.0e-03 of the largest (1e-05 allowed)",
    ),
    (dict(gradient=(1.0, float("nan"), 0.5)), "step 1, gradient of out/W: off by inf of"),
    (dict(gradient=(1.0, 2.0)), "step 1, gradient of out/W: off by inf of the largest"),
    (dict(loss=1.001), "after step 2, test/loss: 1.001 and not 1, off by 1.0e-03"),
    (dict(scale=1.001), "after step 2, test, scores: off by 1.0e-03 of the largest"),
    (dict(n_right=89), None),
    (dict(n_right=88), "after step 2, test/accuracy: 0.8800 and not 0.9000"),
]


@pytest.mark.parametrize(("changes", "expected"), FIRST, ids=lambda of: str(of)[:40])
def test_the_first_thing_that_is_out_of_bounds_is_named(changes, expected):
    told = Reference(made(), [made()]).difference(made(**changes))
    assert told == expected or (expected and told.startswith(expected))


def test_where_rounding_carries_far_more_is_allowed_there_and_nowhere_else():
    nudged = [made(losses=(2.0, 1.01), gradient=(1.1, -2.0, 0.5), loss=1.1, n_right=80)]
    reference = Reference(made(), nudged)
    near = made(losses=(2.0, 1.04), gradient=(1.2, -2.0, 0.5), loss=1.2, n_right=60)
    assert reference.difference(near) is None
    assert reference.difference(made(gradient=(1.0, -2.002, 0.5))).startswith("step 1, gradient")
    assert reference.difference(made(losses=(2.001, 1.0))).startswith("step 1, loss")
    assert reference.difference(made(losses=(2.0, 1.06))).startswith("step 2, loss")


def test_a_training_that_diverges_may_do_so_a_step_apart_where_rounding_does():
    nan = float("nan")
    diverges, other = Trial([2.0, nan]), Trial([2.0, 1e30, nan])
    assert Reference(diverges, [other]).difference(other) is None
    assert Reference(diverges, [diverges]).difference(Trial([2.0, nan])) is None


def test_tf32_is_given_the_bounds_of_its_rounding():
    off = made(losses=(2.01, 1.0), gradient=(1.0, -2.02, 0.5))
    assert Reference(made(), [made()], tf32=True).difference(off) is None
    assert Reference(made(), [made()]).difference(off).startswith("step 1, loss")


def test_bits_are_compared_to_the_last():
    def trial(value=1.0, loss_sum=3.0, scale=1.0):
        state = {"weights/out/W": np.float32([value, 2])}
        return Trial([], loss_sum, {}, state, {"test": evaluated(scale=scale)})

    assert first_other_bits(trial(), trial()) is None
    last = np.nextafter(np.float32(1), np.float32(2))
    assert first_other_bits(trial(), trial(last)) == "out/W has other bits (off by 1.2e-07)"
    assert first_other_bits(trial(), trial(loss_sum=4.0)).startswith("the sum of the losses is 4.0")
    assert first_other_bits(trial(), trial(scale=1 + 1e-6)) == "test has other bits"
    assert first_other_bits(trial(), Trial()) == "a training that diverged, and one that did not"
