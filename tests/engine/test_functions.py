"""The fast engine's functions give DeZero's values and gradients, in float64 and at ties."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.engine import cpu
from runner.engine.cpu.images import general
from runner.engine.dezero import F, Variable
from runner.engine.functions import fused as functions
from runner.seeding import Masks

SEEDS = st.integers(0, 2**32 - 1)
RATIOS = (None, 0.0, 0.1, 0.5, 0.9)


def dezero_conv_relu(x, W, b):
    return F.relu(F.conv2d(x, W, b, stride=1, pad=W.shape[2] // 2))


def dezero_conv_relu_pool(x, W, b):
    return F.pooling(dezero_conv_relu(x, W, b), 2, 2)


def masks():
    at = Masks(seed=2**40 + 3)
    at.evaluation(epoch=2, first_row=5)
    return at


def linear_relu(ratio):
    draw = None if ratio is None else masks().draw("fc1", ratio)
    return functions.LinearRelu(cpu, draw)


def dezero_linear_relu(ratio):
    def compute(x, W, b):
        h = F.relu(F.linear(x, W, b))
        return (
            h if ratio is None else h * masks().keep("fc1", h.shape, ratio) / np.array(1.0 - ratio)
        )

    return compute


# The fast function, made anew for each use, and the same computation by DeZero.
CONVOLUTIONS = {
    "ConvRelu": (lambda: functions.ConvRelu(cpu), dezero_conv_relu),
    "ConvReluPool": (lambda: functions.ConvReluPool(cpu), dezero_conv_relu_pool),
}
LINEAR = {"Linear": (lambda: functions.Linear(cpu), F.linear)} | {
    f"LinearRelu dropout {ratio}": (
        lambda ratio=ratio: linear_relu(ratio),
        dezero_linear_relu(ratio),
    )
    for ratio in RATIOS
}
convolutions = pytest.mark.parametrize("name", CONVOLUTIONS)
linears = pytest.mark.parametrize("name", LINEAR)
every_function = pytest.mark.parametrize("name", CONVOLUTIONS | LINEAR)


def results(compute, weights, x, W, b, with_gx=True):
    """y, gx, gW, gb for the gradient `weights` of y; without gx, x is given as an array."""
    variables = [Variable(x) if with_gx else x, Variable(W), Variable(b)]
    y = compute(*variables)
    F.sum(y * weights).backward()
    return [y.data, *(v.grad.data for v in variables[not with_gx :])]


def compare(name, x, W, b, weights, equal, with_gx=True):
    fast, dezeros = (CONVOLUTIONS | LINEAR)[name]
    computed = results(fast(), weights, x, W, b, with_gx)
    expected = results(dezeros, weights, x, W, b)
    for array, of_dezero in zip(
        computed, expected if with_gx else expected[:1] + expected[2:], strict=True
    ):
        assert array.shape == of_dezero.shape and array.dtype == of_dezero.dtype == np.float64
        equal(array, of_dezero)


def close(array, expected):
    np.testing.assert_allclose(array, expected, rtol=1e-12, atol=1e-12)


@st.composite
def convolution(draw, draw_numbers):
    """x, W, b and the gradient of y: up to 3 images and channels, and large kernels."""
    n, n_in, n_out = (draw(st.integers(1, 3)) for _ in range(3))
    height, width = draw(st.integers(2, 9)), draw(st.integers(2, 9))
    k = draw(st.sampled_from([1, 3, 5, 7]))
    pooled = draw_numbers(draw, (n, n_out, height // 2, width // 2))
    return (
        draw_numbers(draw, (n, n_in, height, width)),
        draw_numbers(draw, (n_out, n_in, k, k)),
        draw_numbers(draw, (n_out,)),
        {"ConvRelu": draw_numbers(draw, (n, n_out, height, width)), "ConvReluPool": pooled},
    )


def normal(draw, shape):
    return np.random.default_rng(draw(SEEDS)).standard_normal(shape)


def small_integers(draw, shape):
    return np.random.default_rng(draw(SEEDS)).integers(-1, 2, shape).astype(np.float64)


# =============================================================================
# Against DeZero
# =============================================================================
@convolutions
@given(case=convolution(normal), with_gx=st.booleans())
def test_a_convolution_and_its_gradients_are_dezeros(name, case, with_gx):
    x, W, b, weights = case
    compare(name, x, W, b, weights[name], close, with_gx)


@convolutions
@given(case=convolution(small_integers), with_gx=st.booleans())
def test_exact_ties_and_exact_zeros_go_where_dezero_takes_them(name, case, with_gx):
    # Sums of small integers are exact in any order, so that no bit may differ.
    x, W, b, weights = case
    compare(name, x, W, b, weights[name], np.testing.assert_array_equal, with_gx)


@linears
@given(
    st.integers(1, 9), st.integers(1, 9), st.integers(1, 11), SEEDS, st.booleans(), st.booleans()
)
def test_a_linear_layer_and_its_gradients_are_dezeros(
    name, n, n_in, n_out, seed, integers, with_gx
):
    rng = np.random.default_rng(seed)
    shapes = (n, n_in), (n_in, n_out), (n_out,), (n, n_out)
    if integers:
        x, W, b, weights = (rng.integers(-1, 2, shape).astype(np.float64) for shape in shapes)
    else:
        x, W, b, weights = (rng.standard_normal(shape) for shape in shapes)
    compare(name, x, W, b, weights, close, with_gx)


@given(
    st.integers(1, 20),
    st.integers(1, 12),
    st.floats(0.01, 300),
    SEEDS,
    st.sampled_from(["uint8", "int64"]),
)
def test_softmax_cross_entropy_and_its_gradient_are_dezeros(n, n_classes, spread, seed, dtype):
    rng = np.random.default_rng(seed)
    scores = rng.standard_normal((n, n_classes)) * spread
    t = rng.integers(0, n_classes, n).astype(dtype)
    y, y_of_dezero = Variable(scores), Variable(scores)
    loss, expected = (
        functions.SoftmaxCrossEntropy(cpu)(y, t),
        F.softmax_cross_entropy(y_of_dezero, t),
    )
    # A gradient other than 1, for which the function skips the multiplication.
    (loss * np.array(2.5)).backward()
    (expected * np.array(2.5)).backward()
    np.testing.assert_allclose(loss.data, expected.data, rtol=1e-12, atol=1e-12)
    # DeZero multiplies by 1 / n rounded to float32, whatever the type of the scores.
    exact = y_of_dezero.grad.data * (1 / n / float(np.float32(1 / n)))
    np.testing.assert_allclose(y.grad.data, exact, rtol=1e-11, atol=1e-14)


@given(st.integers(1, 20), st.integers(1, 6), SEEDS)
def test_a_row_is_right_when_the_first_of_its_largest_scores_is_its_label(n, n_classes, seed):
    rng = np.random.default_rng(seed)
    scores = rng.integers(-1, 2, (n, n_classes)).astype(np.float64)
    t = rng.integers(0, n_classes, n)
    loss = functions.SoftmaxCrossEntropy(cpu)
    loss(scores, t)
    assert loss.correct.dtype == bool
    assert loss.correct.tolist() == (scores.argmax(axis=1) == t).tolist()


# =============================================================================
# The two forms of a convolution with pooling
# =============================================================================
@given(
    st.integers(1, 3), st.integers(1, 4), st.integers(2, 9), st.integers(2, 9), SEEDS, st.booleans()
)
def test_the_direct_form_and_the_general_one_agree(n, n_out, height, width, seed, integers):
    rng = np.random.default_rng(seed)
    shapes = (n, 1, height, width), (n_out, 1, 3, 3), (n_out,), (n, n_out, height // 2, width // 2)
    if integers:
        x, W, b, weights = (rng.integers(-1, 2, shape).astype(np.float64) for shape in shapes)
    else:
        x, W, b, weights = (rng.standard_normal(shape) for shape in shapes)
    # x is an array and needs no gradient: the direct form serves one channel, and the general one
    # two, one of zeros.
    two = (
        np.concatenate([x, np.zeros_like(x)], axis=1),
        np.concatenate([W, np.zeros_like(W)], axis=1),
    )
    direct = results(functions.ConvReluPool(cpu), weights, x, W, b, with_gx=False)
    general_y, general_gW, general_gb = results(
        functions.ConvReluPool(cpu), weights, *two, b, with_gx=False
    )
    for array, expected in zip(direct, (general_y, general_gW[:, :1], general_gb), strict=True):
        close(array, expected)
        assert not integers or np.array_equal(array, expected)


@convolutions
@pytest.mark.parametrize("n_numbers", [1, 2 * 18 * 30, 5 * 18 * 30])
def test_how_many_images_are_worked_on_at_a_time_changes_nothing(n_numbers, name, monkeypatch):
    rng = np.random.default_rng(5)
    x, W, b = (
        rng.standard_normal((5, 2, 6, 5)),
        rng.standard_normal((4, 2, 3, 3)),
        rng.standard_normal(4),
    )
    weights = rng.standard_normal((5, 4, 6, 5) if name == "ConvRelu" else (5, 4, 3, 2))
    monkeypatch.setattr(general, "_N_NUMBERS", n_numbers)
    compare(name, x, W, b, weights, close)


# =============================================================================
# Finite differences
# =============================================================================
def finite_differences(scalar, array, step=1e-6):
    slopes = np.empty_like(array)
    for at in np.ndindex(array.shape):
        kept = array[at]
        ends = []
        for array[at] in (kept + step, kept - step):
            ends.append(scalar())
        array[at] = kept
        slopes[at] = (ends[0] - ends[1]) / (2 * step)
    return slopes


@every_function
def test_gradients_are_the_slopes_of_the_values(name):
    rng = np.random.default_rng(11)
    if name in CONVOLUTIONS:
        x, W, b = (
            rng.standard_normal((2, 2, 5, 4)),
            rng.standard_normal((3, 2, 3, 3)),
            rng.standard_normal(3),
        )
    else:
        x, W, b = rng.standard_normal((4, 5)), rng.standard_normal((5, 6)), rng.standard_normal(6)
    make = (CONVOLUTIONS | LINEAR)[name][0]
    weights = rng.standard_normal(make()(x, W, b).shape)
    _, *gradients = results(make(), weights, x, W, b)
    for array, gradient in zip((x, W, b), gradients, strict=True):
        slopes = finite_differences(lambda: float((make()(x, W, b).data * weights).sum()), array)
        np.testing.assert_allclose(gradient, slopes, rtol=1e-6, atol=1e-7)
    assert any(np.abs(gradient).max() > 0.1 for gradient in gradients)


def test_the_gradient_of_the_loss_is_its_slope():
    rng = np.random.default_rng(12)
    scores, t = rng.standard_normal((4, 5)), np.array([0, 4, 2, 2])
    y = Variable(scores)
    functions.SoftmaxCrossEntropy(cpu)(y, t).backward()
    slopes = finite_differences(
        lambda: float(functions.SoftmaxCrossEntropy(cpu)(scores, t).data), scores
    )
    np.testing.assert_allclose(y.grad.data, slopes, rtol=1e-6, atol=1e-9)


# =============================================================================
# Closed forms
# =============================================================================
IMAGE = np.array([[[[1.0, 2.0], [3.0, 4.0]]]])


@pytest.mark.parametrize("with_gx", [False, True], ids=["direct", "general"])
@pytest.mark.parametrize(
    "bias, value, passed", [(-3, 7, 1), (-10, 0, 0), (-11, 0, 0)], ids=["open", "zero", "shut"]
)
def test_a_tie_of_all_four_corners_goes_to_the_first_and_an_exact_zero_passes_nothing(
    bias, value, passed, with_gx
):
    # Each corner of the padded image sees all four pixels: 1 + 2 + 3 + 4 = 10, four times.
    W, b = np.ones((1, 1, 3, 3)), np.array([float(bias)])
    y, *gx, gW, gb = results(
        functions.ConvReluPool(cpu), np.array([[[[6.0]]]]), IMAGE, W, b, with_gx
    )
    assert y.tolist() == [[[[value]]]]
    assert gb.tolist() == [6 * passed]
    assert gW.tolist() == [
        [[[0, 0, 0], [0, 6 * passed, 12 * passed], [0, 18 * passed, 24 * passed]]]
    ]
    assert [g.tolist() for g in gx] == [[[[[6 * passed] * 2] * 2]]] * with_gx


@pytest.mark.parametrize(
    "corners", [c for n in (1, 2, 3, 4) for c in itertools.combinations(range(4), n)], ids=str
)
def test_of_equal_corners_the_first_in_row_major_order_wins(corners):
    x = np.zeros((1, 1, 2, 2))
    x.reshape(-1)[list(corners)] = 5.0
    only_centre = np.zeros((1, 1, 3, 3))
    only_centre[0, 0, 1, 1] = 1.0
    y, gx, gW, gb = results(
        functions.ConvReluPool(cpu), np.array([[[[2.0]]]]), x, only_centre, np.zeros(1)
    )
    assert y.item() == 5 and gb.item() == 2 and gW[0, 0, 1, 1] == 10
    assert np.flatnonzero(gx).tolist() == [corners[0]] and gx.sum() == 2


def test_a_convolution_with_relu_written_out():
    W = np.array([[[[1.0]]], [[[-1.0]]]])
    y, gx, gW, gb = results(
        functions.ConvRelu(cpu), np.full((1, 2, 2, 2), 3.0), IMAGE, W, np.array([-2.0, 3.0])
    )
    assert y.tolist() == [[[[0, 0], [1, 2]], [[2, 1], [0, 0]]]]
    assert gx.tolist() == [[[[-3, -3], [3, 3]]]]
    assert gW.ravel().tolist() == [21, 9] and gb.tolist() == [6, 6]


def test_a_linear_layer_written_out():
    x, W, b = (
        np.array([[1.0, 2.0], [3.0, 4.0]]),
        np.array([[1.0, -1.0], [0.0, 2.0]]),
        np.array([10.0, -3.0]),
    )
    weights = np.array([[1.0, 2.0], [3.0, 4.0]])
    y, gx, gW, gb = results(functions.Linear(cpu), weights, x, W, b)
    assert y.tolist() == [[11, 0], [13, 2]]
    assert (
        gx.tolist() == [[-1, 4], [-1, 8]]
        and gW.tolist() == [[10, 14], [14, 20]]
        and gb.tolist() == [4, 6]
    )
    # With ReLU the exact zero at (0, 1) passes nothing.
    y, gx, gW, gb = results(functions.LinearRelu(cpu, None), weights, x, W, b)
    assert y.tolist() == [[11, 0], [13, 2]]
    assert (
        gx.tolist() == [[1, 0], [-1, 8]]
        and gW.tolist() == [[10, 12], [14, 16]]
        and gb.tolist() == [4, 4]
    )


def test_softmax_cross_entropy_written_out():
    y = Variable(np.log(np.array([[1.0, 1.0, 2.0], [1.0, 6.0, 1.0]])))
    loss = functions.SoftmaxCrossEntropy(cpu)
    mean = loss(y, np.array([0, 1]))
    mean.backward()
    assert float(mean.data) == pytest.approx((math.log(4) + math.log(8 / 6)) / 2, rel=1e-15)
    np.testing.assert_allclose(y.grad.data, np.array([[-6, 2, 4], [1, -2, 1]]) / 16, rtol=1e-14)
    assert loss.correct.tolist() == [False, True]
