"""Our functions in the place of DeZero's give DeZero's values and gradients, in float64."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.engine import cpu
from runner.engine.dezero import F, Variable, computed_by, dezero
from runner.engine.functions import unfused
from runner.engine.functions.fused import FirstDerivatives
from runner.engine.functions.substitutes import SUBSTITUTES, Substitutes
from runner.seeding import Masks

IN_FLOAT64 = Substitutes(cpu, (np.float64,))
SIZES, SEEDS = st.integers(1, 9), st.integers(0, 2**32 - 1)
NUMBERS = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    # Sums of small integers are exact in any order: ties and zeros must fall as in DeZero.
    "ties": lambda rng, shape: rng.integers(-1, 2, shape).astype(np.float64),
}
each_numbers = pytest.mark.parametrize("numbers", NUMBERS)

ACTIVATIONS = {
    "relu": F.relu,
    "tanh": F.tanh,
    "sigmoid": F.sigmoid,
    "leaky_relu": F.leaky_relu,
    "leaky_relu 0.01": lambda x: F.leaky_relu(x, 0.01),
}


def results(compute, arrays, weights=None):
    """y, and the gradient of each array for the gradient `weights` of y (by default random)."""
    variables = [a if a is None else Variable(a.copy()) for a in arrays]
    y = compute(*variables)
    if weights is None:
        weights = np.random.default_rng(9).standard_normal(y.shape)
    F.sum(y * weights).backward()
    return y, [y.data, *(v.grad.data for v in variables if v is not None)]


def compare(compute, arrays, tolerance=1e-12):
    _, expected = results(compute, arrays)
    with computed_by(IN_FLOAT64):
        y, computed = results(compute, arrays)
    assert isinstance(y.creator, FirstDerivatives)
    for array, of_dezero in zip(computed, expected, strict=True):
        assert array.shape == of_dezero.shape and array.dtype == of_dezero.dtype == np.float64
        np.testing.assert_allclose(array, of_dezero, rtol=tolerance, atol=tolerance)


@st.composite
def windows(draw, square=False):
    """Kernel, stride, pad, and an image's shape into whose padded form the kernel fits."""
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    kernel = (kernel[0], kernel[0]) if square else kernel
    stride = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    pad = draw(st.tuples(st.integers(0, 3), st.integers(0, 3)))
    sizes = [draw(st.integers(max(1, k - 2 * p), 9)) for k, p in zip(kernel, pad, strict=True)]
    return kernel, stride, pad, (draw(st.integers(1, 3)), draw(st.integers(1, 3)), *sizes)


# =============================================================================
# Against DeZero
# =============================================================================
@each_numbers
@pytest.mark.parametrize("name", ACTIVATIONS)
@given(shape=st.lists(SIZES, min_size=1, max_size=4), seed=SEEDS)
def test_an_activation_is_dezeros(name, numbers, shape, seed):
    compare(ACTIVATIONS[name], [NUMBERS[numbers](np.random.default_rng(seed), shape)])


@given(sizes=st.tuples(SIZES, SIZES, SIZES), has_bias=st.booleans(), seed=SEEDS)
def test_a_linear_layer_is_dezeros(sizes, has_bias, seed):
    n, n_in, n_out = sizes
    rng = np.random.default_rng(seed)
    b = rng.standard_normal(n_out) if has_bias else None
    compare(F.linear, [rng.standard_normal((n, n_in)), rng.standard_normal((n_in, n_out)), b])


@each_numbers
@given(case=windows(), n_out=st.integers(1, 3), has_bias=st.booleans(), seed=SEEDS)
def test_a_convolution_with_any_kernel_stride_and_padding_is_dezeros(
    numbers, case, n_out, has_bias, seed
):
    kernel, stride, pad, shape = case
    rng = np.random.default_rng(seed)
    x, W = (NUMBERS[numbers](rng, s) for s in (shape, (n_out, shape[1], *kernel)))
    b = rng.standard_normal(n_out) if has_bias else None
    compare(lambda x, W, b: F.conv2d(x, W, b, stride, pad), [x, W, b])


@each_numbers
@given(case=windows(), seed=SEEDS)
def test_a_max_pool_is_dezeros(numbers, case, seed):
    kernel, stride, pad, shape = case
    x = NUMBERS[numbers](np.random.default_rng(seed), shape)
    compare(lambda x: F.pooling(x, kernel, stride, pad), [x])


# DeZero's gradient swaps the two sizes of a window that is not square.
@given(case=windows(square=True), seed=SEEDS)
def test_an_average_pool_is_dezeros(case, seed):
    kernel, stride, pad, shape = case
    x = np.random.default_rng(seed).standard_normal(shape)
    compare(lambda x: F.average_pooling(x, kernel, stride, pad), [x])


@given(case=windows(), seed=SEEDS)
def test_the_gradient_of_an_average_pool_is_that_of_a_linear_function(case, seed):
    kernel, stride, pad, shape = case
    rng = np.random.default_rng(seed)
    x, dx = rng.standard_normal(shape), rng.standard_normal(shape)
    y = cpu.average_pool(x, kernel, stride, pad)
    gy = rng.standard_normal(y.shape)
    gx = cpu.average_pool_gradient(gy, shape, kernel, stride, pad)
    change = cpu.average_pool(dx, kernel, stride, pad)
    assert (gx * dx).sum() == pytest.approx((gy * change).sum(), rel=1e-9, abs=1e-9)


@given(
    shape=st.one_of(st.tuples(st.integers(2, 9), SIZES), st.tuples(SIZES, SIZES, SIZES, SIZES)),
    is_training=st.booleans(),
    decay=st.sampled_from([0.9, 0.5]),
    seed=SEEDS,
)
def test_batch_normalisation_and_its_running_averages_are_dezeros(shape, is_training, decay, seed):
    rng, averages = np.random.default_rng(seed), []
    arrays = [rng.standard_normal(s) for s in (shape, shape[1], shape[1])]
    start = rng.standard_normal(shape[1]), rng.random(shape[1]) + 0.5

    def normalise(x, gamma, beta):
        averages.append([a.copy() for a in start])
        return F.batch_nrom(x, gamma, beta, *averages[-1], decay)

    if is_training:
        # With one or two numbers a channel the variance is next to 0, and 1 / sqrt of it large.
        compare(normalise, arrays, tolerance=1e-7 if shape[0] > 3 else 1e-5)
    else:
        with dezero.test_mode(), computed_by(IN_FLOAT64):
            y = normalise(*arrays)
        with dezero.test_mode():
            expected = normalise(*arrays)
        np.testing.assert_allclose(y.data, expected.data, rtol=1e-12, atol=1e-12)
    for of_one, of_other, at_start in zip(*averages, start, strict=True):
        np.testing.assert_allclose(of_one, of_other, rtol=1e-12, atol=1e-12)
        assert np.array_equal(of_one, at_start) != is_training


@given(sizes=st.tuples(SIZES, SIZES), seed=SEEDS)
def test_softmax_cross_entropy_is_dezeros(sizes, seed):
    rng = np.random.default_rng(seed)
    t = rng.integers(0, sizes[1], sizes[0])
    y = rng.standard_normal(sizes)
    _, expected = results(lambda y: F.softmax_cross_entropy(y, t), [y], np.float64(0.3))
    with computed_by(IN_FLOAT64):
        loss, computed = results(lambda y: F.softmax_cross_entropy(y, t), [y], np.float64(0.3))
    assert type(loss.creator) is unfused.SoftmaxCrossEntropy
    for array, of_dezero in zip(computed, expected, strict=True):
        # DeZero's 1 / n is a float32 number (runner/engine/dezero.py).
        np.testing.assert_allclose(array, of_dezero, rtol=1e-7, atol=1e-7)


@given(shape=st.lists(SIZES, min_size=2, max_size=4), ratio=st.sampled_from([0.0, 0.3, 0.9]))
def test_dropout_keeps_what_the_runs_masks_keep(shape, ratio):
    masks, x = Masks(seed=2**40 + 3), np.random.default_rng(0).standard_normal(shape)
    masks.evaluation(epoch=2, first_row=5)
    keep = masks.keep("own", (shape[0], x[0].size), ratio).reshape(shape)
    y = cpu.dropout(x, masks.draw("own", ratio))
    np.testing.assert_array_equal(y, np.where(keep, x / (1.0 - ratio), 0.0))


# =============================================================================
# Every one of them
# =============================================================================
# By the class of DeZero's: a call, and the shapes of its inputs.
CALLS = {
    "ReLU": (F.relu, [(4, 3)]),
    "LeakyReLU": (F.leaky_relu, [(4, 3)]),
    "Tanh": (F.tanh, [(4, 3)]),
    "Sigmoid": (F.sigmoid, [(4, 3)]),
    "Linear": (F.linear, [(4, 3), (3, 5), (5,)]),
    "Conv2d": (lambda x, W, b: F.conv2d(x, W, b, 2, 1), [(2, 3, 6, 7), (4, 3, 3, 2), (4,)]),
    "Pooling": (lambda x: F.pooling(x, 3, 2, 1), [(2, 3, 6, 7)]),
    "AveragePooling": (lambda x: F.average_pooling(x, 3, 2, 1), [(2, 3, 6, 7)]),
    "BatchNorm": (
        lambda x, gamma, beta: F.batch_nrom(
            x, gamma, beta, np.zeros(3, x.dtype), np.ones(3, x.dtype)
        ),
        [(4, 3, 5, 5), (3,), (3,)],
    ),
    "SoftmaxCrossEntropy": (
        lambda y: F.softmax_cross_entropy(y, np.array([0, 2, 1, 1])),
        [(4, 3)],
    ),
}
each_call = pytest.mark.parametrize("name", CALLS)


def inputs_of(name, dtype=np.float64):
    rng = np.random.default_rng(5)
    return [rng.standard_normal(shape).astype(dtype) for shape in CALLS[name][1]]


def test_every_substitute_is_called_here():
    assert sorted(CALLS) == sorted(of_dezero.__name__ for of_dezero in SUBSTITUTES)


@each_call
def test_float32_gives_float32_and_dezeros_numbers_to_rounding(name):
    call, arrays = CALLS[name][0], inputs_of(name, np.float32)
    _, expected = results(call, arrays, np.float32(0.5))
    with computed_by(Substitutes(cpu)):
        y, computed = results(call, arrays, np.float32(0.5))
    assert isinstance(y.creator, FirstDerivatives)
    for array, of_dezero in zip(computed, expected, strict=True):
        assert array.dtype == np.float32
        np.testing.assert_allclose(array, of_dezero, rtol=2e-5, atol=2e-6)


@each_call
def test_second_derivatives_are_dezeros(name):
    call, seconds = CALLS[name][0], []
    for compute in (None, IN_FLOAT64):
        variables = [Variable(a) for a in inputs_of(name)]
        with computed_by(compute):
            y = call(*variables)
            F.sum(y * y * y).backward(create_graph=True)
            x = variables[0]
            gx = x.grad
            for variable in variables:
                variable.cleargrad()
            F.sum(gx * gx).backward()
        seconds.append([y.data, gx.data, *(v.grad.data for v in variables if v.grad is not None)])
    for of_dezero, ours in zip(*seconds, strict=True):
        np.testing.assert_allclose(ours, of_dezero, rtol=1e-9, atol=1e-9)


@each_call
def test_inputs_and_gradients_may_lie_in_memory_in_any_order_and_are_not_written_to(name):
    call, arrays = CALLS[name][0], inputs_of(name)
    shape = call(*arrays).shape
    weights = np.asfortranarray(np.random.default_rng(1).standard_normal(shape))
    _, expected = results(call, arrays, weights)
    variables = [Variable(np.asfortranarray(a)) for a in arrays]
    for array in (*(v.data for v in variables), weights):
        array.flags.writeable = False
    with computed_by(IN_FLOAT64):
        y = call(*variables)
        assert isinstance(y.creator, FirstDerivatives)
        y.grad = Variable(weights)
        y.backward()
    for array, of_dezero in zip([y.data, *(v.grad.data for v in variables)], expected, strict=True):
        np.testing.assert_allclose(array, of_dezero, rtol=1e-12, atol=1e-12)


@each_call
def test_a_float64_gradient_from_above_gives_float32_gradients(name):
    variables = [Variable(a) for a in inputs_of(name, np.float32)]
    with computed_by(Substitutes(cpu)):
        y = CALLS[name][0](*variables)
        F.sum(y * np.float64(2) * np.ones(y.shape)).backward()
    assert {v.grad.dtype.name for v in variables} == {"float32"}


@pytest.mark.parametrize("name", [n for n in CALLS if n not in ("SoftmaxCrossEntropy",)])
def test_a_number_that_is_not_one_passes_as_in_dezero(name):
    call, arrays = CALLS[name][0], inputs_of(name)
    for at in np.ndindex(arrays[0].shape):
        x = arrays[0].copy()
        x[at] = np.nan
        expected = np.isnan(call(x, *arrays[1:]).data)
        with computed_by(IN_FLOAT64):
            computed = np.isnan(call(x, *arrays[1:]).data)
        np.testing.assert_array_equal(computed, expected, err_msg=f"at {at}")
        assert computed.any()


def test_batch_normalisation_in_test_mode_has_no_gradient_as_in_dezero():
    call, arrays = CALLS["BatchNorm"][0], [Variable(a) for a in inputs_of("BatchNorm")]
    with computed_by(IN_FLOAT64), dezero.test_mode():
        y = call(*arrays)
    assert type(y.creator) is unfused.BatchNorm
    with pytest.raises(TypeError):
        F.sum(y).backward()
