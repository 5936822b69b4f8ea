"""Calls of a tape that become one: which ones do, and that one has the bits of several.

Whole trainings of such nets are compared in test_captured.py.
"""

import sys
import textwrap

import numpy as np
import own_models
import pytest

from runner.engine import cpu
from runner.engine.captured.tape import Tape
from runner.engine.cpu.images.windows import relu_max_pool
from runner.engine.dezero import named_parameters, no_grad
from runner.engine.dezero import test_mode as in_test_mode
from runner.engine.fast import Fast
from runner.engine.forward import forward
from runner.engine.loop import NO_UPDATE, step
from runner.engine.update.flat import FlatParameters
from runner.seeding import Masks

LAYERS = {
    "conv": "L.Conv2d(3, kernel_size=3, pad=1)",
    "inner": "L.Conv2d(2, kernel_size=3, pad=1)",
    "bare": "L.Conv2d(3, kernel_size=3, pad=1, nobias=True)",
    "fc1": "L.Linear(20)",
    "fc2": "L.Linear(15)",
    "out": "L.Linear(10)",
}
NET = """
class Net(Model):
    def __init__(self):
        super().__init__()
{}

    def forward(self, x):
{}
"""
LINEAR_BACK = ["softmax_cross_entropy", "linear_gradients"]
#: By the lines of a forward pass, the kernels of a step and of a forward pass in test mode.
NETS = {
    "linear, ReLU": (
        "return self.out(F.relu(self.fc1(F.flatten(x))))",
        ["linear_relu", "linear", *LINEAR_BACK, "linear_relu_gradients"],
        ["linear_relu", "linear"],
    ),
    "linear, linear, ReLU": (
        "return self.out(F.relu(self.fc2(self.fc1(F.flatten(x)))))",
        ["linear", "linear_relu", "linear", *LINEAR_BACK, "linear_relu_gradients",
         "linear_gradients"],
        ["linear", "linear_relu", "linear"],
    ),
    "linear, ReLU, dropout": (
        "return self.out(F.dropout(F.relu(self.fc1(F.flatten(x)))))",
        ["linear_relu", "linear", *LINEAR_BACK, "linear_relu_gradients"],
        ["linear_relu", "linear"],
    ),
    "dropout of what somebody else reads": (
        "h = F.relu(self.fc1(F.flatten(x)))\nF.dropout(h)\nreturn self.out(h)",
        ["linear_relu", "dropout", "linear", *LINEAR_BACK, "linear_relu_gradients"],
        ["linear_relu", "linear"],
    ),
    "linear, tanh, dropout": (
        "return self.out(F.dropout(F.tanh(self.fc1(F.flatten(x)))))",
        ["linear", "tanh", "dropout", "linear", *LINEAR_BACK, "dropout", "tanh_gradient",
         "linear_gradients"],
        ["linear", "tanh", "linear"],
    ),
    "a sum that somebody else reads": (
        "h = self.fc1(F.flatten(x))\nF.tanh(h)\nreturn self.out(F.relu(h))",
        ["linear", "tanh", "relu", "linear", *LINEAR_BACK, "relu_gradient", "linear_gradients"],
        ["linear", "tanh", "relu", "linear"],
    ),
    "convolution, ReLU": (
        "return self.out(F.flatten(F.relu(self.conv(x))))",
        ["conv_then_relu", "linear", *LINEAR_BACK, "relu_gradient", "conv_gradients"],
        ["conv_then_relu", "linear"],
    ),
    "convolution without bias, ReLU": (
        "return self.out(F.flatten(F.relu(self.bare(x))))",
        ["conv", "relu", "linear", *LINEAR_BACK, "relu_gradient", "conv_gradients"],
        ["conv", "relu", "linear"],
    ),
    "convolution, ReLU, pool": (
        "return self.out(F.flatten(F.pooling(F.relu(self.conv(x)), 2, 2)))",
        ["conv_then_relu_pool", "linear", *LINEAR_BACK, "relu_max_pool_gradient",
         "conv_gradients"],
        ["conv_then_relu_pool", "linear"],
    ),
    "convolution, ReLU, windows that overlap": (
        "return self.out(F.flatten(F.pooling(F.relu(self.conv(x)), 3, 2)))",
        ["conv_then_relu", "max_pool", "linear", *LINEAR_BACK, "max_pool_gradient",
         "relu_gradient", "conv_gradients"],
        ["conv_then_relu", "max_pool", "linear"],
    ),
    "a ReLU that a pool and somebody else read": (
        "h = F.relu(self.conv(x))\nF.tanh(h)\nreturn self.out(F.flatten(F.pooling(h, 2, 2)))",
        ["conv_then_relu", "tanh", "max_pool", "linear", *LINEAR_BACK, "max_pool_gradient",
         "relu_gradient", "conv_gradients"],
        ["conv_then_relu", "tanh", "max_pool", "linear"],
    ),
    "two convolutions": (
        "h = F.relu(self.inner(F.relu(self.conv(x))))\n"
        "return self.out(F.flatten(F.pooling(h, 2, 2)))",
        ["conv_then_relu", "conv_then_relu_pool", "linear", *LINEAR_BACK,
         "relu_max_pool_gradient", "conv_gradients", "relu_gradient", "conv_gradients"],
        ["conv_then_relu", "conv_then_relu_pool", "linear"],
    ),
}  # fmt: skip


@pytest.fixture
def engine():
    return Fast(Masks(0), cpu, records=True)


@pytest.fixture
def made(tmp_path, monkeypatch, engine):
    """Call with the lines of a forward pass: a model, its layers' sizes known, and a batch."""

    def make(lines):
        layers = [f"self.{n} = {made}" for n, made in LAYERS.items() if f"self.{n}(" in lines]
        parts = (textwrap.indent(part, " " * 8) for part in ("\n".join(layers), lines))
        own_models.define(NET.format(*parts), tmp_path, monkeypatch)
        model = __import__(own_models.KIND).Net()
        x = np.random.default_rng(0).random((6, 1, 8, 8), dtype=np.float32)
        with engine.active(), no_grad():
            forward(model, x, engine)
        for parameter in named_parameters(model).values():
            parameter.data = parameter.data.astype(np.float32)
        FlatParameters(model)  # where a gradient has its place
        return model, x, np.arange(6, dtype=np.uint8)

    yield make
    sys.modules.pop(own_models.KIND, None)


def names(tape):
    return [call.kernel.__name__ for call in tape._calls if call.kernel is not np.reshape]


@pytest.mark.parametrize("name", NETS)
def test_what_follows_a_layer_and_nothing_else_reads_is_computed_with_it(name, made, engine):
    lines, of_step, of_test = NETS[name]
    model, x, t = made(lines)
    tape = Tape(model, engine.substitutes, x, t)
    with engine.recorder.recording(tape):
        loss, correct = step(model, NO_UPDATE, engine, x, t)
    assert tape.end(loss.data, correct)
    assert names(tape) == of_step
    (again, _) = tape.replay(x, t, engine.masks)
    assert again.tobytes() == loss.data.tobytes()

    tape = Tape(model, engine.substitutes, x, t)
    with engine.active(), no_grad(), in_test_mode(), engine.recorder.recording(tape):
        y = forward(model, x, engine)
    assert tape.end(y.data)
    assert names(tape) == of_test
    (scores,) = tape.replay(x, t, engine.masks)
    np.testing.assert_array_equal(scores, y.data)


def test_a_pool_has_the_winners_of_its_parts_where_the_bias_makes_numbers_equal():
    random = np.random.default_rng(0)
    # Tenths beside 1000: many that differ are equal with the bias, and some are below zero.
    z = random.integers(-9, 9, (20, 3, 6, 7)).astype(np.float32) * np.float32(1e-5)
    z[0, 0, 0, :2] = np.nan, np.inf
    b = np.array([1000, 0, -2e-5], np.float32)
    y, winners = relu_max_pool(z, b)
    of_parts = cpu.max_pool(cpu.relu(z + b.reshape(-1, 1, 1)), (2, 2), (2, 2), (0, 0))
    np.testing.assert_array_equal(y, of_parts[0])
    np.testing.assert_array_equal(winners[y > 0], of_parts[1][y > 0])
    gy = random.random(y.shape, dtype=np.float32)
    gradient = cpu.relu_max_pool_gradient(gy, winners, y, z.shape, (0, 0))
    parts = cpu.max_pool_gradient(gy, of_parts[1], z.shape, (0, 0))
    with np.errstate(invalid="ignore"):
        expected = cpu.relu_gradient(parts, cpu.relu(z + b.reshape(-1, 1, 1)))
    np.testing.assert_array_equal(gradient, expected)
    assert (winners != relu_max_pool(z, np.zeros(3, np.float32))[1]).any()
