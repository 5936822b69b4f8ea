"""Kernels on a GPU have the values and gradients of the CPU's.

Without a GPU, `make test-card` runs these tests on an emulated one (tests/support/emulated):
kernels.cu compiled for the CPU, and a small CuPy made of NumPy. This shows that kernels, graphs and
loops compute the right numbers in the right order. It cannot show how a GPU's cuBLAS and compiler
round, what overlaps, and how long anything takes.
"""

import numpy as np
import pytest
from gpu_runs import to_gpu

from runner.engine import cpu, device
from runner.engine.dezero import F, Variable
from runner.engine.functions import fused as functions
from runner.engine.gpu import convolution, module
from runner.engine.gpu.batches import Batches, Phase
from runner.engine.gpu.kernels import Kernels
from runner.seeding import Masks

pytestmark = pytest.mark.gpu


def on_both(compute, *arrays):
    """The results of `compute(kernels, *arrays)` on the CPU and on the GPU, as NumPy arrays."""
    kernels = Kernels()
    on_gpu = [to_gpu(a) if isinstance(a, np.ndarray) else a for a in arrays]
    with kernels.on_stream():
        results = compute(kernels, *on_gpu)
        kernels.stream.synchronize()
    return compute(cpu, *arrays), [device.to_numpy(a) for a in results]


def function_results(make):
    """A function that computes y, gx, gW and gb for inputs (x, W, b) and gradients of y."""

    def results(kernels, x, W, b, weights, with_gx):
        variables = [Variable(x) if with_gx else x, Variable(W), Variable(b)]
        y = make(kernels)(*variables)
        y.grad = Variable(weights)
        y.backward()
        return [y.data, *(v.grad.data for v in variables[not with_gx :])]

    return results


def draw(ratio, first_row):
    masks = Masks(seed=2**40 + 3)
    masks.evaluation(epoch=2, first_row=first_row)
    return masks.draw("fc1", ratio)


# By name: a function, and the shapes of x, W and y.
CASES = {
    "conv pool direct": (functions.ConvReluPool, (5, 1, 8, 9), (11, 1, 3, 3), (5, 11, 4, 4)),
    "conv pool direct, one channel, many images": (
        functions.ConvReluPool,
        (37, 1, 6, 6),
        (1, 1, 3, 3),
        (37, 1, 3, 3),
    ),
    # The padded image fits into shared memory, but not together with the weights.
    "conv pool of an image too large": (
        functions.ConvReluPool,
        (1, 1, 108, 109),
        (2, 1, 3, 3),
        (1, 2, 54, 54),
    ),
    "conv pool of columns": (functions.ConvReluPool, (3, 2, 7, 6), (5, 2, 5, 5), (3, 5, 3, 3)),
    "conv of columns": (functions.ConvRelu, (3, 2, 5, 6), (4, 2, 3, 3), (3, 4, 5, 6)),
    "last layer": (functions.Linear, (13, 70), (70, 10), (13, 10)),
    "last layer, long rows": (functions.Linear, (11, 700), (700, 10), (11, 10)),
    "linear": (functions.Linear, (13, 7), (7, 40), (13, 40)),
    "linear relu": (
        lambda kernels: functions.LinearRelu(kernels, None),
        (13, 7),
        (7, 40),
        (13, 40),
    ),
    "dropout 0.5": (
        lambda kernels: functions.LinearRelu(kernels, draw(0.5, 0)),
        (13, 7),
        (7, 40),
        (13, 40),
    ),
    "dropout 0.3": (
        lambda kernels: functions.LinearRelu(kernels, draw(0.3, 5)),
        (13, 7),
        (7, 33),
        (13, 33),
    ),
    "dropout 0": (
        lambda kernels: functions.LinearRelu(kernels, draw(0.0, 5)),
        (9, 7),
        (7, 33),
        (9, 33),
    ),
}


def bias_shape(name):
    W = CASES[name][2]
    return (W[0],) if len(W) == 4 else (W[1],)


def arrays_of(name, numbers):
    _, x, W, y = CASES[name]
    return [numbers(shape).astype(np.float32) for shape in (x, W, bias_shape(name), y)]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("with_gx", [True, False])
def test_a_function_and_its_gradients_equal_the_cpus(name, with_gx):
    rng = np.random.default_rng(1)
    x, W, b, weights = arrays_of(name, rng.standard_normal)
    for on_cpu, on_gpu in zip(
        *on_both(function_results(CASES[name][0]), x, W, b, weights, with_gx), strict=True
    ):
        assert on_cpu.shape == on_gpu.shape and on_gpu.dtype == np.float32
        np.testing.assert_allclose(on_gpu, on_cpu, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", [name for name in CASES if "dropout" not in name])
def test_ties_and_exact_zeros_are_treated_as_on_the_cpu(name):
    # Sums of small integers are exact in any order, so no bit may differ.
    rng = np.random.default_rng(2)
    x, W, b, weights = arrays_of(name, lambda shape: rng.integers(-1, 2, shape))
    for on_cpu, on_gpu in zip(
        *on_both(function_results(CASES[name][0]), x, W, b, weights, True), strict=True
    ):
        np.testing.assert_array_equal(on_gpu, on_cpu)


@pytest.mark.parametrize(
    "name", [name for name in CASES if "conv" in name or name == "linear relu"]
)
def test_nan_propagates(name):
    x, W, b, weights = arrays_of(name, np.ones)
    x[0].flat[0] = np.nan
    on_cpu, on_gpu = on_both(function_results(CASES[name][0]), x, W, b, weights, True)
    assert np.isnan(on_cpu[0]).any()
    np.testing.assert_array_equal(np.isnan(on_gpu[0]), np.isnan(on_cpu[0]))


@pytest.mark.parametrize("n", [1, 10, 300])
def test_the_loss_its_gradient_and_the_correct_rows_equal_the_cpus(n):
    rng = np.random.default_rng(3)
    y, t = rng.standard_normal((n, 10)).astype(np.float32), rng.integers(0, 10, n).astype(np.uint8)
    y[0] = 1  # a tie: the first of the largest scores counts

    on_cpu, on_gpu = on_both(lambda kernels, y, t: kernels.softmax_cross_entropy(y, t), y, t)
    assert float(on_gpu[0]) == pytest.approx(float(on_cpu[0]), rel=1e-6)
    np.testing.assert_array_equal(on_gpu[1], on_cpu[1])
    np.testing.assert_allclose(on_gpu[2], on_cpu[2], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("decay, keep", [(0.0, 1.0), (1e-2, 1.0), (0.0, 0.99)])
@pytest.mark.parametrize(
    "name, n_states, lr_to_eps",
    [("adam", 2, (1e-2, (0.9, 0.999), 1e-8)), ("momentum", 1, (1e-2, 0.9)), ("sgd", 0, (1e-2,))],
)
def test_an_optimizer_has_the_bits_of_the_cpus_and_so_of_dezeros(
    name, n_states, lr_to_eps, decay, keep
):
    rng = np.random.default_rng(5)
    scale = 10.0 ** rng.integers(-20, 3, 5000)
    p, g, *states = (rng.standard_normal(5000).astype(np.float32) for _ in range(2 + n_states))
    g = (g * scale).astype(np.float32)
    states = [
        s if i == 0 else s * s for i, s in enumerate(states)
    ]  # Adam's second moment is not negative

    def update(kernels, *arrays):
        arrays = [a.copy() for a in arrays]
        for _ in range(5):
            getattr(kernels, name)(*arrays, *lr_to_eps, decay, keep)
        return arrays

    for on_cpu, on_gpu in zip(*on_both(update, p, g, *states), strict=True):
        assert on_gpu.tobytes() == on_cpu.tobytes()


def two_layers(rng, n_rows, n_in, n_units, n_out):
    """x, W1, b1, W2 and b2 of small integers, whose sums are exact in any order."""
    shapes = (n_rows, n_in), (n_in, n_units), (n_units,), (n_units, n_out), (n_out,)
    return [rng.integers(-1, 2, shape).astype(np.float32) for shape in shapes]


def gradients_of_two_layers(kernels, x, arrays, ratio, forward):
    """The gradients of x, W1, b1, W2 and b2, written where our optimizers have arrays for them."""
    x, parameters = Variable(x), [Variable(a) for a in arrays]
    for parameter in parameters:
        parameter.gradient_place = parameter.data * 0 + 7
    first = functions.LinearRelu(kernels, draw(ratio, 0) if ratio else None)
    second = functions.Linear(kernels)
    y = forward(second, first(x, *parameters[:2]), *parameters[2:])
    y.grad = Variable(y.data * 0 + y.data)
    y.backward()
    return [v.grad.data for v in (x, *parameters)]


@pytest.mark.parametrize("sizes", [(13, 7, 70, 10), (100, 5, 33, 16), (9, 3, 100, 1)])
@pytest.mark.parametrize("ratio", [None, 0.5])
def test_one_kernel_for_the_gradients_of_the_last_two_layers_equals_two_kernels(
    sizes, ratio, monkeypatch
):
    arrays = two_layers(np.random.default_rng(6), *sizes)

    def both(kernels, *arrays):
        return gradients_of_two_layers(
            kernels, arrays[0], arrays[1:], ratio, lambda last, *inputs: last(*inputs)
        )

    launched, kernel = [], module._kernel
    monkeypatch.setattr(module, "_kernel", lambda name: (launched.append(name), kernel(name))[1])
    on_cpu, fused = on_both(both, *arrays)
    assert launched.count("narrow_linear_relu_gradients") == 1 and "relu_gradients" not in launched
    monkeypatch.setattr(Kernels, "linear_and_relu_gradients", None)
    _, separate = on_both(both, *arrays)
    assert "relu_gradients" in launched
    for by_one, by_two, expected in zip(fused, separate, on_cpu, strict=True):
        np.testing.assert_array_equal(by_one, by_two)
        np.testing.assert_array_equal(by_one, expected)


@pytest.mark.parametrize(
    "forward",
    [
        lambda last, h, W, b: last(h, W, b) + last.__class__(last.kernels)(h, W, b),
        lambda last, h, W, b: last(h * 1.0, W, b),
        lambda last, h, W, b: last(h, W, b) + F.sum(h),
    ],
    ids=["two last layers", "a function between", "a sum beside"],
)
def test_a_hidden_layer_with_several_uses_has_the_sum_of_their_gradients(forward):
    arrays = two_layers(np.random.default_rng(7), 5, 3, 8, 4)

    def gradients(kernels, *arrays):
        return gradients_of_two_layers(kernels, arrays[0], arrays[1:], None, forward)

    for on_cpu, on_gpu in zip(*on_both(gradients, *arrays), strict=True):
        np.testing.assert_array_equal(on_gpu, on_cpu)


def test_a_convolution_of_one_image_at_a_time_equals_that_of_all(monkeypatch):
    name = "conv pool of columns"
    case = [*arrays_of(name, np.random.default_rng(4).standard_normal), True]
    on_cpu, whole = on_both(function_results(CASES[name][0]), *case)
    monkeypatch.setattr(convolution, "_MAX_COLUMN_ELEMENTS", 1)
    _, parts = on_both(function_results(CASES[name][0]), *case)
    for at_once, in_parts, expected in zip(whole, parts, on_cpu, strict=True):
        np.testing.assert_allclose(at_once, in_parts, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(in_parts, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("shape", [(1, 9, 8), (300,), (2, 3)])
def test_a_batch_is_the_next_images_of_the_order(dtype, shape):
    rng = np.random.default_rng(9)
    images, labels = (
        rng.integers(0, 256, (40, *shape)).astype(dtype),
        np.arange(40, dtype=np.int32),
    )
    order, kernels = rng.permutation(40), Kernels()
    with kernels.on_stream():
        batches = Batches(Phase.TRAIN, to_gpu(images), to_gpu(labels), 37)
        batches.set_order(order)
        batches.set_state(row=3)
        with kernels.using(batches):
            x, t = kernels.next_batch(37, 255.0)
    kernels.stream.synchronize()
    np.testing.assert_array_equal(t.get(), labels[order[3:]])
    np.testing.assert_array_equal(x.get(), images[order[3:]].astype(np.float32) / np.float32(255))


@pytest.mark.parametrize("first_row", [0, 1, 100])
@pytest.mark.parametrize("shape", [(50,), (13, 3), (7, 3, 5, 5)], ids=str)
def test_the_mask_of_a_dropout_is_that_of_the_cpu(shape, first_row):
    def mask(kernels, x):
        of = draw(0.3, first_row)
        return [kernels.dropout(x, of) != 0 if kernels is cpu else kernels.keep(x, of)]

    (expected,), (kept,) = on_both(mask, np.ones(shape, np.float32))
    assert np.array_equal(kept, expected) and kept.dtype == bool
