"""The fast engine's functions in a DeZero graph: gradients, their memory and their type."""

import math

import numpy as np
import pytest

from runner.engine import cpu
from runner.engine.cpu.images import pool
from runner.engine.dezero import F, L, Model, Variable, dezero, named_parameters
from runner.engine.functions import fused as functions
from runner.engine.update.flat import FlatParameters


def random(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


# Each function of (x, W, b), DeZero's own form of it, and the shapes of the three.
FUNCTIONS = {
    "ConvReluPool direct": (
        lambda: functions.ConvReluPool(cpu),
        lambda x, W, b: F.pooling(F.relu(F.conv2d(x, W, b, pad=1)), 2, 2),
        ((4, 1, 6, 7), (5, 1, 3, 3), (5,)),
    ),
    "ConvReluPool general": (
        lambda: functions.ConvReluPool(cpu),
        lambda x, W, b: F.pooling(F.relu(F.conv2d(x, W, b, pad=2)), 2, 2),
        ((4, 3, 6, 7), (5, 3, 5, 5), (5,)),
    ),
    "ConvRelu": (
        lambda: functions.ConvRelu(cpu),
        lambda x, W, b: F.relu(F.conv2d(x, W, b, pad=1)),
        ((4, 3, 6, 7), (5, 3, 3, 3), (5,)),
    ),
    "LinearRelu": (
        lambda: functions.LinearRelu(cpu, None),
        lambda x, W, b: F.relu(F.linear(x, W, b)),
        ((4, 6), (6, 5), (5,)),
    ),
    "Linear": (lambda: functions.Linear(cpu), F.linear, ((4, 6), (6, 5), (5,))),
}
each_function = pytest.mark.parametrize("name", FUNCTIONS)


def variables(name, dtype=np.float64):
    shapes = FUNCTIONS[name][2]
    return [Variable(random(*shape, seed=i).astype(dtype)) for i, shape in enumerate(shapes)]


# =============================================================================
# Who gets a gradient
# =============================================================================
@each_function
def test_an_input_that_is_a_plain_array_gets_no_gradient(name):
    x, W, b = variables(name)
    y = FUNCTIONS[name][0]()(x.data, W, b)
    F.sum(y).backward()
    given_x, given_W, given_b = y.creator.inputs
    assert given_x.data is x.data and given_x.grad is None
    assert given_W.grad.shape == W.shape and given_b.grad.shape == b.shape


@each_function
def test_a_second_derivative_is_refused_with_the_way_to_have_it(name):
    y = FUNCTIONS[name][0]()(*variables(name))
    with pytest.raises(
        NotImplementedError, match="^the fast engine gives first derivatives only.*engine=stock$"
    ):
        F.sum(y).backward(create_graph=True)


def test_a_second_derivative_of_the_loss_is_refused_too():
    loss = functions.SoftmaxCrossEntropy(cpu)(Variable(random(3, 4)), np.array([0, 1, 2]))
    with pytest.raises(
        NotImplementedError, match="^the fast engine gives first derivatives only.*engine=stock$"
    ):
        loss.backward(create_graph=True)


class Twice(Model):
    """One linear layer, used twice."""

    def __init__(self):
        super().__init__()
        self.layer = L.Linear(6, in_size=6)
        self.layer.W.data, self.layer.b.data = random(6, 6), random(6, seed=1)


@pytest.mark.parametrize("has_places", [False, True])
@pytest.mark.parametrize(
    "make", [lambda: functions.Linear(cpu), lambda: functions.LinearRelu(cpu, None)]
)
def test_a_parameter_used_twice_gets_the_sum_of_both_gradients(make, has_places):
    model, stock = Twice(), Twice()
    if has_places:
        flat = FlatParameters(model)
    x = random(5, 6, seed=2)
    relu = type(make()) is functions.LinearRelu
    for once in (
        lambda x: make()(x, model.layer.W, model.layer.b),
        lambda x: F.relu(stock.layer(x)) if relu else stock.layer(x),
    ):
        # Two batches without cleargrads between them: DeZero adds their gradients.
        for part in (x[:2], x[2:]):
            F.sum(once(once(part)) * random(6, seed=3)).backward()
    for name, parameter in named_parameters(model).items():
        expected = named_parameters(stock)[name].grad.data
        np.testing.assert_allclose(parameter.grad.data, expected, rtol=1e-12, atol=1e-12)
        # The optimizer's array holds the first summand alone; the sum is a new array.
        assert not has_places or not np.shares_memory(parameter.grad.data, flat.gradients)


def test_a_gradient_is_written_where_the_optimizer_reads_it():
    model = Twice()
    flat = FlatParameters(model)
    F.sum(functions.Linear(cpu)(random(5, 6), model.layer.W, model.layer.b)).backward()
    for parameter in model.params():
        assert np.shares_memory(parameter.grad.data, flat.gradients)
    assert model.layer.b.grad.data.tolist() == [5.0] * 6


# =============================================================================
# Memory
# =============================================================================
@each_function
def test_two_calls_share_no_memory(name):
    x, W, b = variables(name)
    make = FUNCTIONS[name][0]
    first = make()(x, W, b)
    kept = first.data.copy()
    second = make()(Variable(x.data + 1), W, b)
    assert not np.shares_memory(first.data, second.data)
    assert np.array_equal(first.data, kept) and not np.array_equal(second.data, kept)
    # The second call has not changed what the first keeps for its backward pass.
    F.sum(first).backward()
    x2, W2, b2 = variables(name)
    again = make()(x2, W2, b2)
    F.sum(again).backward()
    for v, v2 in ((x, x2), (W, W2), (b, b2)):
        assert v.grad.data.tobytes() == v2.grad.data.tobytes()
        assert not np.shares_memory(v.grad.data, v2.grad.data)


@each_function
def test_no_input_and_no_gradient_from_above_is_written_to(name):
    x, W, b = variables(name)
    before = [v.data.copy() for v in (x, W, b)]
    y = FUNCTIONS[name][0]()(x, W, b)
    for v in (x, W, b):
        v.data.flags.writeable = False
    y.grad = Variable(random(*y.shape, seed=9))
    from_above = y.grad.data
    from_above.flags.writeable = False
    y.backward(retain_grad=True)
    assert np.array_equal(from_above, random(*y.shape, seed=9))
    assert all(np.array_equal(v.data, kept) for v, kept in zip((x, W, b), before, strict=True))


AROUND = {
    "transposed": lambda y: F.transpose(y, tuple(reversed(range(y.ndim)))),
    "sliced": lambda y: F.get_item(y, (slice(None), slice(1, None, 2))),
    "summed": lambda y: F.sum(y, axis=0),
    "reversed": lambda y: F.get_item(y, (slice(None, None, -1),)),
}


@each_function
@pytest.mark.parametrize("around", AROUND)
def test_a_gradient_from_above_may_lie_in_memory_in_any_order(around, name):
    fast, dezeros, _ = FUNCTIONS[name]
    arrays = []
    for compute in (fast(), dezeros):
        inputs = variables(name)
        y = compute(*inputs)
        z = AROUND[around](y)
        F.sum(z * random(*z.shape, seed=7)).backward()
        arrays.append([v.grad.data for v in inputs])
    for of_fast, of_dezero in zip(*arrays, strict=True):
        np.testing.assert_allclose(of_fast, of_dezero, rtol=1e-12, atol=1e-12)


@each_function
@pytest.mark.parametrize("which", ["x", "W"])
def test_an_input_may_lie_in_memory_in_any_order(which, name):
    fast, dezeros, _ = FUNCTIONS[name]
    arrays = []
    for compute in (fast(), dezeros):
        inputs = dict(zip("xWb", variables(name), strict=True))
        inputs[which].data = np.asfortranarray(inputs[which].data)
        assert not inputs[which].data.flags.c_contiguous
        y = compute(*inputs.values())
        F.sum(y * random(*y.shape, seed=7)).backward()
        arrays.append([y.data, *(v.grad.data for v in inputs.values())])
    for of_fast, of_dezero in zip(*arrays, strict=True):
        np.testing.assert_allclose(of_fast, of_dezero, rtol=1e-12, atol=1e-12)


# =============================================================================
# Types
# =============================================================================
@each_function
def test_float32_gives_float32(name):
    x, W, b = variables(name, np.float32)
    y = FUNCTIONS[name][0]()(x, W, b)
    F.sum(y).backward()
    assert {a.dtype.name for a in (y.data, x.grad.data, W.grad.data, b.grad.data)} == {"float32"}


def test_the_loss_of_float32_scores_and_its_gradient_are_float32():
    y = Variable(random(4, 3).astype(np.float32))
    loss = functions.SoftmaxCrossEntropy(cpu)(y, np.array([0, 1, 2, 0], dtype=np.uint8))
    (loss * 0.5).backward()
    assert loss.shape == () and loss.data.dtype == np.float32 and y.grad.data.dtype == np.float32


# =============================================================================
# Numbers that are not finite
# =============================================================================
PARAMETERS = [
    f"{layer}/{p}"
    for layer in ("block1/conv1", "block2/conv1", "fc1/linear", "out")
    for p in ("W", "b")
]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", PARAMETERS)
def test_a_weight_that_is_not_finite_shows_in_the_loss_where_it_does_in_dezero(
    name, value, new_run, mnist
):
    finite = {}
    for engine in ("fast", "stock"):
        run = new_run(engine=engine, image_shape=(1, 28, 28), blocks=[[2], [3]], dropout=False)
        named_parameters(run.model)[name].data.flat[0] = value
        # Corners of these images are zero, and zero times infinity is not a number.
        x, t = run.engine.pixels(mnist.train_images, np.arange(20), 255.0), mnist.train_labels[:20]
        assert not x[:, :, :4, :4].any()
        with np.errstate(all="ignore"):
            loss, _ = run.engine.loss(run.model(x), t)
        finite[engine] = math.isfinite(float(loss.data))
    assert finite["fast"] == finite["stock"]
    # A bias of minus infinity only makes the ReLU 0, which leaves the loss finite.
    assert not finite["fast"] or value == -math.inf


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("size", [6, 7], ids=["even", "odd"])
@pytest.mark.parametrize("k", [1, 3])
def test_a_pixel_that_is_not_finite_passes_relu_and_pool_as_in_dezero(k, size, value):
    W, b = np.ones((2, 2, k, k)), np.zeros(2)
    for at in np.ndindex(size, size):
        x = np.ones((1, 2, size, size))
        x[0, 0][at] = value
        with np.errstate(all="ignore"):
            expected = F.pooling(F.relu(F.conv2d(x, W, b, pad=k // 2)), 2, 2).data
            pooled = functions.ConvReluPool(cpu)(x, W, b).data
        np.testing.assert_array_equal(pooled, expected, err_msg=f"pixel {at}")


@pytest.mark.parametrize("corner", range(4))
def test_a_product_that_is_not_a_number_passes_the_pool_from_any_corner(corner):
    z = np.arange(1.0, 5.0).reshape(1, 1, 2, 2)
    z.reshape(-1)[corner] = math.nan
    y, winners = np.empty((1, 1, 1)), np.empty((1, 1, 1), dtype=np.int8)
    pool.bias_relu_pool(z, np.zeros(1), y, winners)
    assert math.isnan(y.item()) and winners.item() == corner


def test_scores_that_are_not_numbers_make_a_loss_that_is_not_one():
    for value in (math.nan, math.inf):
        for at in np.ndindex(2, 3):
            scores = random(2, 3)
            scores[at] = value
            loss = functions.SoftmaxCrossEntropy(cpu)(scores, np.array([0, 1]))
            assert math.isnan(float(loss.data)), (value, at)
    unlikely = np.array([[0.0, -math.inf]])
    assert functions.SoftmaxCrossEntropy(cpu)(unlikely, np.array([0])).data == 0
    assert functions.SoftmaxCrossEntropy(cpu)(unlikely, np.array([1])).data == math.inf


def test_in_test_mode_and_without_a_graph_the_functions_keep_no_way_back(new_run):
    run = new_run(engine="fast")
    x = random(3, 1, 8, 8).astype(np.float32)
    with dezero.no_grad(), dezero.test_mode():
        y = run.model(x)
    assert y.creator is None
    assert np.array_equal(y.data, new_run(engine="fast", dropout=False).model(x).data)
