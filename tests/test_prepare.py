"""The data that a command's configurations ask for: found once, kept only when it trains."""

import os
from dataclasses import replace

import pytest
from configs import configured

from runner.errors import ConfigError, DataError
from runner.prepare import Sources
from runner.state.root import Root

MINE = """
import numpy as np

calls = []

def load(n=50):
    calls.append(n)
    return np.random.default_rng(0).random((n, 6)), np.arange(n) % 3

def flip(x, rng):
    calls.append("flip")
    return x[:, ::-1]
"""


@pytest.fixture
def sources(own_module, tmp_path):
    own_module(MINE)
    return Sources(Root(tmp_path / "root"), write=True)


def asking(n=50, batch_size=10, **options):
    data = {"_target_": "mine.load", "name": "load", "n": n, **options}
    config = configured({"train.batch_size": batch_size}, model="mlp")
    return replace(config, data=config.data | data)


def test_a_function_is_called_once_a_command_and_its_arrays_kept_when_it_trains(sources):
    import mine

    datasets = [sources.of(asking(n, n_train=k)) for n in (50, 60) for k in (None, 20, 30)]
    assert mine.calls == [50, 60] and len(set(map(id, datasets))) == 2
    assert not sources.root.data.exists()
    assert sources.keep() == []
    folders = sorted(f"load-{dataset.sha256[:8]}" for dataset in set(datasets))
    assert sorted(os.listdir(sources.root.data)) == folders and mine.calls == [50, 60]


def test_what_a_run_reads_is_found_by_its_hash_whatever_its_name(sources):
    from types import SimpleNamespace

    for n in (50, 60):
        run = SimpleNamespace(data_sha256=sources.of(asking(n)).sha256)
        assert len(sources.read_by(run).train_images) + len(sources.read_by(run).test_images) == n
        assert sources.entry(run).n_classes == 3 and sources.entry(run).image_shape == (6,)


REFUSED = [
    (dict(n_train=42), "data.n_train=42: allowed is an integer from 1 to 41"),
    (dict(validation=41), "data.validation=41: allowed is an integer from 0 to 40"),
    (
        dict(n_train=20, batch_size=21),
        "train.batch_size=21: allowed is an integer from 1 to 20, the number of training images",
    ),
    (dict(validation=31, batch_size=11), "train.batch_size=11: allowed is an integer from 1 to 10"),
    (dict(augment="mine.flop"), "data.augment=mine.flop: the module mine has no flop"),
]


@pytest.mark.parametrize(("options", "text"), REFUSED, ids=str)
def test_what_the_data_cannot_give_is_refused_before_anything_is_written(sources, options, text):
    with pytest.raises(ConfigError, match=f"^{text}"):
        sources.of(asking(**options))
    assert not sources.root.path.exists()


def test_an_augmentation_is_tried_once_for_a_data_set(sources):
    import mine

    for seed in (0, 1):
        sources.of(replace(asking(augment="mine.flip"), seed=seed))
    sources.of(asking(60, augment="mine.flip"))
    assert mine.calls == [50, "flip", 60, "flip"]


def test_own_data_that_cannot_be_had_end_with_the_code_of_data(sources):
    with pytest.raises(DataError, match=r"^mine.load \(mine.py:6\): got an unexpected") as caught:
        sources.of(asking(sise=3))
    assert caught.value.exit_code == 3
