"""What `prepare` gives and keeps for the workers, and what it says where data cannot be had."""

import hashlib
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
from runner.errors import ConfigError, DataError


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
    assert warning == (
        "mnist could not be had (no download: Connection refused); training on 5,000 of its images "
        "instead: data.name=mnist5k. Give data.root=DIR or MNIST_ROOT=DIR for the full set."
    )


def test_a_closed_network_is_an_error_when_no_fallback_is_allowed(tmp_path):
    with pytest.raises(DataError, match="mnist could not be had .*Connection refused"):
        data.prepare("mnist", tmp_path / "cache", {"allow_fallback": False})


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
    data.prepare("mnist", cache, {"root": str(root)})
    path = cache / f"mnist-{sha256[:8]}" / f"{array}.npy"
    good = path.read_bytes()
    damage(path)
    with pytest.raises(DataError, match="delete it, the next start makes it anew"):
        data.load("mnist", sha256, cache)
    dataset, warning = data.prepare("mnist", cache, {"root": str(root)})
    assert dataset.sha256 == sha256 and "was damaged and has been made anew" in warning
    assert path.read_bytes() == good and os.listdir(cache) == [f"mnist-{sha256[:8]}"]


def test_a_damaged_copy_that_cannot_be_made_anew_is_told_with_the_fallback(tmp_path, small):
    sha256 = small()
    cache = tmp_path / "cache"
    data.prepare("mnist", cache, {"root": str(write_files(tmp_path / "root", small_files()))})
    flip(cache / f"mnist-{sha256[:8]}" / "train_images.npy")
    dataset, warning = data.prepare("mnist", cache)
    assert dataset.name == "mnist5k"
    told = f"mnist-{sha256[:8]} is damaged; mnist could not be had (no download: "
    assert told in warning


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
        data.prepare("mnist", tmp_path / "cache", {"allow_fallback": False}, write=False)


def test_a_plan_of_an_explicit_folder_checks_it_and_writes_nothing(tmp_path, small):
    sha256 = small()
    root = write_files(tmp_path / "root", small_files())
    before = everything_below(tmp_path)
    named = {"root": str(root)}
    assert data.prepare("mnist", tmp_path / "cache", named, write=False)[0].sha256 == sha256
    assert everything_below(tmp_path) == before


# =============================================================================
# Data of one's own
# =============================================================================
MINE = """
import numpy as np

def load(n=40, dtype="float64"):
    x = np.random.default_rng(0).random((n, 3, 5)).astype(dtype)
    return x, np.arange(n) % 4
"""


def test_own_arrays_are_kept_once_and_mapped_by_workers(tmp_path, own_module):
    own_module(MINE)
    cache = tmp_path / "cache"
    found, warning = data.find("mine.load", cache, {"n": 60})
    assert warning is None and everything_below(cache) == []
    with pytest.raises(ValueError, match="read-only"):
        found.train_images[0] = 1
    kept, _ = data.keep(found, cache)
    assert os.listdir(cache) == [f"load-{found.sha256[:8]}"]
    mapped = data.load("load", found.sha256, cache)
    x = np.random.default_rng(0).random((60, 3, 5)).astype(np.float32)
    for dataset in (kept, mapped):
        assert (dataset.name, dataset.full_scale, dataset.n_classes) == ("load", 1.0, 4)
        assert isinstance(dataset.train_images, np.memmap)
        assert dataset.train_images.dtype == np.float32 and dataset.train_images.shape == (48, 3, 5)
        assert dataset.train_images.tobytes() + dataset.test_images.tobytes() == x.tobytes()
    written = (cache / f"load-{found.sha256[:8]}" / "train_images.npy").stat().st_ino
    data.prepare("mine.load", cache, {"n": 60})
    assert (cache / f"load-{found.sha256[:8]}" / "train_images.npy").stat().st_ino == written


def test_two_sets_of_one_function_are_kept_side_by_side(tmp_path, own_module):
    own_module(MINE)
    cache = tmp_path / "cache"
    hashes = [data.prepare("mine.load", cache, {"n": n})[0].sha256 for n in (40, 60)]
    assert len(set(hashes)) == len(os.listdir(cache)) == 2
    sizes = [len(data.load("load", sha256, cache).train_images) for sha256 in hashes]
    assert sizes == [32, 48]


def test_the_hash_is_that_of_types_shapes_and_bytes():
    images = np.arange(24, dtype=np.float32).reshape(4, 6)
    labels = np.arange(4, dtype=np.uint16)
    parts = b"".join(
        prefix + hashlib.sha256(array.tobytes()).digest()
        for prefix, array in ((b"float32:4x6;", images), (b"uint16:4;", labels)) * 2
    )
    digest = data._digest([images, labels] * 2)
    assert digest == hashlib.sha256(parts).hexdigest()
    # The bytes of one type as another, and in another shape.
    as_bytes = [images.view(np.uint8), labels] * 2
    assert len({digest, data._digest(as_bytes), data._digest([images.T.copy(), labels] * 2)}) == 3


def test_own_bytes_are_divided_by_255_and_those_of_one_that_ships_are_that_one(
    tmp_path, own_module
):
    own_module(
        """
        import numpy as np
        from runner.data.sets import digits

        def load():
            return (np.arange(120) % 7).reshape(40, 3).astype(np.uint8), np.arange(40) % 4
        """
    )
    assert data.find("mine.load", tmp_path)[0].full_scale == 255.0
    found, _ = data.find("mine.digits", tmp_path)
    assert (found.name, found.sha256, found.full_scale) == (
        "digits",
        CATALOGUE["digits"].sha256,
        16.0,
    )


def test_a_function_that_takes_download_is_told_whether_it_may(tmp_path, own_module):
    own_module(
        """
        import warnings
        import numpy as np

        def load(download=True):
            warnings.warn(f"download={download}")
            return np.zeros((10, 1), np.uint8), np.zeros(10, int)
        """
    )
    assert data.prepare("mine.load", tmp_path / "cache", write=False)[1] == "download=False"
    assert data.prepare("mine.load", tmp_path / "cache")[1] == "download=True"


def test_what_is_wrong_with_own_data_is_one_line_with_its_place(tmp_path, own_module):
    own_module(
        """
        import numpy as np

        def load():
            return np.zeros((10, 1)), np.eye(10)

        def fails():
            return open("no such file")
        """
    )
    with pytest.raises(
        DataError, match=r"^mine.load \(mine.py:4\) returned t of shape .* t.argmax"
    ):
        data.find("mine.load", tmp_path)
    with pytest.raises(
        DataError, match=r"^mine.fails \(mine.py:7\) raised FileNo.* \(mine.py:8\)$"
    ):
        data.find("mine.fails", tmp_path)
    with pytest.raises(
        ConfigError,
        match=r"^data._target_=mine.lod: the module mine has no lod; did you mean load\?$",
    ):
        data.find("mine.lod", tmp_path)
