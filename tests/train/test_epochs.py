"""The training loop: what the record of an epoch says, and when a run has diverged."""

import dataclasses
import math
import os
import subprocess
import sys

import numpy as np
import pytest
from places import REPO
from short_training import (
    EPOCHS,
    N_IMAGES,
    N_STEPS,
    assembled,
    eager,
    everything,
    go_on,
    without_times,
)

from runner.engine import loop
from runner.engine.dezero import dezero
from runner.engine.loop import Diverged
from runner.engine.protocol import Position, as_classes
from runner.record import METRICS, SHIPPED_METRICS, TIMES, EpochRecord
from runner.seeding import batch_order
from runner.train import epochs as training


# =============================================================================
# Records
# =============================================================================
def test_training_yields_a_frozen_record_an_epoch_with_every_metric(new_run, data):
    position = Position()
    run = new_run()
    epochs = training.train(assembled(run, data, 3), position)
    for epoch in (1, 2, 3):
        record = next(epochs)
        assert type(record) is EpochRecord and record.epoch == epoch
        # The position is that after the record, so that both can be kept together.
        assert position == Position(epoch=epoch + 1)
        assert list(record.metrics()) == list(METRICS)
        assert all(
            type(value) is float and math.isfinite(value) for value in record.metrics().values()
        )
        assert record.train_s > 0 and record.eval_s > 0
        assert record.images_per_s == N_IMAGES / record.train_s
        with pytest.raises(dataclasses.FrozenInstanceError):
            record.epoch = 7
    with pytest.raises(StopIteration):
        next(epochs)


def test_nothing_is_trained_when_every_epoch_is_done(new_run, data):
    run = new_run()
    before = everything(run)
    assert go_on(run, data, Position(epoch=EPOCHS + 1)) == []
    assert everything(run) == before


def test_training_learns(new_run, digits, few):
    records = go_on(
        new_run(hidden_size=50, channels=8, lr=0.01), few(digits, 1000, 300), Position(), epochs=5
    )
    assert records[-1].test_accuracy > 0.85 > 0.6 > records[0].train_accuracy
    assert records[-1].train_eval_loss < records[0].train_eval_loss


def test_train_metrics_are_the_running_mean_over_images_with_a_smaller_last_batch(
    new_run, data, monkeypatch
):
    run = new_run(graph=False)
    seen = []
    loss = run.engine.loss
    monkeypatch.setattr(
        run.engine, "loss", lambda y, t: seen.append((y, t, loss(y, t))) or seen[-1][2]
    )
    (record,) = go_on(run, data, Position(), epochs=1)
    steps = seen[:N_STEPS]
    assert [len(t) for _, t, _ in steps] == [25, 25, 10]
    assert (
        record.train_loss == sum(float(loss.data) * len(t) for _, t, (loss, _) in steps) / N_IMAGES
    )
    right = np.concatenate([y.data.argmax(axis=1) == t for y, t, _ in steps])
    assert np.array_equal(right, np.concatenate([correct for _, _, (_, correct) in steps]))
    assert record.train_accuracy == right.mean()
    assert np.array_equal(
        np.concatenate([t for _, t, _ in steps]), data.train_labels[batch_order(0, 1, N_IMAGES)]
    )


def test_a_step_is_told_its_number_over_all_epochs(new_run, data, monkeypatch):
    run = new_run()
    steps = []
    monkeypatch.setattr(run.masks, "training", steps.append)
    go_on(run, data, Position())
    assert steps == list(range(1, EPOCHS * N_STEPS + 1))


def softmax_loss(scores, labels):
    """Mean cross-entropy in nats, in float64."""
    z = scores.astype(np.float64)
    z = z - z.max(axis=1, keepdims=True)
    return float(np.mean(np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(z)), labels]))


def test_eval_metrics_are_those_of_one_forward_pass_over_all_images_in_test_mode(
    new_run, data, monkeypatch
):
    monkeypatch.setattr(loop, "N_TRAIN_EVAL", 30)
    run = new_run()
    (record,) = go_on(run, data, Position(), epochs=1)
    for images, labels, loss, accuracy in (
        (
            data.train_images[:30],
            data.train_labels[:30],
            record.train_eval_loss,
            record.train_eval_accuracy,
        ),
        (data.test_images, data.test_labels, record.test_loss, record.test_accuracy),
    ):
        with dezero.test_mode():
            scores = run.model(images.astype(np.float32) / np.float32(16)).data
        assert accuracy == (scores.argmax(axis=1) == labels).mean()
        assert loss == pytest.approx(softmax_loss(scores, labels), rel=1e-6)


def test_validation_images_are_measured_as_the_test_images_are_and_change_no_bit(new_run, data):
    validated = dataclasses.replace(
        data, val_images=data.test_images[40:], val_labels=data.test_labels[40:]
    )
    plain, watched = new_run(), new_run()
    without, records = go_on(plain, data, Position()), go_on(watched, validated, Position())
    assert everything(watched) == everything(plain)
    for before, record in zip(without, records, strict=True):
        assert (before.val_loss, before.val_accuracy) == (None, None)
        assert list(record.metrics()) == list(SHIPPED_METRICS)
        shared = {name: record.metrics()[name] for name in METRICS if name not in TIMES}
        assert shared == {name: before.metrics()[name] for name in shared}
        assert record.val_accuracy == record.test_correct[40:].mean()
    with dezero.test_mode():
        scores = watched.model(data.test_images[40:].astype(np.float32) / np.float32(16)).data
    assert records[-1].val_loss == pytest.approx(
        softmax_loss(scores, data.test_labels[40:]), rel=1e-6
    )


@pytest.mark.parametrize(("n_classes", "dtype"), [(256, np.uint8), (257, np.uint16)])
def test_predicted_classes_take_a_byte_where_they_fit(n_classes, dtype):
    predicted = as_classes(np.array([0, n_classes - 1]), n_classes)
    assert predicted.dtype == dtype and predicted.tolist() == [0, n_classes - 1]


def test_masked_metrics_are_those_with_dropout_left_on(new_run, data):
    run = new_run()
    (record,) = go_on(run, data, Position(), epochs=1)
    run.masks.evaluation(epoch=1, first_row=0)
    scores = run.model(data.test_images.astype(np.float32) / np.float32(16)).data
    assert record.test_masked_accuracy == (scores.argmax(axis=1) == data.test_labels).mean()
    assert record.test_masked_loss == pytest.approx(
        softmax_loss(scores, data.test_labels), rel=1e-6
    )
    assert record.test_masked_loss != record.test_loss


@pytest.mark.parametrize("model", [dict(dropout=False), dict(fc_depth=0)], ids=str)
def test_masked_metrics_equal_the_test_metrics_without_dropout(model, new_run, data):
    for record in go_on(new_run(**model), data, Position()):
        assert (record.test_masked_loss, record.test_masked_accuracy) == (
            record.test_loss,
            record.test_accuracy,
        )


@pytest.mark.parametrize("masked_epoch", [None, 1])
def test_the_bits_of_an_evaluation_say_where_the_largest_score_is_the_label(
    masked_epoch, new_run, data
):
    run = new_run()
    go_on(run, data, Position(), epochs=1)
    images, labels = data.test_images, data.test_labels
    evaluation = eager(run, data).evaluate(images, labels, masked_epoch)
    correct = evaluation.correct
    run.masks.evaluation(epoch=1, first_row=0)
    with dezero.using_config("train", masked_epoch is not None):
        scores = run.model(images.astype(np.float32) / np.float32(16)).data
    assert correct.dtype == bool and correct.shape == (130,)
    assert np.array_equal(correct, scores.argmax(axis=1) == labels)
    assert 0 < correct.sum() < 130
    assert evaluation.predicted.dtype == np.uint8 and evaluation.scores.dtype == np.float32
    assert np.array_equal(evaluation.predicted, scores.argmax(axis=1))
    assert np.array_equal(evaluation.predicted == labels, correct)
    np.testing.assert_allclose(evaluation.scores, scores, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("masked_epoch", [None, 1])
def test_how_evaluation_is_batched_changes_no_bit_of_right_or_wrong(
    masked_epoch, new_run, data, monkeypatch
):
    run = new_run()
    of_test = data.test_images, data.test_labels, masked_epoch
    whole = eager(run, data).evaluate(*of_test)
    monkeypatch.setattr(loop, "EVAL_BATCH", 7)
    other = eager(run, data).evaluate(*of_test)
    assert np.array_equal(whole.correct, other.correct)
    assert np.array_equal(whole.predicted, other.predicted)
    assert other.loss == pytest.approx(whole.loss, rel=1e-6)


@pytest.mark.parametrize("masked_epoch", [None, 1])
def test_evaluating_more_often_changes_no_bit_of_training(masked_epoch, new_run, data):
    plain, watched = new_run(), new_run()

    def evaluate_and_go_on():
        eager(watched, data).evaluate(data.test_images, data.test_labels, masked_epoch)
        return False

    records = go_on(plain, data, Position())
    assert without_times(go_on(watched, data, Position(), evaluate_and_go_on)) == without_times(
        records
    )
    assert everything(watched) == everything(plain)


# =============================================================================
# Divergence
# =============================================================================
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("step, where", [(1, "epoch 1, batch 1"), (5, "epoch 2, batch 2")])
def test_the_first_loss_that_is_not_finite_is_named(step, where, value, new_run, data, monkeypatch):
    run, records = new_run(graph=False), []
    loss, n_trained = run.engine.loss, []

    def broken(y, t):
        measured = loss(y, t)
        if dezero.Config.enable_backprop:
            n_trained.append(1)
            if len(n_trained) == step:
                measured[0].data = np.float32(value).reshape(())
        return measured

    monkeypatch.setattr(run.engine, "loss", broken)
    with pytest.raises(Diverged, match=f"^loss {value} at {where}$"):
        for record in training.train(assembled(run, data), Position()):
            records.append(record)
    assert len(n_trained) == step
    assert len(records) == (step - 1) // N_STEPS


def test_a_learning_rate_that_is_too_large_diverges(new_run, data):
    run = new_run(optimizer="sgd", lr=1e30)
    with (
        np.errstate(all="ignore"),
        pytest.raises(Diverged, match=r"^loss (nan|inf) at epoch \d+, batch \d+$"),
    ):
        go_on(run, data, Position(), epochs=20)


def test_an_evaluation_that_is_not_finite_is_divergence_too(new_run, data, monkeypatch):
    run = new_run()
    loss = run.engine.loss

    def broken(y, t):
        measured = loss(y, t)
        if not dezero.Config.enable_backprop:
            measured[0].data = np.array(np.nan, np.float32)
        return measured

    monkeypatch.setattr(run.engine, "loss", broken)
    with pytest.raises(Diverged, match="^loss nan at epoch 1, batch 3$"):
        go_on(run, data, Position())


# =============================================================================
# The order in which Python keeps sets
# =============================================================================
TINY_RUN = """
import hashlib, sys
sys.path[:0] = ["tests", "tests/support", "tests/support/trainings"]
import conftest, numpy as np
from pathlib import Path
from runner.data import loading as data
from runner.train import epochs as training
from runner.engine.dezero import named_parameters
from runner.engine.protocol import Position
from short_training import assembled
run = conftest.new_run.__wrapped__()(fc_depth=2, blocks=[[2, 2], [2]])
few = conftest.few.__wrapped__()
digits = data.prepare("digits", Path("nowhere"), write=False)[0]
images = few(digits, 60, 30)
for record in training.train(assembled(run, images, 2, 25), Position()):
    print({m: v for m, v in record.metrics().items() if m not in training_times})
weights = named_parameters(run.model)
print([(n, hashlib.sha256(p.data.tobytes()).hexdigest()) for n, p in weights.items()])
print(run.model._params)
"""


def test_the_hash_seed_of_python_changes_no_bit():
    code = TINY_RUN.replace("training_times", repr(TIMES))
    started = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=REPO,
        )
        for seed in ("0", "1")
    ]
    printed = [process.communicate(timeout=120) for process in started]
    assert [process.returncode for process in started] == [0, 0], printed
    *numbers, order = printed[0][0].splitlines()
    *other_numbers, other_order = printed[1][0].splitlines()
    assert numbers == other_numbers and len(numbers) == 3
    assert order != other_order  # else the two runs show nothing
