"""A user's own metrics: what they are computed of, and how one that fails is named."""

import dataclasses
import importlib
import sys

import numpy as np
import pytest
from short_training import assembled

from runner.engine.dezero import dezero
from runner.engine.protocol import Position
from runner.errors import MetricError, TimedOut
from runner.metrics import own as own_metrics
from runner.record import EVALUATIONS
from runner.train import epochs as training

SCORES = np.array([[3, 1], [0, 2], [5, 4]], np.float32)
LABELS = np.array([0, 1, 1], np.uint8)

MINE = """\
import numpy as np
def accuracy(scores, labels):
    assert scores.dtype == np.float32 and scores.ndim == 2 and len(scores) == len(labels)
    return np.mean(scores.argmax(axis=1) == labels)
def total(scores, labels):
    return scores.sum()
def by_class(scores, labels):
    return {label: np.float32(np.mean(labels == label)) for label in (0, 1)}
def fails(scores, labels):
    return helper(0)
def helper(n):
    return 1 / n
def fails_elsewhere(scores, labels):
    return np.ones(2) @ np.ones(3)
def changes(scores, labels):
    scores -= scores.max()
def leaves(scores, labels):
    raise SystemExit
def too_late(scores, labels):
    from runner.errors import TimedOut
    raise TimedOut("a limit")
nan, text, nothing, array, complex_, none_by_class, spaced = (
    lambda scores, labels, value=value: value
    for value in (np.nan, "much", None, np.ones(3), 1j, {"0": None}, {"a b": 1.0})
)
def huge(scores, labels):
    return 10**400
def of_three(scores, labels, weights):
    return 1.0
def restless(scores, labels):
    return float(np.random.rand())
number = 3
"""


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A module of the user's own, `mine`, that can be imported."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(MINE)
    yield tmp_path
    for name in ("mine", "broken", "raising"):
        sys.modules.pop(name, None)
    importlib.invalidate_caches()


def values_of(function, name="test/m"):
    (metric,) = own_metrics.load({name: f"mine.{function}"})
    return metric.values(SCORES, LABELS)


def test_a_number_has_the_metrics_name_and_a_dictionarys_numbers_have_its_keys_too(mine):
    assert values_of("accuracy", "test/acc") == {"test/acc": 2 / 3}
    assert values_of("total") == {"test/m": 15.0}
    by_class = values_of("by_class", "val/share")
    assert by_class == {"val/share/0": pytest.approx(1 / 3), "val/share/1": pytest.approx(2 / 3)}
    assert all(type(value) is float for value in by_class.values())


@pytest.mark.parametrize(
    ("function", "why"),
    [
        ("nan", "returned nan"),
        ("text", "returned much"),
        ("nothing", "returned None"),
        ("array", "returned [1. 1. 1.]"),
        ("complex_", "returned 1j"),
        ("huge", "0000..."),
        ("none_by_class", "returned None"),
        ("spaced", "returned the key 'a b'; keys are of 1 to 60 letters, digits and _"),
        ("fails", "raised ZeroDivisionError: division by zero (mine.py:12)"),
        ("fails_elsewhere", "(mine.py:14)"),
        ("changes", "(mine.py:16)"),
        ("leaves", "raised SystemExit (mine.py:18)"),
    ],
)
def test_a_metric_that_fails_is_named_with_the_line_of_its_own_file(function, why, mine):
    with pytest.raises(MetricError) as error:
        values_of(function)
    text = str(error.value)
    assert text.startswith(f"metric test/m (mine.{function}): ")
    assert text.endswith(why) and "\n" not in text
    assert SCORES[0, 0] == 3, "scores stay as they are"


def test_a_run_whose_time_is_up_within_a_metric_is_late_and_its_metric_has_not_failed(mine):
    with pytest.raises(TimedOut, match="^a limit$"):
        values_of("too_late")


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("nowhere.f1", r"ModuleNotFoundError: No module named 'nowhere'"),
        ("mine.f1", r"the module mine has no f1.*"),
        ("mine.number", "it is no function"),
        ("mine.of_three", "called with scores and labels: missing a required argument: 'weights'"),
        ("broken.f1", r"SyntaxError: .* \(broken.py:2\)"),
        ("raising.f1", r"KeyError: 'x' \(raising.py:1\)"),
    ],
)
def test_a_metric_that_cannot_be_found_is_named(path, why, mine):
    (mine / "broken.py").write_text("import numpy\ndef f1(:\n")
    (mine / "raising.py").write_text("{}['x']\n")
    with pytest.raises(MetricError, match=rf"^metric test/f1 \({path}\): {why}$"):
        own_metrics.load({"test/f1": path})


def test_each_evaluation_gives_its_own_scores_to_the_metrics_and_nothing_else_changes(
    mine, new_run, data
):
    data = dataclasses.replace(
        data, val_images=data.test_images[:40], val_labels=data.test_labels[:40]
    )
    metrics = {f"{name}/acc": "mine.accuracy" for name in EVALUATIONS}
    metrics |= {f"{name}/total": "mine.total" for name in EVALUATIONS}
    plain, measured = (assembled(new_run(), data) for _ in range(2))
    measured.config.metrics = metrics
    without = list(training.train(plain, Position()))
    records = list(training.train(measured, Position()))
    for before, record in zip(without, records, strict=True):
        assert set(record.own) == set(metrics) and before.own == {}
        assert list(record.metrics())[-len(metrics) :] == list(metrics)
        for name in EVALUATIONS:
            accuracy = getattr(record, f"{name}_accuracy")
            assert record.own[f"{name}/acc"] == accuracy == getattr(before, f"{name}_accuracy")
    with dezero.test_mode():
        scores = measured.model(data.test_images.astype(np.float32) / np.float32(16)).data
    assert records[-1].own["test/total"] == pytest.approx(float(scores.sum()), rel=1e-3)
    assert records[-1].own["test_masked/total"] != records[-1].own["test/total"]


def test_a_metric_that_draws_random_numbers_is_refused_at_the_first_epoch(mine, new_run, data):
    run = assembled(new_run(), data)
    run.config.metrics = {"test/acc": "mine.accuracy", "test/luck": "mine.restless"}
    with pytest.raises(
        MetricError, match=r"^metric test/luck \(mine.restless\): gave 0\.\d+ and 0"
    ):
        next(filter(None, training.train(run, Position())))


def test_a_metric_of_validation_images_needs_some(mine, new_run, data):
    run = assembled(new_run(), data)
    run.config.metrics = {"val/acc": "mine.accuracy"}
    with pytest.raises(MetricError, match=r"^metric val/acc .*: there are no validation images$"):
        next(training.train(run, Position()))
