"""IDX files in a folder that the user names: every spelling is read, every damage is named."""

import gzip
import hashlib
import struct

import numpy as np
import pytest
from small_mnist import (
    HTML,
    IMAGES,
    LABELS,
    STEMS,
    ZIPPED,
    everything_below,
    idx_bytes,
    small_arrays,
    small_files,
    write_files,
    written_out_digest,
)

from runner.data import idx
from runner.data import loading as data
from runner.errors import DataError


# =============================================================================
# An explicit folder
# =============================================================================
@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("dotted", [True, False])
@pytest.mark.parametrize("by_variable", [True, False])
def test_every_spelling_of_the_files_is_accepted(
    tmp_path, small, monkeypatch, zipped, dotted, by_variable
):
    sha256 = small()
    files = {
        (stem.replace("-idx", ".idx") if dotted else stem): content
        for stem, content in small_files().items()
    }
    root = str(write_files(tmp_path / "root", files, zipped))
    if by_variable:
        monkeypatch.setenv("MNIST_ROOT", root)
    named = {} if by_variable else {"root": root}
    dataset, warning = data.prepare("mnist", tmp_path / "cache", named)
    assert (dataset.sha256, warning) == (sha256, None)
    images, labels, test_images, test_labels = small_arrays()
    np.testing.assert_array_equal(dataset.train_images[:, 0], images)
    np.testing.assert_array_equal(dataset.train_labels, labels)
    np.testing.assert_array_equal(dataset.test_images[:, 0], test_images)
    np.testing.assert_array_equal(dataset.test_labels, test_labels)


def test_a_plain_file_that_a_browser_left_under_the_gz_name_is_accepted(tmp_path, small):
    sha256 = small()
    root = write_files(
        tmp_path / "root", {f"{stem}.gz": c for stem, c in small_files().items()}, zipped=False
    )
    assert data.prepare("mnist", tmp_path / "cache", {"root": str(root)})[0].sha256 == sha256


@pytest.mark.parametrize("stem", STEMS)
def test_a_missing_file_of_an_explicit_folder_is_an_error_without_fallback(
    tmp_path, small, monkeypatch, stem
):
    small()
    root = write_files(tmp_path / "root", {s: c for s, c in small_files().items() if s != stem})
    monkeypatch.setenv("MNIST_ROOT", str(root))
    with pytest.raises(DataError, match=f"{stem}.gz is missing.*into {root}") as caught:
        data.prepare("mnist", tmp_path / "cache")
    assert caught.value.exit_code == 3
    assert everything_below(tmp_path) == sorted(
        ["root", *(f"root/{s}.gz" for s in STEMS if s != stem)]
    )


def test_an_explicit_folder_that_is_not_there_is_an_error_even_when_the_cache_is_good(
    tmp_path, small
):
    small()
    root = write_files(tmp_path / "root", small_files())
    data.prepare("mnist", tmp_path / "cache", {"root": str(root)})
    assert data.prepare("mnist", tmp_path / "cache")[0].name == "mnist"
    with pytest.raises(DataError, match="nowhere/train-images-idx3-ubyte.gz is missing"):
        data.prepare("mnist", tmp_path / "cache", {"root": str(tmp_path / "nowhere")})


def test_the_option_goes_before_the_environment_variable(tmp_path, small, monkeypatch):
    small()
    monkeypatch.setenv("MNIST_ROOT", str(tmp_path / "nowhere"))
    root = write_files(tmp_path / "root", small_files())
    assert data.prepare("mnist", tmp_path / "cache", {"root": str(root)})[0].name == "mnist"


# =============================================================================
# Damages
# =============================================================================
def header(stem, *counts):
    content = small_files()[stem]
    n_axes = content[3]
    return content[:4] + struct.pack(f">{n_axes}I", *counts) + content[4 + 4 * n_axes :]


def with_label_17(stem):
    content = bytearray(small_files()[stem])
    content[8 + 5] = 17
    return bytes(content)


def fewer(n):
    images, labels = small_arrays()[:2]
    return idx_bytes(images[:n]), idx_bytes(labels[:n])


DAMAGES = {
    "wrong magic": (
        {IMAGES: b"\0\0\x0d\x03" + small_files()[IMAGES][4:]},
        "magic number 00000d03, expected 00000803",
    ),
    "labels where images belong": (
        {IMAGES: small_files()[LABELS]},
        "magic number 00000801, expected 00000803",
    ),
    "empty": ({LABELS: b""}, "magic number , expected 00000801"),
    "cut in the header": (
        {IMAGES: small_files()[IMAGES][:10]},
        "10 bytes end inside the header of 16",
    ),
    "count too high": (
        {IMAGES: header(IMAGES, 31, 4, 4)},
        r"promises 31 items \(512 bytes\), it holds 30 whole",
    ),
    "count too low": (
        {LABELS: header(LABELS, 29)},
        r"promises 29 items \(37 bytes\), it holds 30 whole",
    ),
    "absurd count": (
        {IMAGES: header(IMAGES, 2**32 - 1, 2**32 - 1, 2**32 - 1)},
        "promises 4,294,967,295 items",
    ),
    "cut at an image": (
        {IMAGES: small_files()[IMAGES][:-16]},
        r"promises 30 items \(496 bytes\), it holds 29 whole",
    ),
    "one byte longer": (
        {IMAGES: small_files()[IMAGES] + b"\0"},
        "longer than the 496 bytes of shape",
    ),
    "fewer images": ({IMAGES: fewer(29)[0]}, f"29 images, but .*{LABELS}.* 30 labels"),
    "fewer labels": ({LABELS: fewer(28)[1]}, "30 images, but .* 28 labels"),
    "fewer of both": (
        dict(zip((IMAGES, LABELS), fewer(29), strict=True)),
        r"shape \(29, 4, 4\), expected \(30, 4, 4\)",
    ),
    "label 17": ({LABELS: with_label_17(LABELS)}, "label 17 at position 5, expected 0 to 9"),
    "other order of axes": (
        {IMAGES: header(IMAGES, 30, 2, 8)},
        r"shape \(30, 2, 8\), expected \(30, 4, 4\)",
    ),
    "web page": ({IMAGES: HTML}, "a web page, not an IDX file .*<!DOCTYPE html>"),
}


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(("damaged", "message"), DAMAGES.values(), ids=DAMAGES.keys())
def test_each_damage_of_a_file_is_named(tmp_path, small, damaged, message, zipped):
    small()
    root = write_files(tmp_path / "root", small_files() | damaged, zipped)
    with pytest.raises(DataError, match=message) as caught:
        data.prepare("mnist", tmp_path / "cache", {"root": str(root)})
    assert next(iter(damaged)) in str(caught.value) and f"into {root}" in str(caught.value)
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("blob", "message"),
    [
        (HTML, "a web page"),
        (ZIPPED[:-1], "its gzip data are cut short, after 496 unpacked bytes"),
        (ZIPPED[: len(ZIPPED) // 2], "its gzip data are cut short, after"),
        (ZIPPED[:-8] + b"\0" * 8, "its gzip data are damaged .*incorrect data check"),
        (ZIPPED[:10] + b"\xff" * 50, "its gzip data are damaged"),
    ],
    ids=["web page", "without its last byte", "half", "wrong checksum", "noise"],
)
def test_a_bad_gz_is_named(tmp_path, small, blob, message):
    small()
    root = write_files(tmp_path / "root", small_files())
    (root / f"{IMAGES}.gz").write_bytes(blob)
    with pytest.raises(DataError, match=f"{IMAGES}.gz: {message}"):
        data.prepare("mnist", tmp_path / "cache", {"root": str(root)})


def test_a_gzip_bomb_is_unpacked_no_further_than_one_byte_too_many():
    bomb = gzip.compress(bytes(50_000_000))
    assert len(idx.unpack(bomb, 1000, "bomb")) == 1001


@pytest.mark.parametrize("stem", STEMS)
def test_any_changed_byte_of_any_file_is_refused(tmp_path, small, stem):
    small()
    root = write_files(tmp_path / "root", small_files(), zipped=False)
    good = small_files()[stem]
    rng = np.random.default_rng(1)
    positions = {0, len(good) - 1, *rng.integers(0, len(good), 40).tolist()}
    for position in positions:
        bad = bytearray(good)
        bad[position] ^= int(rng.integers(1, 256))
        (root / stem).write_bytes(bad)
        with pytest.raises(DataError, match=stem):
            data.prepare("mnist", tmp_path / "cache", {"root": str(root)})
    (root / stem).write_bytes(good)
    assert data.prepare("mnist", tmp_path / "cache", {"root": str(root)})[0].name == "mnist"


def test_a_changed_byte_of_a_gz_is_refused_or_changes_no_pixel(tmp_path, small):
    sha256 = small()
    root = write_files(tmp_path / "root", small_files())
    refused = 0
    for position in range(len(ZIPPED)):
        bad = bytearray(ZIPPED)
        bad[position] ^= 0x55
        (root / f"{IMAGES}.gz").write_bytes(bad)
        try:
            dataset, _ = data.prepare("mnist", tmp_path / "cache", {"root": str(root)}, write=False)
        except DataError:
            refused += 1
        else:
            # Bytes of the gzip header, such as a time stamp.
            arrays = [
                dataset.train_images,
                dataset.train_labels,
                dataset.test_images,
                dataset.test_labels,
            ]
            assert position < 10 and written_out_digest(arrays) == sha256
    assert refused >= len(ZIPPED) - 10


def test_a_valid_file_with_another_content_names_both_hashes(tmp_path, small):
    small()
    images = small_arrays()[0] ^ 1
    root = write_files(tmp_path / "root", small_files() | {IMAGES: idx_bytes(images)})
    digest, expected = (
        hashlib.sha256(idx_bytes(array)).hexdigest() for array in (images, small_arrays()[0])
    )
    with pytest.raises(
        DataError, match=f"{IMAGES}.gz: SHA-256 .* is {digest}, expected {expected}.*into {root}"
    ):
        data.prepare("mnist", tmp_path / "cache", {"root": str(root)})
