"""A FIFO, a folder or a device in the place of a file of data is named, and not waited for."""

import os
import signal

import pytest
from small_mnist import IMAGES, small_files, write_files

from runner.data import loading as data
from runner.errors import DataError


def to_itself(path):
    path.symlink_to(path)


NO_FILES = {
    "a FIFO": (os.mkfifo, "is a folder, a FIFO or a device, not a file"),
    "a folder": (os.mkdir, "is a folder, a FIFO or a device, not a file"),
    "a device": (
        lambda path: path.symlink_to("/dev/zero"),
        "is a folder, a FIFO or a device, not a file",
    ),
    "a symlink to itself": (to_itself, "cannot be read .*symbolic links"),
}


@pytest.fixture
def two_seconds():
    """Raises in a test that waits for longer, such as for a writer of a FIFO."""

    def late(*_):
        raise TimeoutError("it hangs")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(2)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("spelling", [f"{IMAGES}.gz", IMAGES])
@pytest.mark.parametrize("kind", NO_FILES)
def test_what_is_no_file_is_named_at_once(tmp_path, small, two_seconds, kind, spelling):
    small()
    root = write_files(tmp_path / "root", {s: c for s, c in small_files().items() if s != IMAGES})
    make, expected = NO_FILES[kind]
    make(root / spelling)
    with pytest.raises(DataError, match=f"{root / spelling} {expected}.*into {root}") as caught:
        data.prepare("mnist", tmp_path / "cache", {"root": str(root)})
    assert caught.value.exit_code == 3


def test_a_named_folder_that_is_a_fifo_is_refused_at_once(tmp_path, two_seconds, monkeypatch):
    os.mkfifo(tmp_path / "root")
    monkeypatch.setenv("MNIST_ROOT", str(tmp_path / "root"))
    with pytest.raises(DataError, match="cannot be read .Not a directory."):
        data.prepare("mnist", tmp_path / "cache")


def test_a_kept_array_that_is_a_fifo_is_made_anew(tmp_path, small, two_seconds):
    sha256 = small()
    root = write_files(tmp_path / "root", small_files())
    data.prepare("mnist", tmp_path / "cache", {"root": str(root)})
    (kept,) = (tmp_path / "cache").glob("*/train_images.npy")
    kept.unlink()
    os.mkfifo(kept)
    with pytest.raises(DataError, match="train_images.npy is a folder, a FIFO or a device"):
        data.load("mnist", sha256, tmp_path / "cache")
    _, warning = data.prepare("mnist", tmp_path / "cache", {"root": str(root)})
    assert "was damaged and has been made anew" in warning and kept.is_file()
