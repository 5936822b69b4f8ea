"""Files from mirrors: checked, kept, not waited for long, and only those that are missing."""

import contextlib
import gzip
import os
import threading
import time
from dataclasses import replace

import pytest
from small_mnist import (
    HTML,
    IMAGES,
    STEMS,
    ZIPPED,
    everything_below,
    good_pages,
    idx_bytes,
    outputs,
    small_arrays,
    small_files,
    start_children,
    write_files,
)

from runner.data import download
from runner.data import loading as data
from runner.data.catalogue import CATALOGUE
from runner.errors import DataError


def test_a_download_is_checked_and_kept_and_not_repeated(tmp_path, small, serve):
    url, asked = serve(good_pages())
    sha256 = small(url)
    dataset, warning = data.prepare("mnist", tmp_path / "cache")
    assert (dataset.sha256, warning, asked) == (sha256, None, [f"{stem}.gz" for stem in STEMS])
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
    "wrong content": (
        gzip.compress(idx_bytes(small_arrays()[0] ^ 1)),
        "SHA-256 of the unpacked file is",
    ),
    "gzip bomb": (gzip.compress(bytes(10_000_000)), "magic number"),
    "not found": (None, "HTTP 404"),
    "out of service": (refuse, "HTTP 503"),
}


@pytest.mark.parametrize(("page", "reason"), BAD_PAGES.values(), ids=BAD_PAGES.keys())
def test_a_bad_mirror_is_asked_once_and_the_next_one_used(tmp_path, small, serve, page, reason):
    bad, asked_bad = serve(good_pages() | {f"{IMAGES}.gz": page})
    good, asked_good = serve(good_pages())
    sha256 = small(bad, good)
    dataset, warning = data.prepare("mnist", tmp_path / "cache")
    assert (dataset.sha256, warning) == (sha256, None)
    assert asked_bad == [f"{IMAGES}.gz"] and asked_good == [f"{stem}.gz" for stem in STEMS]


@pytest.mark.parametrize(("page", "reason"), BAD_PAGES.values(), ids=BAD_PAGES.keys())
def test_with_bad_mirrors_only_no_bad_file_is_left_and_the_reason_is_told(
    tmp_path, small, serve, page, reason
):
    url, asked = serve(good_pages() | {f"{IMAGES}.gz": page})
    small(url)
    with pytest.raises(
        DataError, match=f"{IMAGES}.gz: .*{reason}.*data.root=DIR or MNIST_ROOT=DIR"
    ):
        data.prepare("mnist", tmp_path / "cache", {"allow_fallback": False})
    assert asked == [f"{IMAGES}.gz"] and everything_below(tmp_path) == []


def test_a_mirror_that_never_answers_or_drips_is_given_up(tmp_path, small, serve, monkeypatch):
    monkeypatch.setattr(download, "CONNECT_S", 0.3)
    monkeypatch.setattr(download, "FILE_S", 0.5)
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
            data.prepare("mnist", tmp_path / "cache", {"allow_fallback": False})
        assert time.perf_counter() - start < 3
    finally:
        release.set()


def test_the_debian_packages_folder_is_used_after_the_users_cache(tmp_path, small, monkeypatch):
    sha256 = small()
    system = write_files(tmp_path / "system", small_files())
    (system / f"{STEMS[3]}.gz").unlink()
    write_files(
        tmp_path / "user-cache" / "ablation-runner" / "mnist", {STEMS[3]: small_files()[STEMS[3]]}
    )
    entry = CATALOGUE["mnist"]
    source = replace(entry.source, folders=(str(system),))
    monkeypatch.setitem(CATALOGUE, "mnist", replace(entry, source=source))
    assert data.prepare("mnist", tmp_path / "cache", {"allow_fallback": False})[0].sha256 == sha256


def test_four_processes_that_download_at_once_end_in_one_valid_folder(tmp_path, small, serve):
    url, _ = serve(good_pages())
    sha256 = small(url)
    work = (
        f"CATALOGUE['mnist'] = small_mnist.entry({url!r})\n"
        "dataset, warning = data.prepare('mnist', cache)\n"
        "print(json.dumps([dataset.sha256, warning]))"
    )
    assert outputs(start_children(4, work, tmp_path)) == [[sha256, None]] * 4
    kept = tmp_path / "user-cache" / "ablation-runner" / "mnist"
    assert {path.name: path.read_bytes() for path in kept.iterdir()} == good_pages()
    assert os.listdir(tmp_path / "cache") == [f"mnist-{sha256[:8]}"]
    data.load("mnist", sha256, tmp_path / "cache")


def test_a_process_killed_in_mid_download_leaves_nothing_that_is_taken_as_data(
    tmp_path, small, serve
):
    half_sent, release = threading.Event(), threading.Event()

    def stall(handler):
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(ZIPPED[:100])
        half_sent.set()
        release.wait(20)

    url, _ = serve({f"{IMAGES}.gz": stall})
    work = f"CATALOGUE['mnist'] = small_mnist.entry({url!r})\ndata.prepare('mnist', cache)"
    (process,) = start_children(1, work, tmp_path)
    assert half_sent.wait(20)
    process.kill()
    process.communicate()
    release.set()
    assert everything_below(tmp_path) == ["go"]
    good, _ = serve(good_pages())
    sha256 = small(good)
    assert data.prepare("mnist", tmp_path / "cache", {"allow_fallback": False})[0].sha256 == sha256
