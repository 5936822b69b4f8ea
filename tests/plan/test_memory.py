"""What a run needs: closed forms of the arrays that an engine makes, on tiny numbers."""

from dataclasses import replace

import pytest
from configs import configured

from runner.data import catalogue
from runner.data.catalogue import Entry
from runner.errors import ConfigError
from runner.plan.size import memory

DIGITS = catalogue.find("digits")  # 8x8 pixels


def need(device="cpu", entry=DIGITS, **knobs):
    return memory.need(
        configured({k.replace("__", "."): v for k, v in knobs.items()}), entry, device
    )


def difference(more, less):
    """Float32 numbers by which one configuration needs more than another."""
    return (need(**more).own - need(**less).own) / 4


def test_a_larger_batch_of_a_linear_model_takes_its_arrays_and_a_gradient():
    mlp = {"model": "mlp", "model__fc_depth": 0}
    # Kept of an image: 64 pixels and 10 scores; in passing the scores' gradient.
    more, less = mlp | {"train__batch_size": 500}, mlp | {"train__batch_size": 400}
    assert difference(more, less) == 100 * ((64 + 10) + 10)


def test_a_direct_convolution_makes_no_columns_and_im2col_does_not_grow_with_the_batch():
    cnn = {"model__channels": 8, "model__fc_depth": 0}
    more, less = cnn | {"train__batch_size": 500}, cnn | {"train__batch_size": 400}
    # 8 channels of 4x4 pooled pixels, a byte a winner; the gradient of the pooled ones, with the
    # scores' one.
    pooled = 8 * 16
    assert difference(more, less) == 100 * ((64 + 1.25 * pooled + 10) + pooled + 10)


def test_the_stock_engine_has_columns_of_the_whole_batch_twice():
    cnn = {"model__channels": 1, "model__fc_depth": 0, "engine__name": "stock"}
    more, less = cnn | {"train__batch_size": 500}, cnn | {"train__batch_size": 400}
    kept = 64 + 100 + 2 * 64 + 3 * 16 + 10  # pixels, their padded gradient, ReLU, pool, scores
    assert difference(more, less) == 100 * (kept + 2 * 64 + 100 + 2 * 9 * 64)


def test_weights_come_with_gradient_moments_and_the_copies_of_a_checkpoint():
    deep = {"model": "mlp", "model__fc_depth": 2}
    n = [h * (64 + 1) + h * (h + 1) + 10 * (h + 1) for h in (2000, 1000)]
    for optimizer, slots in (("adam", 2), ("momentum", 1)):
        more = deep | {"optimizer": optimizer, "model__hidden_size": 2000}
        copies = 2 + slots + 2.1 * (1 + slots)
        found = difference(more, more | {"model__hidden_size": 1000})
        assert found == pytest.approx(copies * (n[0] - n[1]), abs=1)


def test_a_batch_below_that_of_evaluation_needs_that_of_evaluation():
    assert need(train__batch_size=1) == need(train__batch_size=2)


def test_the_mapped_data_and_libraries_are_shared():
    larger = Entry(**(vars(DIGITS) | {"n_train": DIGITS.n_train + 1000}))
    assert need(entry=larger).shared - need().shared == 1000 * 64
    assert need().resident == need().own + need().shared < need().addresses


def test_floating_point_takes_four_bytes_a_pixel():
    floats = replace(DIGITS, pixel_bytes=4)
    assert need(entry=floats).shared - need().shared == 3 * (1442 + 355) * 64
    assert need(entry=floats).own == need().own


def test_of_a_part_of_the_data_the_worker_has_a_copy_of_its_own():
    def own(**options):
        data = {"_target_": "runner.data.sets.digits", "name": "digits", **options}
        return memory.need(replace(configured({"train.batch_size": 10}), data=data), DIGITS).own

    assert own(n_train=200) - own() == 200 * 64
    assert own(n_train=200, validation=100) - own() == 300 * 64
    assert own(validation=42) - own() == 1442 * 64
    assert own(label_noise=0.5, n_train=1442) == own()


def test_rows_of_any_shape_and_as_many_scores_as_classes_are_counted():
    spiral, mlp = catalogue.find("spiral"), {"model": "mlp", "model.hidden_size": 4}
    # W and b of 2 -> 4 -> 3, with Adam's two moments.
    assert memory.final_state(configured(mlp), spiral) == 4 * 3 * ((2 + 1) * 4 + (4 + 1) * 3)
    rows = replace(spiral, image_shape=(3, 5, 7, 2), n_classes=9)
    numbers = (3 * 5 * 7 * 2 + 1) * 4 + (4 + 1) * 9
    assert memory.final_state(configured(mlp), rows) == 4 * 3 * numbers
    with pytest.raises(
        ConfigError, match=r"channels, height, width\), and those of spiral have \(2,"
    ):
        memory.check(configured(), spiral)


def test_on_a_card_a_batch_takes_no_memory_here():
    assert need("gpu", train__batch_size=1000) == need("gpu", train__batch_size=100)


def test_of_a_model_of_ones_own_counts_what_was_measured():
    def own(batch_size, seen, **knobs):
        config = configured({"train.batch_size": batch_size, **knobs}, model="mine.LeNet")
        return memory.need(config, DIGITS, measured=seen)

    assert own(100, None) is None
    assert memory.final_state(configured(model="mine.LeNet"), DIGITS) is None
    seen = memory.Measured(1000, n_largest=600, image_bytes=5000.0)
    assert own(500, seen).own - own(400, seen).own == 100 * 5000
    assert own(100, seen) == own(1, seen)  # the batch of an evaluation
    sgd = memory.final_state(configured(model="mine.LeNet", optimizer="sgd"), DIGITS, seen)
    adam = memory.final_state(configured(model="mine.LeNet", optimizer="adam"), DIGITS, seen)
    assert (sgd, adam) == (4 * 1000, 3 * 4 * 1000)


def test_more_pools_than_pixels_and_a_batch_larger_than_the_data_are_refused():
    with pytest.raises(ConfigError, match="halve the 8x8 images to nothing; at most 3 blocks"):
        memory.check(configured({"model.blocks": [[1]] * 4}), DIGITS)
    with pytest.raises(ConfigError, match="batch_size=1443: allowed is an integer from 1 to 1442"):
        memory.check(configured({"train.batch_size": 1443}), DIGITS)
    memory.check(configured({"model.blocks": [[1]] * 3, "train.batch_size": 1442}), DIGITS)
