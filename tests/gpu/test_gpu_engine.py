"""The fast engine on a card gives the CPU's numbers, the same bits however its work is cut, and looks once an epoch.

Without a card, `make test-card` runs these tests on one that is emulated (tests/emulated): kernels.cu compiled for the
CPU, CuPy played by NumPy. That shows that kernels, graphs and loops compute what they should and in the right order. It
cannot show what only a card does: how its cuBLAS and its compiler round, what overlaps, how long anything takes.
"""

import gc
import math
import os
import re

import numpy as np
import pytest

from runner.engine import cpu, device, functions, gpu, layers, optimizers
from runner.engine.dezero import F, Model, Variable, named_parameters
from runner.engine.gpu import blas, module
from runner.engine.gpu import epoch as captured
from runner.engine.gpu.blas import BlasError
from runner.engine.loop import Diverged, Position
from runner.record import TIMES
from runner.seeding import Masks
from runner.state.checkpoint import Checkpoints
from runner.train import epochs as training
from runner.train import run as experiment

pytestmark = pytest.mark.gpu

IS_EMULATED = "emulated" in os.environ.get("PYTHONPATH", "")
IMAGES, BATCH = 35, 10  # three batches and a tail of five
SMALL = dict(channels=2, hidden_size=12)


def to_card(array):
    import cupy

    return cupy.asarray(array)


def on_both(compute, *arrays):
    """What `compute(kernels, *arrays)` gives on the CPU and on the card, as NumPy arrays."""
    kernels = gpu.Kernels()
    there = [to_card(a) if isinstance(a, np.ndarray) else a for a in arrays]
    with kernels.on_card():
        found = compute(kernels, *there)
        kernels.stream.synchronize()
    return compute(cpu, *arrays), [device.to_numpy(a) for a in found]


def function_results(make):
    """Call for y, gx, gW and gb of a function of (x, W, b) whose outputs have these gradients."""

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


# What is compared, and the shapes of x, W, b and y.
CASES = {
    "conv pool direct": (functions.ConvReluPool, (5, 1, 8, 9), (11, 1, 3, 3), (5, 11, 4, 4)),
    "conv pool direct, one channel, many images": (functions.ConvReluPool, (37, 1, 6, 6), (1, 1, 3, 3), (37, 1, 3, 3)),
    # The padded image alone would fit into shared memory; beside the weights it does not.
    "conv pool of an image too large": (functions.ConvReluPool, (1, 1, 108, 109), (2, 1, 3, 3), (1, 2, 54, 54)),
    "conv pool of columns": (functions.ConvReluPool, (3, 2, 7, 6), (5, 2, 5, 5), (3, 5, 3, 3)),
    "conv of columns": (functions.ConvRelu, (3, 2, 5, 6), (4, 2, 3, 3), (3, 4, 5, 6)),
    "last layer": (functions.Linear, (13, 70), (70, 10), (13, 10)),
    "last layer, long rows": (functions.Linear, (11, 700), (700, 10), (11, 10)),
    "linear": (functions.Linear, (13, 7), (7, 40), (13, 40)),
    "linear relu": (lambda kernels: functions.LinearRelu(kernels, None), (13, 7), (7, 40), (13, 40)),
    "dropout 0.5": (lambda kernels: functions.LinearRelu(kernels, draw(0.5, 0)), (13, 7), (7, 40), (13, 40)),
    "dropout 0.3": (lambda kernels: functions.LinearRelu(kernels, draw(0.3, 5)), (13, 7), (7, 33), (13, 33)),
    "dropout 0": (lambda kernels: functions.LinearRelu(kernels, draw(0.0, 5)), (9, 7), (7, 33), (9, 33)),
}


def bias_shape(name):
    W = CASES[name][2]
    return (W[0],) if len(W) == 4 else (W[1],)


def arrays_of(name, numbers):
    _, x, W, y = CASES[name]
    return [numbers(shape).astype(np.float32) for shape in (x, W, bias_shape(name), y)]


# =============================================================================
# Functions
# =============================================================================
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("with_gx", [True, False])
def test_a_function_and_its_gradients_are_the_cpus(name, with_gx):
    rng = np.random.default_rng(1)
    x, W, b, weights = arrays_of(name, rng.standard_normal)
    for ours, cards in zip(*on_both(function_results(CASES[name][0]), x, W, b, weights, with_gx), strict=True):
        assert ours.shape == cards.shape and cards.dtype == np.float32
        np.testing.assert_allclose(cards, ours, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", [name for name in CASES if "dropout" not in name])
def test_exact_ties_and_exact_zeros_go_where_the_cpu_takes_them(name):
    # Sums of small integers are exact: not one bit may differ, whoever adds in which order.
    rng = np.random.default_rng(2)
    x, W, b, weights = arrays_of(name, lambda shape: rng.integers(-1, 2, shape))
    for ours, cards in zip(*on_both(function_results(CASES[name][0]), x, W, b, weights, True), strict=True):
        np.testing.assert_array_equal(cards, ours)


@pytest.mark.parametrize("name", [name for name in CASES if "conv" in name or name == "linear relu"])
def test_what_is_not_a_number_passes(name):
    x, W, b, weights = arrays_of(name, np.ones)
    x[0].flat[0] = np.nan
    ours, cards = on_both(function_results(CASES[name][0]), x, W, b, weights, True)
    assert np.isnan(ours[0]).any()
    np.testing.assert_array_equal(np.isnan(cards[0]), np.isnan(ours[0]))


@pytest.mark.parametrize("n", [1, 10, 300])
def test_the_loss_its_gradient_and_what_is_right_are_the_cpus(n):
    rng = np.random.default_rng(3)
    y, t = rng.standard_normal((n, 10)).astype(np.float32), rng.integers(0, 10, n).astype(np.uint8)
    y[0] = 1  # a tie: the first of the largest is what is answered

    def loss(kernels, y, t):
        value, correct, gradient = kernels.softmax_cross_entropy(y, t)
        return [value, correct, gradient]

    ours, cards = on_both(loss, y, t)
    assert float(cards[0]) == pytest.approx(float(ours[0]), rel=1e-6)
    np.testing.assert_array_equal(cards[1], ours[1])
    np.testing.assert_allclose(cards[2], ours[2], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("decay", [0.0, 1e-2])
@pytest.mark.parametrize(
    "name, n_states, lr_to_eps",
    [("adam", 2, (1e-2, 0.9, 0.999, 1e-8)), ("momentum", 1, (1e-2, 0.9)), ("sgd", 0, (1e-2,))],
)
def test_an_optimizer_has_the_cpus_bits_which_are_dezeros(name, n_states, lr_to_eps, decay):
    rng = np.random.default_rng(5)
    scale = 10.0 ** rng.integers(-20, 3, 5000)
    p, g, *states = (rng.standard_normal(5000).astype(np.float32) for _ in range(2 + n_states))
    g = (g * scale).astype(np.float32)
    states = [s if i == 0 else s * s for i, s in enumerate(states)]  # Adam's second moment is not negative

    def update(kernels, *arrays):
        arrays = [a.copy() for a in arrays]
        for _ in range(5):
            getattr(kernels, name)(*arrays, *lr_to_eps, decay)
        return arrays

    for ours, cards in zip(*on_both(update, p, g, *states), strict=True):
        assert cards.tobytes() == ours.tobytes()


def two_layers(rng, n_rows, n_in, n_units, n_out):
    """x, and W1, b1, W2, b2, of small integers: their sums are exact, whoever adds in which order."""
    shapes = (n_rows, n_in), (n_in, n_units), (n_units,), (n_units, n_out), (n_out,)
    return [rng.integers(-1, 2, shape).astype(np.float32) for shape in shapes]


def gradients_of_two_layers(kernels, x, arrays, ratio, how):
    """The gradients of x, W1, b1, W2 and b2, which have places for them as the optimizers give."""
    x, parameters = Variable(x), [Variable(a) for a in arrays]
    for parameter in parameters:
        parameter.gradient_place = parameter.data * 0 + 7
    first = functions.LinearRelu(kernels, draw(ratio, 0) if ratio else None)
    second = functions.Linear(kernels)
    y = how(second, first(x, *parameters[:2]), *parameters[2:])
    y.grad = Variable(y.data * 0 + y.data)
    y.backward()
    return [v.grad.data for v in (x, *parameters)]


@pytest.mark.parametrize("sizes", [(13, 7, 70, 10), (100, 5, 33, 16), (9, 3, 100, 1)])
@pytest.mark.parametrize("ratio", [None, 0.5])
def test_the_gradients_of_the_last_two_layers_in_one_kernel_are_those_of_two(sizes, ratio, monkeypatch):
    arrays = two_layers(np.random.default_rng(6), *sizes)

    def both(kernels, *arrays):
        return gradients_of_two_layers(kernels, arrays[0], arrays[1:], ratio, lambda f, *of: f(*of))

    launched, kernel = [], module._kernel
    monkeypatch.setattr(module, "_kernel", lambda name: (launched.append(name), kernel(name))[1])
    ours, cards = on_both(both, *arrays)
    assert launched.count("few_linear_relu_gradients") == 1 and "relu_gradients" not in launched
    monkeypatch.setattr(gpu.Kernels, "linear_and_relu_gradients", None)
    _, apart = on_both(both, *arrays)
    assert "relu_gradients" in launched
    for one, other, cpus in zip(cards, apart, ours, strict=True):
        np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(one, cpus)


@pytest.mark.parametrize(
    "how",
    [
        lambda last, h, *of: last(h, *of) + last.__class__(last.kernels)(h, *of),  # h has gradients of two
        lambda last, h, *of: last(h * 1.0, *of),  # something is between
        lambda last, h, *of: last(h, *of) + F.sum(h),  # whose gradient comes first or last
    ],
)
def test_a_hidden_layer_that_others_ask_too_has_the_sum_of_their_gradients(how):
    arrays = two_layers(np.random.default_rng(7), 5, 3, 8, 4)

    def gradients(kernels, *arrays):
        return gradients_of_two_layers(kernels, arrays[0], arrays[1:], None, how)

    for ours, cards in zip(*on_both(gradients, *arrays), strict=True):
        np.testing.assert_array_equal(cards, ours)


def test_columns_are_worked_on_some_images_at_a_time(monkeypatch):
    from runner.engine.gpu import convolution

    name = "conv pool of columns"
    case = [*arrays_of(name, np.random.default_rng(4).standard_normal), True]
    ours, whole = on_both(function_results(CASES[name][0]), *case)
    monkeypatch.setattr(convolution, "_N_NUMBERS", 1)  # one image at a time
    _, parts = on_both(function_results(CASES[name][0]), *case)
    for one, other, cpus in zip(whole, parts, ours, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(other, cpus, rtol=1e-5, atol=1e-5)


def test_a_batch_is_the_next_images_of_the_order():
    rng = np.random.default_rng(9)
    images, labels = rng.integers(0, 256, (40, 1, 9, 8)).astype(np.uint8), np.arange(40, dtype=np.int32)
    order, kernels = rng.permutation(40), gpu.Kernels()
    with kernels.on_card():
        of = gpu.Pass(to_card(images), to_card(labels), to_card(np.zeros(gpu.board_size(40), np.uint8)), True)
        of.set_order(order)
        of.place(row=3)
        x, t = kernels.batch(of, 37, 255.0)
    kernels.stream.synchronize()
    np.testing.assert_array_equal(t.get(), labels[order[3:]])
    np.testing.assert_array_equal(x.get(), images[order[3:]].astype(np.float32) / np.float32(255))


# =============================================================================
# Training
# =============================================================================
@pytest.fixture
def card_run(new_run, digits, few):
    """Call for a run on a device and its images, warm."""

    def build(on="gpu", n_images=IMAGES, graph=True, hooks=(), **knobs):
        run = new_run(engine="fast", device=on, **(SMALL | knobs))
        if on == "gpu":
            run.engine.graph = graph
        for hook in hooks:
            run.optimizer.add_hook(hook)
        run.data = few(digits, n_images, 30, resident=run.engine.resident)
        training.warm_up(run.model, run.optimizer, run.engine, run.data)
        return run

    return build


def going(run, epochs, batch_size=BATCH, position=None, should_stop=lambda: False):
    parts = run.model, run.optimizer, run.engine, run.data, run.seed
    return training.train(*parts, epochs, batch_size, position or Position(), should_stop)


def records_of(*args, **more):
    return list(filter(None, going(*args, **more)))


def without_times(records):
    return [{m: v for m, v in record.metrics().items() if m not in TIMES} for record in records]


def bits(run):
    arrays = {n: device.to_numpy(p.data) for n, p in named_parameters(run.model).items()}
    arrays |= optimizers.state(run.optimizer, run.model)
    return {name: np.asarray(array).tobytes() for name, array in arrays.items()}


def agree(cards, cpus, rel=1e-4):
    for card, ours in zip(without_times(cards), without_times(cpus), strict=True):
        for metric in ours:
            # An image whose two largest scores are equal to 1e-4 may go either way.
            tolerance = dict(abs=1.5 / 30) if metric.endswith("accuracy") else dict(rel=rel)
            assert card[metric] == pytest.approx(ours[metric], **tolerance), metric


@pytest.mark.parametrize(
    "knobs",
    [
        dict(optimizer="adam"),
        dict(optimizer="momentum", fc_depth=2, dropout_ratio=0.3),
        dict(optimizer="sgd", lr=0.01, dropout=False),
        dict(blocks=[[2, 3], [4]], fc_depth=2),
        dict(kind="mlp", fc_depth=2),
        dict(fc_depth=0),
    ],
    ids=str,
)
def test_epochs_have_the_losses_and_accuracies_of_the_cpu(knobs, card_run):
    found = {on: card_run(on, **knobs) for on in ("cpu", "gpu")}
    records = {on: records_of(run, 2) for on, run in found.items()}
    agree(records["gpu"], records["cpu"])
    assert found["gpu"].engine.graph and found["gpu"].engine.fallbacks == ()


def test_a_hundred_steps_have_the_losses_of_the_cpu(card_run):
    records = {on: records_of(card_run(on, n_images=40), 25) for on in ("cpu", "gpu")}
    losses = {on: [record.train_loss for record in of] for on, of in records.items()}
    np.testing.assert_allclose(losses["gpu"], losses["cpu"], rtol=1e-4, atol=0)


def test_long_graphs_short_ones_and_none_at_all_give_the_same_bits(card_run, monkeypatch):
    found = []
    for unroll, graph in ((20, True), (2, True), (1, True), (20, False)):
        monkeypatch.setattr(captured, "UNROLL", unroll)
        run = card_run(graph=graph)
        found.append((without_times(records_of(run, 2)), bits(run)))
    assert all(one == found[0] for one in found[1:])


@pytest.mark.parametrize("optimizer, stops", [("adam", range(1, 30)), ("momentum", [4]), ("sgd", [7])])
def test_a_run_that_was_stopped_anywhere_ends_with_the_same_bits(optimizer, stops, card_run, tmp_path, monkeypatch):
    monkeypatch.setattr(captured, "UNROLL", 2)
    whole = card_run(optimizer=optimizer)
    expected = without_times(records_of(whole, 2)), bits(whole)
    n_stops = 0
    for k in stops:
        run, position, n_asked = card_run(optimizer=optimizer), Position(), 0

        def should_stop():
            nonlocal n_asked
            n_asked += 1
            return n_asked == k  # noqa: B023

        records = records_of(run, 2, position=position, should_stop=should_stop)
        if position.epoch > 2:
            break
        n_stops += 1
        other = card_run(optimizer=optimizer)
        checkpoints = Checkpoints(tmp_path / str(k), "key")
        (tmp_path / str(k)).mkdir()
        checkpoints.save(experiment._snapshot(run.model, run.optimizer), vars(position))
        position = experiment._resume(checkpoints, other.model, other.optimizer)
        records += records_of(other, 2, position=position)
        assert (without_times(records), bits(other)) == expected, k
    assert n_stops == min(len(stops), 8)


def test_two_runs_in_turn_have_the_bits_that_each_has_alone(card_run):
    knobs = [dict(), dict(channels=2, hidden_size=9, dropout_ratio=0.2)]
    alone = []
    for of in knobs:
        run = card_run(**of)
        alone.append((without_times(records_of(run, 2)), bits(run)))
    runs = [card_run(**of) for of in knobs]
    in_turn, records = [going(run, 2) for run in runs], [[], []]
    for _ in range(4):
        for i, one in enumerate(in_turn):
            records[i] += filter(None, [next(one, None)])
    together = [(without_times(of), bits(run)) for of, run in zip(records, runs, strict=True)]
    assert together == alone


def test_a_run_that_is_let_go_of_leaves_nothing_under_way_on_its_memory(card_run):
    run = card_run()
    epochs = going(run, 2)
    assert next(epochs) is None
    epochs.close()
    assert run.engine.kernels.stream.done


def test_an_epoch_that_cannot_be_launched_to_its_end_leaves_nothing_under_way_either(card_run):
    run = card_run()

    def fails_at_the_third():
        yield from (False, False)
        raise RuntimeError("no third launch")

    asked = fails_at_the_third()
    with pytest.raises(RuntimeError, match="no third"):
        next(going(run, 2, should_stop=lambda: next(asked)))
    assert run.engine.kernels.stream.done


def test_an_epoch_looks_at_the_card_once(card_run, monkeypatch):
    run = card_run()
    loop = run.engine.loop(run.model, run.optimizer, run.data, BATCH)
    n_reads, read = 0, type(loop).read

    def counted(self):
        nonlocal n_reads
        n_reads += 1
        return read(self)

    monkeypatch.setattr(type(loop), "read", counted)
    epoch = loop.epoch(np.arange(IMAGES), Position(), lambda: False)
    gone = n_sources_gone()
    assert next(epoch) is None and n_reads == 0 and n_sources_gone() == gone
    with pytest.raises(StopIteration) as end:
        next(epoch)
    assert n_reads == 1 and math.isfinite(end.value.value.test[0])


@pytest.mark.parametrize("lr", [1e30, 1e12])
def test_the_first_loss_that_is_not_finite_is_named_as_on_the_cpu(lr, card_run):
    told = {}
    for on in ("cpu", "gpu"):
        position = Position()
        with pytest.raises(Diverged) as error, np.errstate(all="ignore"):
            records_of(card_run(on, optimizer="sgd", lr=lr), 5, position=position)
        told[on] = str(error.value), position.epoch, position.step
    assert told["gpu"] == told["cpu"] and told["gpu"][2] > 1


def test_the_answers_of_a_run_whose_epochs_are_all_trained_are_those_of_its_last(card_run):
    run = card_run()
    last = records_of(run, 2)[-1]
    loss, correct = run.engine.loop(run.model, run.optimizer, run.data, BATCH).test()
    assert loss == last.test_loss and correct.tobytes() == last.test_correct.tobytes()


def n_sources_gone():
    """Copies to the card whose source was gone before they were made; a real card does not say."""
    import cupy

    return getattr(cupy, "n_sources_gone", 0)


class ChangesInPlace(Model):
    """A model that changes pixels or scores in a way that no function of its graph says."""

    def __init__(self, engine, what):
        super().__init__()
        self.conv, self.out, self.what = engine.conv_block([2]), engine.output(10), what

    def forward(self, x):
        if self.what == "pixels":
            x[...] = x * np.float32(0.5)
        h = self.conv(x)
        y = self.out(F.reshape(h, (len(h), -1)))
        if self.what == "scores":
            y.data *= np.float32(0.5)
        return y


@pytest.mark.parametrize("what", ["pixels", "scores"])
def test_a_model_that_changes_arrays_in_place_has_the_losses_of_the_cpu(what, card_run, monkeypatch):
    from runner.models import mlp

    monkeypatch.setattr(mlp, "build", lambda config, engine: ChangesInPlace(engine, what))
    run, ours = card_run("gpu", kind="mlp"), card_run("cpu", kind="mlp")
    agree(records_of(run, 1), records_of(ours, 1))


class Copies(Model):
    """A model with a function that asks the card for a number, which no graph can hold."""

    def __init__(self, engine):
        super().__init__()
        self.fc = layers.Hidden(engine.kernels, "fc1", 8, None, engine.masks)
        self.out = engine.output(10)

    def forward(self, x):
        h = self.fc(F.reshape(x, (len(x), -1)))
        float(h.data.sum())
        return self.out(h)


def test_a_model_that_cannot_be_captured_is_trained_without_graphs_and_it_is_said(card_run, monkeypatch):
    from runner.models import mlp

    monkeypatch.setattr(mlp, "build", lambda config, engine: Copies(engine))
    run, ours = card_run("gpu", kind="mlp"), card_run("cpu", kind="mlp")
    assert not run.engine.graph and "no CUDA graph: " in run.engine.fallbacks[-1]
    agree(records_of(run, 1), records_of(ours, 1))


def test_an_optimizers_hook_that_looks_at_the_card_is_no_different(card_run):
    def clip(parameters):
        norm = math.sqrt(sum(float((p.grad.data**2).sum()) for p in parameters))
        for parameter in parameters:
            parameter.grad.data *= min(1.0, 0.1 / norm)

    run, ours = card_run("gpu", hooks=[clip]), card_run("cpu", hooks=[clip])
    assert run.optimizer.t == 0 and "no CUDA graph: " in run.engine.fallbacks[-1]
    agree(records_of(run, 1), records_of(ours, 1))


@pytest.mark.skipif(not IS_EMULATED, reason="what a graph takes of a real card is not ours to say")
def test_a_card_without_room_for_a_graph_is_out_of_memory_and_not_a_model_without_graphs(card_run, monkeypatch):
    import cupy

    monkeypatch.setattr(cupy.cuda, "GRAPH_BYTES", 1 << 50)
    with pytest.raises(MemoryError, match="out of memory"):
        card_run()


@pytest.mark.parametrize("status, error", [(1, MemoryError), (3, MemoryError), (8, BlasError)])
def test_a_handle_that_finds_no_room_is_out_of_memory(status, error, monkeypatch):
    import cupy

    class Library:
        def cublasCreate_v2(self, _):
            return status

        cublasDestroy_v2 = None

    monkeypatch.setattr(blas, "_library", Library)
    with pytest.raises(error):
        blas.Blas(cupy.cuda.Stream(non_blocking=True), tf32=False)


@pytest.mark.parametrize(
    "knobs, n_kernels",
    [
        # Batch, convolution, product, bias to dropout, last layer, loss; gradients of the last layer and of the ReLU
        # before it, two products, the convolution's, Adam.
        (dict(channels=30, hidden_size=100), 11),
        (dict(fc_depth=2), 16),
        (dict(kind="mlp", fc_depth=2), 13),
        (dict(fc_depth=0), 7),
    ],
    ids=str,
)
def test_a_step_is_so_many_kernels_and_nothing_else(knobs, n_kernels, card_run):
    run = card_run(n_images=BATCH, **knobs)
    loop = run.engine.loop(run.model, run.optimizer, run.data, BATCH)
    next(loop.epoch(np.arange(BATCH), Position(), lambda: False))
    graph = loop._graphs[captured.TRAIN, BATCH, 1]
    nodes = re.findall(r'^"graph_\d+_node_\d+"\[.*', graph.debug_dot_str(), re.MULTILINE)
    assert all('shape="octagon"' in node for node in nodes)  # how a kernel is drawn
    # A card's cuBLAS may add up the parts of a product in a second kernel.
    n_products = 3 * (1 + knobs.get("fc_depth", 1))
    assert n_kernels <= len(nodes) <= n_kernels + n_products * (not IS_EMULATED)


def test_a_run_that_is_over_gives_its_memory_back(card_run):
    import cupy

    def train():
        records_of(card_run(), 1)
        gc.collect()
        device.free_gpu_memory()
        free, total = cupy.cuda.Device().mem_info
        return total - free

    train()  # what is loaded once stays
    before = train()
    assert train() <= before
