"""Dropout by DeZero's own function, in a run: the masks of the seed, with DeZero's arithmetic."""

import numpy as np
import pytest

from runner.engine import cpu
from runner.engine.dezero import F, Model, Variable, dezero, masked_test_mode
from runner.engine.forward import forward
from runner.seeding import Masks


@pytest.fixture(params=["stock", "fast"])
def engine(request, new_run):
    return new_run(engine=request.param, seed=2**40 + 5).engine


def computed(engine, x, ratio):
    """What `F.dropout` gives within a forward pass, and the gradient of x."""

    class Net(Model):
        def forward(self, x):
            return F.dropout(x, ratio)

    x = Variable(x)
    y = forward(Net(), x, engine)
    if y is not x:
        F.sum(y * y).backward()
    return y, x.grad


@pytest.mark.parametrize("shape", [(7,), (5, 3), (4, 3, 5, 2)], ids=str)
@pytest.mark.parametrize("ratio", [0.0, 0.2, 0.5, 0.9])
def test_values_and_gradients_are_dezeros_with_the_masks_of_the_run(ratio, shape, engine):
    x = np.random.default_rng(1).standard_normal(shape, dtype=np.float32)
    engine.masks.training(step=3)
    y, gx = computed(engine, x, ratio)
    keep, v = engine.masks.keep("dropout1", shape, ratio), Variable(x)
    expected = v * keep / np.array(1.0 - ratio).astype(np.float32)
    F.sum(expected * expected).backward()
    assert y.data.tobytes() == expected.data.tobytes() and y.data.dtype == np.float32
    assert gx.data.tobytes() == v.grad.data.tobytes()


@pytest.mark.parametrize("first_row", [0, 1, 100])
@pytest.mark.parametrize("shape", [(50,), (50, 3), (7, 3, 5, 5)], ids=str)
def test_the_kernel_keeps_what_masks_keep(shape, first_row):
    masks = Masks(seed=2**63 - 1)
    masks.evaluation(epoch=4, first_row=first_row)
    y = cpu.dropout(np.ones(shape, np.float32), masks.draw("dropout2", 0.3))
    assert np.array_equal(y != 0, masks.keep("dropout2", shape, 0.3))


def test_dropout_is_off_in_test_mode_and_can_be_left_on(engine):
    x = np.ones((6, 9), np.float32)
    with dezero.test_mode():
        assert computed(engine, x, 0.5)[0].data is x
    with masked_test_mode():
        y, _ = computed(engine, x, 0.5)
        assert not dezero.Config.train
    assert set(y.data.ravel()) == {0.0, 2.0}


def test_after_a_pass_that_failed_dropout_is_dezeros_again(engine):
    class Net(Model):
        def forward(self, x):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        forward(Net(), np.ones((1, 1), np.float32), engine)
    assert dezero.Config.computed_dropout is None
