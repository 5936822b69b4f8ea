"""What a learning-rate schedule may say."""

import subprocess
import sys

import pytest

from runner.config import schedule


@pytest.mark.parametrize(
    "value",
    [
        None,
        {"kind": "step", "at": [10, 20], "factor": 0.1},
        {"kind": "step", "at": (1,), "factor": 2},
        {"kind": "step", "at": [3], "factor": 0.5, "warmup_epochs": 1},
        {"kind": "cosine"},
        {"kind": "cosine", "warmup_epochs": 0.5},
        {"warmup_epochs": 2},
        {"warmup_epochs": 0},
    ],
)
def test_a_schedule_of_the_documentation_is_allowed(value):
    assert schedule.check(value) is None


STEP = {"kind": "step", "at": [10, 20], "factor": 0.1}


@pytest.mark.parametrize(
    "value, allowed",
    [
        ("cosine", "kind: cosine"),
        ({}, "kind: cosine"),
        ([], "kind: cosine"),
        ({"kind": "linear"}, "as kind: step or cosine"),
        ({"kind": None}, "as kind: step or cosine"),
        ({"kind": ["step"]}, "as kind: step or cosine"),
        ({"kind": "cosine", "at": [1]}, "kind and, where wanted, warmup_epochs"),
        ({"kind": "cosine", "n": 1}, "kind and, where wanted, warmup_epochs"),
        ({"kind": "step", "at": [1]}, "at, factor, kind and, where wanted, warmup_epochs"),
        ({"kind": "step", "factor": 0.1}, "at, factor, kind and"),
        ({"at": [1], "factor": 0.1}, "warmup_epochs"),
        ({"warmup": 1}, "warmup_epochs"),
        (STEP | {"at": []}, "as at: a list of epochs"),
        (STEP | {"at": 10}, "as at: a list of epochs"),
        (STEP | {"at": [20, 10]}, "as at: a list of epochs"),
        (STEP | {"at": [10, 10]}, "as at: a list of epochs"),
        (STEP | {"at": [0, 10]}, "as at: a list of epochs"),
        (STEP | {"at": [True]}, "as at: a list of epochs"),
        (STEP | {"at": [1.5]}, "as at: a list of epochs"),
        (STEP | {"factor": 0}, "as factor: a number above 0"),
        (STEP | {"factor": True}, "as factor: a number above 0"),
        (STEP | {"factor": float("inf")}, "as factor: a number above 0"),
        (STEP | {"factor": "0.1"}, "as factor: a number above 0"),
        ({"kind": "cosine", "warmup_epochs": -1}, "as warmup_epochs: a number from 0"),
        ({"warmup_epochs": None}, "as warmup_epochs: a number from 0"),
        ({"warmup_epochs": float("nan")}, "as warmup_epochs: a number from 0"),
    ],
)
def test_anything_else_is_answered_with_what_is_allowed(value, allowed):
    assert allowed in schedule.check(value)


def test_a_command_is_checked_without_numpy_or_dezero():
    code = (
        "import sys; import runner.config.schedule, runner.engine.schedule as s;"
        "assert s.rate(None, 0.1, 1, 1, 1) == 0.1;"
        "print([name for name in ('numba', 'dezero') if name in sys.modules])"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert printed.stdout.strip() == "[]", printed.stderr
