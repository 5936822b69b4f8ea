"""What is timed is what the tables name: each network is made, of the sizes that it states."""

import numpy as np
import pytest

from benchmarks import contestants
from benchmarks.nets import NETS
from runner.engine.dezero import named_parameters


@pytest.mark.parametrize("name", NETS)
def test_ours_is_the_network_that_the_floor_is_measured_for(name, tmp_path):
    rng, net = np.random.default_rng(0), NETS[name]
    for part in ("train", "test"):
        np.save(tmp_path / f"{part}_images.npy", rng.integers(0, 256, (100, 1, 28, 28), np.uint8))
        np.save(tmp_path / f"{part}_labels.npy", rng.integers(0, 10, 100, np.uint8))
    ours = contestants.build(contestants.OURS, net, tmp_path, threads=1)
    losses = ours.train(2)
    assert losses[0] == pytest.approx(np.log(10), abs=1) and losses[1] != losses[0]
    shared = contestants.build(contestants.OURS, net, tmp_path, threads=2)
    assert shared.train(2) == losses
    sizes = [parameter.data.size for parameter in named_parameters(ours.model).values()]
    assert sum(sizes) == net.n_parameters
    assert 0 <= ours.evaluate(1) <= 1
