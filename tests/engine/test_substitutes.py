"""When our functions stand in the place of DeZero's, and when DeZero's own are called."""

import numpy as np
import pytest

from runner.engine import cpu
from runner.engine.dezero import F, L, Model, Variable, computed_by, dezero, named_parameters
from runner.engine.functions import fused as fast_functions
from runner.engine.functions import unfused
from runner.engine.functions.fused import Constant
from runner.engine.functions.substitutes import Substitutes
from runner.engine.update.flat import FlatParameters

IN_TRAINING = Substitutes(cpu)
IN_FLOAT64 = Substitutes(cpu, (np.float32, np.float64))


def random(*shape, dtype=np.float32, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def creator(compute, *arrays):
    return type(compute(*(Variable(a) for a in arrays)).creator)


# =============================================================================
# Which function is called
# =============================================================================
def test_nothing_is_replaced_outside_of_the_block_nor_after_an_error_in_it():
    x = random(2, 3)
    assert creator(F.relu, x) is F.ReLU
    with pytest.raises(ZeroDivisionError), computed_by(IN_TRAINING):
        assert creator(F.relu, x) is unfused.Relu
        with computed_by(None):
            assert creator(F.relu, x) is F.ReLU
        assert creator(F.relu, x) is unfused.Relu
        raise ZeroDivisionError
    assert creator(F.relu, x) is F.ReLU


def test_a_function_is_replaced_however_it_is_named():
    from dezero.functions import relu

    with computed_by(IN_TRAINING):
        assert creator(relu, random(2, 3)) is unfused.Relu
        assert creator(F.ReLU(), random(2, 3)) is unfused.Relu
        assert creator(L.Linear(4), random(2, 3)) is unfused.Linear
        assert creator(L.Conv2d(4, 3), random(2, 1, 5, 5)) is unfused.Conv2d
        assert creator(L.BatchNorm(), random(2, 3)) is unfused.BatchNorm


class _MyRelu(F.ReLU):
    def forward(self, x):
        return np.minimum(x, 6.0)


LEFT_TO_DEZERO = {
    "float64": (F.tanh, [random(2, 3, dtype=np.float64)]),
    "float16": (F.tanh, [random(2, 3, dtype=np.float16)]),
    "integers": (F.relu, [np.arange(3)]),
    "two types": (F.linear, [random(2, 3), random(3, 4, dtype=np.float64), random(4)]),
    "a bias to broadcast": (F.linear, [random(2, 3), random(3, 4), random(1, 4)]),
    "rows of a sequence": (F.linear, [random(5, 2, 3), random(3, 4), random(4)]),
    "a user's subclass": (_MyRelu(), [random(2, 3)]),
    "nothing": (F.relu, [random(0, 3)]),
    "labels in a column": (F.softmax_cross_entropy, [random(2, 3), np.array([[0], [1]])]),
    "labels from the end": (F.softmax_cross_entropy, [random(2, 3), np.array([0, -1])]),
    "deconvolution": (F.deconv2d, [random(2, 3, 4, 4), random(3, 2, 3, 3)]),
}


@pytest.mark.parametrize("what", LEFT_TO_DEZERO)
def test_what_no_kernel_is_for_is_dezeros_own(what):
    compute, arrays = LEFT_TO_DEZERO[what]
    expected = compute(*(Variable(a) for a in arrays))
    with computed_by(IN_TRAINING):
        y = compute(*(Variable(a) for a in arrays))
    assert type(y.creator) is type(expected.creator)
    assert y.data.dtype == expected.data.dtype and np.array_equal(y.data, expected.data)


REFUSED = {
    "columns": (F.linear, [random(2, 3), random(4, 5), random(5)]),
    "bias": (F.linear, [random(2, 3), random(3, 5), random(4)]),
    "channels": (F.conv2d, [random(2, 3, 5, 5), random(4, 2, 3, 3)]),
    "kernel": (F.conv2d, [random(2, 3, 2, 2), random(4, 3, 5, 5)]),
    "window": (lambda x: F.pooling(x, 5), [random(2, 3, 2, 2)]),
    "label": (F.softmax_cross_entropy, [random(2, 3), np.array([0, 3])]),
    "labels": (F.softmax_cross_entropy, [random(2, 3), np.array([0, 1, 1])]),
    "images": (L.BatchNorm(), [random(2, 3, 4)]),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_dezero_refuses_is_refused_with_its_words(what):
    compute, arrays = REFUSED[what]
    with pytest.raises(Exception) as of_dezero:  # noqa: B017, PT011
        compute(*arrays)
    with computed_by(IN_TRAINING), pytest.raises(of_dezero.type) as ours:
        compute(*arrays)
    assert str(ours.value) == str(of_dezero.value)


# =============================================================================
# Where gradients go
# =============================================================================
class Net(Model):
    """One of DeZero's layers and functions after the other."""

    def __init__(self):
        super().__init__()
        np.random.seed(3)
        self.conv1, self.conv2 = L.Conv2d(4, 3, pad=1), L.Conv2d(5, (3, 2), stride=2, nobias=True)
        self.norm, self.fc, self.out = L.BatchNorm(), L.Linear(8), L.Linear(3, nobias=True)

    def forward(self, x):
        x = F.leaky_relu(self.norm(self.conv1(x)))
        x = F.tanh(F.average_pooling(self.conv2(x), 2))
        return self.out(F.sigmoid(self.fc(F.flatten(x))))


def trained(compute, is_flat, n_steps=3):
    model = Net()
    x, t = random(6, 1, 10, 9), np.array([0, 1, 2, 0, 1, 2])
    model(x)
    optimizer = dezero.optimizers.SGD(0.1).setup(model)
    flat = FlatParameters(model) if is_flat else None
    losses = []
    for _ in range(n_steps):
        with computed_by(compute):
            loss = F.softmax_cross_entropy(model(x), t)
            model.cleargrads()
            loss.backward()
        if flat:
            for parameter in model.params():
                # Running averages get none.
                assert (parameter.grad is None) == parameter.name.startswith("avg_")
                assert parameter.grad is None or np.shares_memory(
                    parameter.grad.data, flat.gradients
                )
        optimizer.update()
        losses.append(float(loss.data))
    return losses, {name: p.data for name, p in named_parameters(model).items()}


@pytest.mark.parametrize("is_flat", [False, True])
def test_a_model_of_dezeros_layers_trains_as_by_dezero(is_flat):
    expected, weights = trained(None, False)
    losses, ours = trained(IN_TRAINING, is_flat)
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    assert list(ours) == list(weights) and expected[0] > expected[-1]
    for name in weights:
        np.testing.assert_allclose(ours[name], weights[name], rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.mark.parametrize(
    "before",
    [
        lambda x: x,
        lambda x: F.reshape(x, (len(x), 1, 9, 10)),
        lambda x: F.relu(F.transpose(x, (0, 1, 3, 2))),
        lambda x: F.average_pooling(x, 2)[:, :, :, ::-1] * 2.0,
    ],
    ids=["the images", "reshaped", "transposed", "pooled, mirrored and scaled"],
)
def test_what_is_computed_from_images_alone_gets_no_gradient(before):
    layer, x = L.Conv2d(4, 3, pad=1), random(6, 1, 10, 9)
    expected = layer(before(x))
    with computed_by(IN_TRAINING):
        y, of_variable = layer(before(x)), layer(before(Variable(x)))
    np.testing.assert_allclose(y.data, expected.data, rtol=1e-5, atol=1e-5)
    assert not y.creator.want_gx and of_variable.creator.want_gx
    F.sum(y).backward()
    (given, *_) = y.creator.inputs
    assert given.grad is None and given.creator is None


def test_a_fused_layer_computes_no_gradient_for_reshaped_images_either():
    W, b = Variable(random(9, 4)), Variable(random(4))
    with computed_by(IN_TRAINING):
        x = F.flatten(random(5, 1, 3, 3))
        F.sum(fast_functions.LinearRelu(cpu, None)(x, W, b)).backward()
    assert type(x) is Constant and x.grad is None and W.grad.shape == W.shape


# =============================================================================
# What DeZero's own public tests try
# =============================================================================
def conv(kernel, stride, pad, size=(20, 15), n_out=3, bias=True):
    arrays = [(1, 5, *size), (n_out, 5, *kernel)] + [(n_out,)] * bias
    return lambda *a: F.conv2d(*a, *([] if bias else [None]), stride, pad), arrays


PUBLIC = {
    "conv2d, padded": conv((3, 3), (1, 1), (1, 1), (15, 15), 8, bias=False),
    "conv2d, strides and pads that differ": conv((3, 3), (3, 1), (2, 1), (15, 15), 8, bias=False),
    "conv2d, kernel and image not square": conv((5, 3), 1, 3),
    "conv2d_simple": (lambda x, W, b: F.conv2d_simple(x, W, b, 1, 3), conv((5, 3), 1, 3)[1]),
    "deconv2d": (
        lambda x, W, b: F.deconv2d(x, W, b, (5, 5), (5, 5)),
        [(2, 1, 3, 4), (1, 3, 10, 10), (3,)],
    ),
    "im2col": (lambda x: F.im2col(x, (3, 3), (1, 2), (1, 1)), [(2, 3, 7, 8)]),
    "pooling": (lambda x: F.pooling(x, 2, 2, 0), [(1, 5, 16, 16)]),
    "pooling, a row too much": (lambda x: F.pooling(x, 2, 2, 0), [(1, 5, 15, 15)]),
    "pooling_simple": (lambda x: F.pooling_simple(x, 2, 2, 0), [(1, 5, 16, 16)]),
    "linear": (F.linear, [(3, 2), (2, 3), (3,)]),
    "linear without bias": (F.linear, [(10, 20), (20, 30)]),
    "get_item, a row": (lambda x: F.get_item(x, 1), [(4, 3)]),
    "get_item, a slice": (lambda x: x[1:3], [(4, 3)]),
    "get_item, a column": (lambda x: F.get_item(x, (Ellipsis, 2)), [(2, 2, 3)]),
    "add, broadcast": (lambda a, b: a + b, [(3, 3), (3, 1)]),
    "sub, broadcast": (lambda a, b: a - b, [(3, 1), (3, 3)]),
    "mul, broadcast": (lambda a, b: a * b, [(3, 3), (3,)]),
    "div, broadcast": (lambda a, b: a / (b * b + 1), [(3, 3), (1, 3)]),
    "broadcast_to": (lambda x: F.broadcast_to(x, (2, 3, 3)), [(3, 1)]),
    "sum over axes": (lambda x: F.sum(x, axis=(0, 2)), [(2, 3, 4)]),
    "matmul": (F.matmul, [(3, 2), (2, 3)]),
    "transpose": (lambda x: F.transpose(x, (1, 0, 2)), [(2, 3, 4)]),
    "max": (lambda x: F.max(x, axis=1), [(5, 6)]),
    "relu": (F.relu, [(10, 20)]),
    "sigmoid": (F.sigmoid, [(10, 20)]),
    "softmax": (F.softmax, [(10, 20)]),
    "softmax cross-entropy": (
        lambda x: F.softmax_cross_entropy(x, np.arange(10) % 5),
        [(10, 5)],
    ),
    "mean squared error": (F.mean_squared_error, [(10,), (10,)]),
    "a sequence by LSTM": (lambda a, b: lstm(a, b), [(4, 3), (4, 3)]),
}


def lstm(*sequence):
    np.random.seed(0)
    layer = L.LSTM(5)
    for x in sequence:
        h = layer(x)
    return h


def batch_norm(x, gamma, beta):
    n = gamma.shape[0]
    return F.batch_nrom(x, gamma, beta, random(n, dtype=x.dtype), abs(random(n, dtype=x.dtype)) + 1)


BATCH_NORMS = [(8, 1), (1, 10), (20, 10), (20, 10, 5, 5)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("what", PUBLIC)
def test_what_dezeros_tests_try_comes_out_the_same(what, dtype):
    compute, shapes = PUBLIC[what]
    found = []
    for with_ours in (None, IN_FLOAT64):
        arrays = [Variable(random(*s, dtype=dtype, seed=i)) for i, s in enumerate(shapes)]
        with computed_by(with_ours):
            y = compute(*arrays)
            y.backward()
        found.append([y.data, *(v.grad.data for v in arrays)])
    tolerance = 1e-7 if dtype is np.float64 else 1e-4
    for expected, ours in zip(*found, strict=True):
        assert ours.shape == expected.shape
        np.testing.assert_allclose(ours, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("is_training", [False, True])
@pytest.mark.parametrize("shape", BATCH_NORMS, ids=str)
def test_batch_normalisation_comes_out_the_same_in_both_modes(shape, is_training):
    arrays = random(*shape), random(shape[1], seed=1), random(shape[1], seed=2)
    outputs = []
    for compute in (None, IN_TRAINING):
        with computed_by(compute), dezero.core.using_config("train", is_training):
            outputs.append(batch_norm(*arrays).data)
    np.testing.assert_allclose(outputs[1], outputs[0], rtol=1e-4, atol=1e-5)
    assert outputs[1].dtype == np.float32


@pytest.mark.parametrize(
    "compute, shapes, which",
    [
        (lambda x, W, b: F.conv2d(x, W, b, 1, 3), [(1, 2, 8, 6), (3, 2, 5, 3), (3,)], 0),
        (lambda x, W, b: F.conv2d(x, W, b, 1, 3), [(1, 2, 8, 6), (3, 2, 5, 3), (3,)], 1),
        (lambda x, W, b: F.conv2d(x, W, b, 1, 3), [(1, 2, 8, 6), (3, 2, 5, 3), (3,)], 2),
        (F.linear, [(3, 2), (2, 3), (3,)], 0),
        (batch_norm, [(8, 3), (3,), (3,)], 0),
        (batch_norm, [(4, 3, 5, 5), (3,), (3,)], 0),
        (batch_norm, [(4, 3, 5, 5), (3,), (3,)], 1),
        (F.relu, [(10, 10)], 0),
        (F.sigmoid, [(10, 10)], 0),
    ],
)
def test_dezeros_gradient_check_passes_with_our_functions(compute, shapes, which):
    arrays = [random(*shape, dtype=np.float64, seed=i) for i, shape in enumerate(shapes)]

    def of_one(x):
        return compute(*arrays[:which], x, *arrays[which + 1 :])

    with computed_by(IN_FLOAT64):
        assert dezero.utils.gradient_check(of_one, arrays[which])
