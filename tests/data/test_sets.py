"""The functions of the data sets that ship, called as a user may call them."""

import numpy as np

from runner.data import loading, sets
from runner.data.catalogue import CATALOGUE
from runner.engine.dezero import dezero


def test_the_spiral_has_the_books_points(tmp_path):
    dataset, warning = loading.prepare("spiral", tmp_path)
    assert (dataset.sha256, dataset.n_classes, warning) == (CATALOGUE["spiral"].sha256, 3, None)
    for part in ("train", "test"):
        x, t = dezero.datasets.get_spiral(train=part == "train")
        points, arms = getattr(dataset, f"{part}_images"), getattr(dataset, f"{part}_labels")
        assert points.dtype == np.float32 and points.tobytes() == x.tobytes()
        np.testing.assert_array_equal(arms, t)


def test_what_the_catalogue_says_of_a_set_is_what_its_arrays_are(tmp_path):
    for name in ("mnist5k", "digits", "spiral"):
        dataset, _ = loading.prepare(name, tmp_path, write=False)
        entry, known = dataset.entry, CATALOGUE[name]
        facts = ("name", "n_train", "n_test", "image_shape", "full_scale", "sha256", "n_classes")
        for fact in (*facts, "pixel_bytes"):
            assert getattr(entry, fact) == getattr(known, fact), (name, fact)


def test_every_entry_has_a_function_of_its_name():
    assert [name for name in CATALOGUE if not callable(getattr(sets, name, None))] == []
