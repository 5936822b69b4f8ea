"""One's own arrays from an .npz file or a folder of .npy files."""

import os
import re

import numpy as np
import pytest

from runner.data import loading
from runner.data.arrays import load
from runner.errors import DataError

X = np.random.default_rng(0).random((20, 3)).astype(np.float32)
T = np.arange(20) % 2
FOUR = (X, T, X[:4] + 1, T[:4])


@pytest.mark.parametrize("is_folder", [False, True])
@pytest.mark.parametrize(
    "names, arrays",
    [
        (("x", "t"), (X, T)),
        (("x", "y"), (X, T)),
        (("train_x", "train_t", "test_x", "test_t"), FOUR),
        (("x_train", "y_train", "x_test", "y_test"), FOUR),
        (("train_images", "train_labels", "test_images", "test_labels"), FOUR),
    ],
)
def test_arrays_are_found_by_their_names(tmp_path, monkeypatch, names, arrays, is_folder):
    named = dict(zip(names, arrays, strict=True)) | {"other": X}
    monkeypatch.chdir(tmp_path)
    if is_folder:
        os.mkdir("faces")
        for name, array in named.items():
            np.save(f"faces/{name}.npy", array)
    else:
        np.savez("faces.npz", **named)
    found = load("faces" if is_folder else "faces.npz")
    assert [array.tobytes() for array in found] == [array.tobytes() for array in arrays]


def test_a_file_is_trained_on_through_its_import_path(tmp_path):
    np.savez(tmp_path / "faces.npz", x=X, t=T)
    arguments = {"path": str(tmp_path / "faces.npz")}
    dataset, warning = loading.prepare("runner.data.arrays.load", tmp_path / "cache", arguments)
    assert (dataset.name, warning, dataset.n_classes) == ("load", None, 2)
    assert dataset.train_images.shape == (16, 3) and dataset.test_images.shape == (4, 3)
    with pytest.raises(DataError, match=r"runner.data.arrays.load .*: missing .* argument: 'path'"):
        loading.prepare("runner.data.arrays.load", tmp_path / "cache")


def refused(path):
    with pytest.raises(DataError) as caught:
        load(str(path))
    return str(caught.value)


def test_other_names_are_told_with_those_that_are_allowed(tmp_path):
    np.savez(tmp_path / "faces.npz", x=X, labels=T)
    text = refused(tmp_path / "faces.npz")
    assert "faces.npz has arrays named x, labels; allowed are train_x, train_t, test_x" in text
    (tmp_path / "empty").mkdir()
    assert "has arrays named (none)" in refused(tmp_path / "empty")


def test_what_is_no_file_of_arrays_is_refused_and_nothing_unpickled(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "unpickled"),)

    objects = np.array([Evil()], dtype=object)
    np.savez(tmp_path / "evil.npz", x=objects, t=objects)
    (tmp_path / "folder").mkdir()
    for name in "xt":
        np.save(tmp_path / "folder" / f"{name}.npy", objects)
    (tmp_path / "text.npz").write_text("no archive")
    (tmp_path / "cut.npz").write_bytes((tmp_path / "evil.npz").read_bytes()[:-30])
    np.save(tmp_path / "one.npy", X)
    os.mkfifo(tmp_path / "fifo.npz")
    pickle = "it holds Python objects (a pickle), or is no NumPy file; save arrays of numbers"
    assert refused(tmp_path / "evil.npz") == f"{tmp_path}/evil.npz cannot be read ({pickle})"
    assert refused(tmp_path / "folder") == f"{tmp_path}/folder/x.npy cannot be read ({pickle})"
    assert refused(tmp_path / "text.npz") == f"{tmp_path}/text.npz cannot be read ({pickle})"
    assert re.search(r"cut.npz cannot be read \(.+\)$", refused(tmp_path / "cut.npz"))
    assert "one.npy is one array; allowed is an .npz file or" in refused(tmp_path / "one.npy")
    assert "is a folder, a FIFO or a device" in refused(tmp_path / "fifo.npz")
    assert "there is no such file or folder below" in refused("nowhere.npz")
    assert not (tmp_path / "unpickled").exists()
