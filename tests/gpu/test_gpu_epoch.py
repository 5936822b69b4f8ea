"""Epochs on a GPU: the CPU's numbers, the same bits after interruptions, one read at the end."""

import contextlib
import gc
import math
from dataclasses import replace

import numpy as np
import pytest
from gpu_runs import (
    BATCH,
    EPOCHS,
    IMAGES,
    TEST_IMAGES,
    assert_close,
    loop_of,
    records_of,
    results_of,
    state_bytes,
    training_of,
)
from short_training import resume, save, without_times

from runner.engine import device
from runner.engine.dezero import no_grad
from runner.engine.dezero import test_mode as in_test_mode
from runner.engine.gpu import graph
from runner.engine.loop import Diverged
from runner.engine.protocol import Position
from runner.state.checkpoint import Checkpoints

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize(
    "knobs",
    [
        dict(optimizer="adam"),
        dict(optimizer="momentum", fc_depth=2, dropout_ratio=0.3),
        dict(optimizer="sgd", lr=0.01, dropout=False),
        dict(blocks=[[2, 3], [4]], fc_depth=2),
        dict(kind="mlp", fc_depth=2),
        dict(fc_depth=0),
    ],
    ids=str,
)
def test_epochs_have_the_losses_and_accuracies_of_the_cpu(knobs, gpu_run):
    on_gpu, on_cpu = gpu_run("gpu", **knobs), gpu_run("cpu", **knobs)
    assert_close(records_of(on_gpu), records_of(on_cpu))
    assert on_gpu.engine.graph and on_gpu.engine.fallbacks == ()


def test_a_hundred_steps_have_the_losses_of_the_cpu(gpu_run):
    on_gpu, on_cpu = (
        [record.train_loss for record in records_of(gpu_run(on, n_images=40, epochs=25))]
        for on in ("gpu", "cpu")
    )
    np.testing.assert_allclose(on_gpu, on_cpu, rtol=1e-4, atol=0)


@pytest.mark.parametrize(
    "optimizer, stops", [("adam", range(1, 30)), ("momentum", [4]), ("sgd", [7])]
)
def test_a_run_that_is_stopped_anywhere_ends_with_the_same_bits(
    optimizer, stops, gpu_run, tmp_path, monkeypatch
):
    monkeypatch.setattr(graph, "STEPS_PER_GRAPH", 2)
    expected = results_of(gpu_run(optimizer=optimizer))
    n_stops = 0
    for k in stops:
        run, position, n_asked = gpu_run(optimizer=optimizer), Position(), 0

        def should_stop():
            nonlocal n_asked
            n_asked += 1
            return n_asked == k  # noqa: B023

        records = records_of(run, position=position, should_stop=should_stop)
        if position.epoch > EPOCHS:
            break
        n_stops += 1
        resumed = gpu_run(optimizer=optimizer)
        checkpoints = Checkpoints(tmp_path / str(k), "key")
        (tmp_path / str(k)).mkdir()
        save(run, checkpoints, vars(position))
        records += records_of(resumed, position=resume(resumed, checkpoints))
        assert (without_times(records), state_bytes(resumed)) == expected, k
    assert n_stops == min(len(stops), 8)


def test_two_concurrent_runs_have_the_bits_that_each_has_alone(gpu_run):
    variants = [dict(), dict(channels=2, hidden_size=9, dropout_ratio=0.2)]
    alone = [results_of(gpu_run(**knobs)) for knobs in variants]
    runs = [gpu_run(**knobs) for knobs in variants]
    trainings, records = [training_of(run) for run in runs], [[], []]
    for _ in range(4):
        for i, training in enumerate(trainings):
            records[i] += filter(None, [next(training, None)])
    results = zip(records, runs, strict=True)
    assert [(without_times(run_records), state_bytes(run)) for run_records, run in results] == alone


def test_a_run_that_is_closed_leaves_no_work_on_its_stream(gpu_run):
    run = gpu_run()
    training = training_of(run)
    assert next(training) is None
    training.close()
    assert run.engine.kernels.stream.done


def test_an_epoch_that_fails_while_it_is_launched_leaves_no_work_either(gpu_run):
    run = gpu_run()

    def fails_at_the_third():
        yield from (False, False)
        raise RuntimeError("no third launch")

    asked = fails_at_the_third()
    with pytest.raises(RuntimeError, match="no third"):
        next(training_of(run, should_stop=lambda: next(asked)))
    assert run.engine.kernels.stream.done


def n_sources_lost():
    """Copies to the GPU whose source was freed too early; only the emulated GPU counts them."""
    import cupy

    return getattr(cupy, "n_sources_lost", 0)


def test_an_epoch_reads_from_the_gpu_once(gpu_run, monkeypatch):
    loop = loop_of(gpu_run())
    n_reads, read = 0, type(loop).read

    def counted(self):
        nonlocal n_reads
        n_reads += 1
        return read(self)

    monkeypatch.setattr(type(loop), "read", counted)
    epoch = loop.epoch(np.arange(IMAGES), Position(), lambda: False)
    lost = n_sources_lost()
    assert next(epoch) is None and n_reads == 0 and n_sources_lost() == lost
    with pytest.raises(StopIteration) as end:
        next(epoch)
    assert n_reads == 1 and math.isfinite(end.value.value.test.loss)


@pytest.mark.parametrize("lr", [1e30, 1e12])
def test_the_first_loss_that_is_not_finite_is_reported_as_on_the_cpu(lr, gpu_run):
    reported = {}
    for on in ("cpu", "gpu"):
        position = Position()
        with pytest.raises(Diverged) as error, np.errstate(all="ignore"):
            records_of(gpu_run(on, optimizer="sgd", lr=lr, epochs=5), position=position)
        reported[on] = str(error.value), position.epoch, position.step
    assert reported["gpu"] == reported["cpu"] and reported["gpu"][2] > 1


def floats(images):
    return images.astype(np.float32) / np.float32(16)


def test_images_of_floating_point_have_the_bits_of_bytes_that_are_divided(gpu_run):
    of_bytes, of_floats = gpu_run(), gpu_run()
    data = of_floats.data
    of_floats.data = replace(
        data, train_images=floats(data.train_images), test_images=floats(data.test_images), scale=1
    )
    assert results_of(of_bytes) == results_of(of_floats)


def augmented(run):
    def turn(x, step):
        assert isinstance(x, np.ndarray)
        is_turned = np.random.default_rng(step).random(len(x)) < 0.5
        x[is_turned] = x[is_turned][..., ::-1]
        return x

    run.data = replace(run.data, augment=turn)
    return run


@pytest.mark.parametrize("knobs", [dict(), dict(optimizer="sgd", fc_depth=2)], ids=str)
def test_augmented_epochs_have_the_losses_of_the_cpu(knobs, gpu_run):
    records = [records_of(augmented(gpu_run(on, **knobs))) for on in ("gpu", "cpu")]
    assert_close(*records)
    assert without_times(records[0]) != without_times(records_of(gpu_run(**knobs)))


def test_an_augmented_run_that_is_stopped_goes_on_with_the_same_bits(gpu_run):
    expected = results_of(augmented(gpu_run()))
    run, position, asked = augmented(gpu_run()), Position(), iter([False] * 2 + [True])
    assert records_of(run, position=position, should_stop=lambda: next(asked)) == []
    assert position.step == 2
    records = records_of(run, position=position)
    assert (without_times(records), state_bytes(run)) == expected


def test_after_the_last_epoch_the_test_images_are_classified_as_in_it(gpu_run):
    run = gpu_run()
    last = records_of(run)[-1]
    again = loop_of(run).test()
    assert again.loss == last.test_loss
    assert again.correct.tobytes() == last.test_correct.tobytes()
    assert again.predicted.dtype == np.uint8
    assert again.predicted.tobytes() == last.test_predicted.tobytes()


@pytest.mark.parametrize("graph", [True, False])
def test_scores_are_those_of_a_forward_pass_and_brought_only_where_they_are_wanted(
    graph, gpu_run, monkeypatch
):
    monkeypatch.setattr("runner.engine.gpu.epoch.EVAL_BATCH", 20)  # the last of 35 images: 15
    run = gpu_run(graph=graph, dropout_ratio=0.5)
    run.data.val_images, run.data.val_labels = run.data.test_images[3:], run.data.test_labels[3:]
    wanted = ("train_eval", "test_masked", "val")
    loop = run.engine.loop(run.model, run.optimizer, run.data, BATCH, wanted)
    position = Position(epoch=2)
    with pytest.raises(StopIteration) as end:
        epoch = loop.epoch(np.arange(IMAGES), position, lambda: False)
        while True:
            next(epoch)
    measured = end.value.value
    assert measured.test.scores is None
    masks, images = run.engine.masks, run.data.test_images
    with no_grad(), run.engine.kernels.on_stream():
        for name, of in (
            ("train_eval", run.data.train_images),
            ("test_masked", images),
            ("val", images[3:]),
        ):
            masks.evaluation(2, 0)
            x = run.engine.pixels(of, run.engine.asarray(np.arange(len(of))), run.data.scale)
            with contextlib.nullcontext() if name == "test_masked" else in_test_mode():
                scores = device.to_numpy(run.model(x).data)
            evaluation = getattr(measured, name)
            np.testing.assert_allclose(evaluation.scores, scores, rtol=1e-4, atol=1e-5)
            assert np.array_equal(evaluation.predicted, evaluation.scores.argmax(axis=1))
    labels = device.to_numpy(run.data.val_labels)
    assert np.array_equal(measured.val.correct, measured.val.predicted == labels)
    assert np.array_equal(measured.val.predicted, measured.test.predicted[3:])


def test_without_dropout_the_scores_with_masks_are_those_of_the_test_images(gpu_run):
    run = gpu_run(dropout=False)
    loop = run.engine.loop(run.model, run.optimizer, run.data, BATCH, {"test_masked"})
    with pytest.raises(StopIteration) as end:
        epoch = loop.epoch(np.arange(IMAGES), Position(), lambda: False)
        while True:
            next(epoch)
    assert end.value.value.test_masked.scores.shape == (TEST_IMAGES, 10)


def test_a_finished_run_frees_its_memory(gpu_run):
    import cupy

    def train():
        records_of(gpu_run(epochs=1))
        gc.collect()
        device.free_gpu_memory()
        free, total = cupy.cuda.Device().mem_info
        return total - free

    train()  # the first run also loads libraries, which stay
    before = train()
    assert train() <= before
