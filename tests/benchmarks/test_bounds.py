"""The bound of a step: its counts in closed form, and that it is the longer of two times."""

import numpy as np
import pytest

from benchmarks import contestants, counts
from benchmarks.contestants import fma_and_bandwidth
from benchmarks.nets import BATCH, NETS, Net


def test_a_network_without_convolution_has_three_products_a_layer_but_two_in_the_first():
    net = Net(channels=0, hidden=(7,), dropout=False)
    assert counts.linear_multiply_adds(net, training=False) == BATCH * (784 * 7 + 7 * 10)
    assert counts.linear_multiply_adds(net, training=True) == BATCH * (2 * 784 * 7 + 3 * 7 * 10)
    assert counts.convolution_multiply_adds(net, training=True) == 0


def test_a_max_pool_leaves_a_convolution_a_quarter_of_its_pixels_backward():
    net = Net(channels=3, hidden=(7,), dropout=True)
    forward = BATCH * 9 * 3 * 28 * 28
    assert counts.convolution_multiply_adds(net, training=False) == forward
    assert counts.convolution_multiply_adds(net, training=True) == forward + forward // 4
    assert counts.linear_multiply_adds(net, training=True) == 3 * BATCH * (588 * 7 + 7 * 10)


def test_after_batch_norm_every_pixel_has_a_gradient_and_the_second_input_too():
    net = Net(channels=2, hidden=(7,), dropout=False, users=True)
    first, second = BATCH * 9 * 1 * 2 * 28 * 28, BATCH * 9 * 2 * 2 * 28 * 28
    assert counts.convolution_multiply_adds(net, training=False) == first + second
    assert counts.convolution_multiply_adds(net, training=True) == 2 * first + 3 * second


@pytest.mark.parametrize(
    "net, evaluated, trained",
    [
        (Net(0, (7,), False), 7, 7),
        (Net(3, (7,), False), 3 * 196 + 7, 3 * 196 + 7),
        (Net(2, (7,), False, users=True), 2 * (784 + 196) + 7, 2 * (2 * 784 + 196) + 7),
    ],
)
def test_outputs_are_written_once_and_in_training_read_once(net, evaluated, trained):
    pixels = 784 * 5
    assert counts.layer_bytes(net, training=False) == BATCH * (pixels + 4 * evaluated)
    assert counts.layer_bytes(net, training=True) == BATCH * (pixels + 8 * trained)


def test_adam_moves_seven_numbers_a_parameter():
    net = Net(channels=2, hidden=(7,), dropout=False, users=True)
    n = (9 + 1) * 2 + (18 + 1) * 2 + 2 * 2 * 2 + (392 + 1) * 7 + (7 + 1) * 10
    assert net.n_parameters == n and counts.adam_bytes(net) == 28 * n


def test_the_kernel_multiplies_and_adds_as_often_as_it_says():
    x = np.zeros(4, np.float32)
    fma_and_bandwidth.multiply_add(x, np.float32(1), np.float32(1), 3)
    assert x.tolist() == [3 * fma_and_bandwidth._CHAIN] * 4


def test_the_bound_is_the_longer_of_computing_and_copying(tmp_path, monkeypatch):
    bound = contestants.build(contestants.FMA_AND_BANDWIDTH, NETS["conv1_fc100"], tmp_path, 1)
    assert bound.train(2) == [] and bound.bound_s > 0
    asked = []
    monkeypatch.setattr(bound, "_multiply_add", lambda n: asked.append(n) or 1e6)
    bound.train(3)
    assert bound.bound_s == 1e6
    monkeypatch.setattr(bound, "_multiply_add", lambda n: asked.append(n) or 0.0)
    bound.evaluate(2)
    assert 0 < bound.bound_s < 1e6
    net = NETS["conv1_fc100"]
    of_steps = [
        counts.linear_multiply_adds(net, training) + counts.convolution_multiply_adds(net, training)
        for training in (True, False)
    ]
    assert asked == [3 * of_steps[0], 2 * of_steps[1]]
