"""The data set of a process's runs, as a worker on the CPU reads it."""

from types import SimpleNamespace

import numpy as np
import pytest

from runner.data import loading
from runner.errors import DataError
from runner.state.root import Root
from runner.train import device_data


@pytest.fixture
def load(tmp_path):
    root = Root(tmp_path)
    sha256 = {name: loading.prepare(name, root.data)[0].sha256 for name in ("digits", "mnist5k")}

    def load(name, **part):
        config = SimpleNamespace(data={"_target_": f"runner.data.sets.{name}", **part})
        planned = SimpleNamespace(
            device="cpu", config=config, data_name=name, data_sha256=sha256[name]
        )
        return device_data.load(planned, root, SimpleNamespace(asarray=np.asarray))

    return load


def test_the_bytes_of_a_data_set_are_hashed_once_a_process(load, monkeypatch):
    hashed, digest = [], loading._digest
    monkeypatch.setattr(
        loading, "_digest", lambda arrays: (hashed.append(len(arrays[0])), digest(arrays))[1]
    )
    for _ in range(2):
        assert len(load("digits").train_images) == 1442
        assert len(load("mnist5k").train_images) == 4000
        assert len(load("digits", n_train=100).train_images) == 100
    assert hashed == [1442, 4000]


def test_a_data_set_that_was_refused_is_looked_at_again(load, tmp_path):
    (path,) = Root(tmp_path).data.glob("digits-*/train_images.npy")
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(DataError, match="SHA-256"):
        load("digits")
    path.write_bytes(whole)
    assert len(load("digits").train_images) == 1442
