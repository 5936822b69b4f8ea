"""Trainings on data of one's own: floating point, other shapes, other classes, augmentation."""

from dataclasses import replace

import numpy as np
import pytest
from configs import configured
from short_training import weights, without_times

from runner.data import loading
from runner.data.asked import Asked
from runner.engine.protocol import Position
from runner.errors import ConfigError, DataError
from runner.train import augment, device_data, epochs
from runner.train.assemble import assemble

MINE = """
import numpy as np

def rows(dtype="float32"):
    rng = np.random.default_rng(0)
    t = np.arange(250) % 5 * 75  # 0 to 300, with gaps: two bytes
    x = rng.normal(size=(250, 3, 4)) + t[:, None, None] / 100
    return (x.astype(dtype), t) if dtype != "uint8" else (np.clip(x * 60, 0, 255).astype(dtype), t)

def flip(x, rng):
    is_flipped = rng.random(len(x)) < 0.5
    x[is_flipped] = x[is_flipped][..., ::-1]
    return x

def same(x, rng):
    return x

def wider(x, rng):
    return np.concatenate([x, x], axis=1)

def double(x, rng):
    return x.astype(float)

def fails(x, rng):
    return x + rng.normal(size=len(x))[None]
"""


@pytest.fixture
def trained(own_module, tmp_path):
    """Call for the parts of a run on own data after its epochs, and its records."""
    own_module(MINE)

    def train(
        engine="fast", seed=0, arguments=None, n_epochs=2, position=None, run=None, **options
    ):
        data = {"_target_": "mine.rows", "name": "rows", **(arguments or {}), **options}
        knobs = {"model.hidden_size": 6, "train.batch_size": 30}
        config = configured(knobs, model="mlp", engine=engine, seed=seed)
        train = replace(config.train, epochs=n_epochs)
        config, asked = replace(config, data=data, train=train), Asked.of(data)
        dataset, _ = loading.find(asked.target, tmp_path, asked.arguments)
        made = assemble(config, "cpu", lambda e: device_data.of(dataset, asked, e.asarray))
        made.warm_up()
        records = list(filter(None, epochs.train(made, position or Position())))
        return made, without_times(records)

    return train


@pytest.mark.parametrize("arguments", [{}, {"dtype": "uint8"}], ids=["float32", "uint8"])
def test_rows_of_any_shape_are_trained_on_by_both_engines_alike(trained, arguments):
    fast, of_fast = trained("fast", arguments=arguments)
    stock, of_stock = trained("stock", arguments=arguments)
    assert weights(fast)["out/W"].shape == (6, 301) and weights(fast)["fc1/linear/W"].shape == (
        12,
        6,
    )
    assert fast.data.train_labels.dtype == np.uint16
    assert fast.data.scale == (255.0 if arguments else 1.0)
    for record, expected in zip(of_fast, of_stock, strict=True):
        assert record == pytest.approx(expected, rel=1e-4)
    for name, weight in weights(stock).items():
        np.testing.assert_allclose(weights(fast)[name], weight, rtol=1e-3, atol=1e-5)


def test_normalize_changes_bytes_and_has_no_effect_on_floating_point(trained):
    floats = [trained(normalize=normalize)[1] for normalize in (True, False)]
    assert floats[0] == floats[1]
    made, _ = trained(arguments={"dtype": "uint8"}, normalize=False)
    assert made.data.scale == 1.0


def test_the_images_that_are_left_are_an_epoch_and_the_others_are_held_out(trained):
    made, records = trained(n_train=70, validation=50, label_noise=0.5)
    assert len(made.data.train_images) == 70 and len(made.data.val_images) == 50
    assert made.data.n_classes == 301 and made.data.val_labels.dtype == np.uint16
    assert len(records) == 2


def test_augmentation_changes_training_batches_and_nothing_else(trained):
    plain, of_plain = trained()
    assert trained(augment="mine.same")[1] == of_plain
    flipped, of_flipped = trained(augment="mine.flip", n_epochs=1)
    assert of_flipped[0]["train/loss"] != of_plain[0]["train/loss"]
    # Evaluated are the images as they are: by the same weights they come out the same.
    for parameter, other in zip(
        *(sorted(made.model.params(), key=lambda p: p.data.shape) for made in (flipped, plain)),
        strict=True,
    ):
        parameter.data[...] = other.data
    found = flipped.loop().test()
    assert found.loss == of_plain[-1]["test/loss"]
    assert found.accuracy == of_plain[-1]["test/accuracy"]


def test_a_batch_is_augmented_by_the_seed_and_the_step_alone(own_module):
    own_module(MINE)
    x = np.random.default_rng(1).random((30, 3, 4)).astype(np.float32)
    first = augment.of("mine.flip", seed=3)
    batches = {step: first(x.copy(), step) for step in (5, 1, 9)}
    again = augment.of("mine.flip", seed=3)
    for step in (1, 5, 9):
        np.testing.assert_array_equal(again(x.copy(), step), batches[step])
    assert np.any(batches[1] != batches[5])
    assert np.any(augment.of("mine.flip", seed=4)(x.copy(), 1) != batches[1])
    flipped = np.any(batches[1] != x, axis=(1, 2))
    np.testing.assert_array_equal(batches[1][flipped], x[flipped][..., ::-1])
    assert 0 < flipped.sum() < 30 and batches[1].flags.c_contiguous


def test_an_augmented_run_that_is_stopped_goes_on_with_the_same_bits(trained):
    _, expected = trained(augment="mine.flip")
    made, _ = trained(augment="mine.flip", n_epochs=0)
    made.config.train.epochs = 2
    position, asked = Position(), iter([False] * 3 + [True])
    assert list(epochs.train(made, position, lambda: next(asked))) == []
    assert (position.epoch, position.step) == (1, 3)
    records = list(filter(None, epochs.train(made, position)))
    assert without_times(records) == expected


OTHER = r"returned {} for a batch of float32 \(2, 3, 4\); allowed is an array of the same shape and"
REFUSED = {
    "mine.wider": OTHER.format(r"float32 \(2, 6, 4\)"),
    "mine.double": OTHER.format(r"float64 \(2, 3, 4\)"),
    "mine.fails": r"raised ValueError: operands could not be .* \(mine.py:\d+\)$",
}


@pytest.mark.parametrize("target", REFUSED)
def test_an_augmentation_that_cannot_be_trained_with_is_named(own_module, tmp_path, target):
    own_module(MINE)
    dataset, _ = loading.find("mine.rows", tmp_path)
    with pytest.raises(DataError, match=rf"{target} \(mine.py:\d+\) {REFUSED[target]}"):
        augment.check(Asked("mine.rows", {}, augment=target), dataset)
    augment.check(Asked("mine.rows", {}, augment="mine.flip"), dataset)
    with pytest.raises(
        ConfigError,
        match=r"^data.augment=mine.flop: the module mine has no flop; did you mean flip\?$",
    ):
        augment.check(Asked("mine.rows", {}, augment="mine.flop"), dataset)
