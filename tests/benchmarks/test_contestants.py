"""What is timed is what the tables name: each network is made, of the sizes that it states."""

import numpy as np
import pytest

from benchmarks import contestants
from benchmarks.nets import NETS
from runner.engine.dezero import named_parameters

#: Those that are quick to start; torch.compile takes its time.
PEERS = (contestants.EAGER, contestants.VMAP, contestants.JAX, contestants.JAX_VMAP)


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for part in ("train", "test"):
        np.save(tmp_path / f"{part}_images.npy", rng.integers(0, 256, (100, 1, 28, 28), np.uint8))
        np.save(tmp_path / f"{part}_labels.npy", rng.integers(0, 10, 100, np.uint8))
    return tmp_path


@pytest.mark.parametrize("name", NETS)
def test_ours_is_the_network_that_the_bounds_are_measured_for(name, folder):
    net = NETS[name]
    ours = contestants.build(contestants.OURS, net, folder, threads=1)
    losses = ours.train(2)
    assert losses[0] == pytest.approx(np.log(10), abs=1) and losses[1] != losses[0]
    shared = contestants.build(contestants.OURS, net, folder, threads=2)
    assert shared.train(2) == losses
    parameters = named_parameters(ours.model)
    # DeZero keeps BatchNorm's averages among the parameters; none of them is learned.
    learned = [p.data.size for n, p in parameters.items() if not n.endswith(("_mean", "_var"))]
    assert sum(learned) == net.n_parameters
    assert 0 <= ours.evaluate(1) <= 1


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("contestant", [contestants.FLOAT32, *PEERS])
def test_a_peers_first_loss_is_near_that_of_ten_equal_chances(contestant, name, folder):
    for package in (
        ["jax", "optax"]
        if contestant in contestants.IN_JAX
        else ["torch"] * (contestant in contestants.PYTORCH)
    ):
        pytest.importorskip(package)
    np.random.seed(0)  # DeZero draws its weights there
    peer = contestants.build(contestant, NETS[name], folder, threads=1)
    losses = peer.train(3)
    assert len(losses) == 3 and losses[0] == pytest.approx(np.log(10), abs=0.7)
    assert losses[2] != losses[0]
    assert 0 <= peer.evaluate(1) <= 1


@pytest.mark.parametrize("name", NETS)
def test_a_bound_has_no_losses(name, tmp_path):
    for bound in contestants.BOUNDS:
        made = contestants.build(bound, NETS[name], tmp_path, threads=1)
        assert made.train(2) == [] and made.evaluate(2) == 0
