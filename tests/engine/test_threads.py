"""Several threads share the work of kernels, and every number has the bits of one thread."""

import os
import threading
import warnings
from contextlib import ExitStack

import numpy as np
import pytest
from configs import configured
from short_training import without_times

from runner.engine import cpu
from runner.engine.cpu.threads import products, team
from runner.engine.protocol import Position
from runner.seeding import Masks
from runner.train import epochs as training
from runner.train.assemble import assemble

N_THREADS = (2, 3, 5)


@pytest.fixture
def use():
    """Call with a number of threads for the rest of a test."""
    with ExitStack() as stack:

        def begin(n_threads):
            stack.close()
            stack.enter_context(team.of(n_threads))

        yield begin


@pytest.fixture(autouse=True)
def alone_afterwards(monkeypatch):
    """Every work is worth a thread; the processors of this process are given back."""
    monkeypatch.setattr(team, "LEAST_NS", 1e-9)
    monkeypatch.setattr(team, "_N_LOOKED", 10**9)
    products._axes.clear()
    allowed = os.sched_getaffinity(0)
    yield
    products._axes.clear()
    assert os.sched_getaffinity(0) == allowed and team.size() == 1


# =============================================================================
# Work in parts
# =============================================================================
@pytest.mark.parametrize("n_threads", N_THREADS)
@pytest.mark.parametrize(
    ("n", "block"), [(1, 1), (7, 1), (100, 1), (130, 64), (1000, 64), (63, 64)]
)
def test_the_parts_are_all_of_it_once_and_begin_at_blocks(use, n_threads, n, block):
    use(n_threads)
    parts, names = [], set()

    def work(start, stop):
        parts.append((start, stop))
        names.add(threading.current_thread().name)

    team.share(work, n, 1.0, block)
    starts, stops = zip(*sorted(parts), strict=True)
    assert (starts[0], stops[-1]) == (0, n) and starts[1:] == stops[:-1]
    assert all(start % block == 0 for start in starts) and all(a < b for a, b in parts)
    assert len(parts) == max(1, min(n_threads, n // block))
    assert threading.main_thread().name in names


def test_little_work_wakes_nobody(use, monkeypatch):
    monkeypatch.setattr(team, "LEAST_NS", 100.0)
    use(4)
    for ns, n_parts in ((19.0, 1), (20.0, 2), (31.0, 3), (1000.0, 4)):
        parts = []
        team.share(lambda *part, parts=parts: parts.append(part), 10, ns)
        assert len(parts) == n_parts, ns


@pytest.mark.parametrize("of", [0, 5])
def test_an_error_of_a_part_is_raised_when_all_have_ended(use, of):
    use(3)
    ended = []

    def work(start, stop):
        if start <= of < stop:
            raise ValueError(f"part {start}")
        ended.append(start)

    for _ in range(2):  # and the threads go on
        with pytest.raises(ValueError, match="part"):
            team.share(work, 9, 1.0)
    assert len(ended) == 4
    team.share(lambda *part: ended.append(part), 9, 1.0)
    assert len(ended) == 7


def test_an_overflow_in_a_thread_does_not_warn(use):
    use(2)
    large = np.full(1000, 3e38, np.float32)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("error")
        assert np.isinf(np.asarray(cpu.linear(large[None], np.stack([large] * 64).T, None))).all()


def test_threads_that_wait_for_others_leave_the_work_to_one_for_a_while(monkeypatch):
    monkeypatch.setattr(team, "_N_LOOKED", 4)
    monkeypatch.setattr(team, "_N_ALONE", 5)
    monkeypatch.setattr(team, "_N_ALONE_MOST", 20)
    gain = team._Gain(team._Processors(1))

    def asked(n, spent_s):
        """Whether each of n pieces of work is done in parts, which take so long and alone 2 s."""
        found = []
        for _ in range(n):
            found.append(gain.is_there())
            if found[-1]:
                gain.note(spent_s, 2.0)
        return found

    assert asked(4, 2.1) == [True] * 4
    # The last of a while is in parts again: the first of four that are looked at.
    for n_alone in (5, 10, 20, 20):
        assert asked(n_alone + 3, 2.1) == [False] * (n_alone - 1) + [True] * 4
    assert asked(27, 1.9) == [False] * 19 + [True] * 8
    assert asked(4, 2.1) == [True] * 4 and asked(5, 2.1) == [False] * 4 + [True]


def test_work_is_done_by_one_thread_where_several_gain_nothing(use, monkeypatch):
    use(2)
    monkeypatch.setattr(team._gain, "is_there", lambda: False)
    parts = []
    team.share(lambda *part: parts.append(part), 10, 1.0)
    assert parts == [(0, 10)]
    a, b = floats(40, 30), floats(30, 48)
    assert products.dot(a, b).tobytes() == np.dot(a, b).tobytes() and not products._axes


# =============================================================================
# Kernels
# =============================================================================
def floats(*shape, dtype=np.float32):
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(dtype)


def filled(kernel, *shapes):
    """Call of a kernel with new arrays that it fills; the arrays and its results."""

    def call(*arguments):
        into = [np.full(shape, 7, np.float32) for shape in shapes]
        result = kernel(*arguments, *into)
        return [*into, *(result if type(result) is tuple else [result])]

    return call


DRAW = Masks(3).draw("x", 0.3)
X, W = floats(20, 3, 13, 12), floats(6, 3, 3, 3)
Y = floats(20, 6, 13, 12)
X1, W1 = X[:, :1].copy(), W[:, :1].copy()
POOLED, WINNERS = cpu.conv_relu_pool(X1, W1, floats(6))
INNER, INNER_WINNERS = cpu.conv_relu_pool(X, W, floats(6))
FLAT = floats(231, 330), floats(330, 192), floats(231, 192)
ONE = (1, 1)
KERNELS = {
    "linear": lambda: cpu.linear(*FLAT[:2], floats(192)),
    "linear_gradients": lambda: filled(
        lambda gW, gb: cpu.linear_gradients(*FLAT, gW, gb, True), (330, 192), (192,)
    )(),
    "linear_relu": lambda: cpu.linear_relu(*FLAT[:2], floats(192), None),
    "dropout of linear_relu": lambda: cpu.linear_relu(*FLAT[:2], floats(192), DRAW),
    "linear_relu_gradients": lambda: filled(
        lambda gW, gb: cpu.linear_relu_gradients(
            *FLAT, DRAW, floats(231, 192), gW, gb, True),
        (330, 192), (192,),
    )(),
    "conv_relu_pool, direct": lambda: cpu.conv_relu_pool(X1, W1, floats(6)),
    "conv_relu_pool_gradients, direct": lambda: filled(
        lambda gW, gb: cpu.conv_relu_pool_gradients(
            X1, W1, WINNERS, POOLED, gW, gb, False),
        (6, 1, 3, 3), (6,),
    )(),
    "conv_relu_pool": lambda: cpu.conv_relu_pool(X, W, floats(6)),
    "conv_relu_pool_gradients": lambda: filled(
        lambda gW, gb: cpu.conv_relu_pool_gradients(X, W, INNER_WINNERS, INNER, gW, gb, True),
        (6, 3, 3, 3), (6,),
    )(),
    "conv_relu": lambda: cpu.conv_relu(X, W, floats(6)),
    "conv_relu_gradients": lambda: filled(
        lambda gW, gb: cpu.conv_relu_gradients(X, W, Y, floats(20, 6, 13, 12), gW, gb, True),
        (6, 3, 3, 3), (6,),
    )(),
    "conv, stride 2": lambda: cpu.conv(X, W, floats(6), (2, 2), ONE),
    "conv_gradients": lambda: filled(
        lambda gW, gb: cpu.conv_gradients(X, W, Y, gW, gb, True, ONE, ONE), (6, 3, 3, 3), (6,)
    )(),
    "max_pool": lambda: cpu.max_pool(X, (3, 2), (2, 2), ONE),
    "max_pool_gradient": lambda: cpu.max_pool_gradient(
        *cpu.max_pool(X, (2, 2), (2, 2), ONE), X.shape, ONE),
    "average_pool": lambda: cpu.average_pool(X, (3, 2), (2, 2), ONE),
    "average_pool_gradient": lambda: cpu.average_pool_gradient(
        cpu.average_pool(X, (3, 2), (2, 2), ONE), X.shape, (3, 2), (2, 2), ONE),
    "normalise_batch": lambda: [
        mean := floats(3), var := floats(3) ** 2,
        *cpu.normalise_batch(X, floats(3), floats(3), mean, var, 1e-5, 0.9),
    ],
    "normalise_by_averages": lambda: cpu.normalise_by_averages(
        X, floats(3), floats(3), floats(3), floats(3) ** 2, 1e-5),
    "normalise_gradients": lambda: filled(
        lambda ggamma, gbeta: cpu.normalise_gradients(
            X, floats(3), floats(3), floats(3), floats(*X.shape), ggamma, gbeta, True),
        (3,), (3,),
    )(),
    "dropout": lambda: cpu.dropout(X, DRAW),
    "relu": lambda: cpu.relu(X), "tanh": lambda: cpu.tanh(X), "sigmoid": lambda: cpu.sigmoid(X),
    "leaky_relu": lambda: cpu.leaky_relu(X, 0.2),
    "gradients of elements": lambda: [
        cpu.relu_gradient(Y, Y[::-1].copy()), cpu.tanh_gradient(Y, Y[::-1].copy()),
        cpu.sigmoid_gradient(Y, Y[::-1].copy()), cpu.leaky_relu_gradient(Y, Y[::-1].copy(), 0.2),
    ],
    "adam": lambda: updated(cpu.adam, 3, 0.01, (0.9, 0.999), 1e-8, 1e-4, 0.99),
    "momentum": lambda: updated(cpu.momentum, 2, 0.01, 0.9, 1e-4),
    "sgd": lambda: updated(cpu.sgd, 1, 0.01, 1e-4),
}  # fmt: skip


def updated(kernel, n_arrays, *numbers):
    """The weights and what the optimizer keeps, after an update."""
    arrays = [np.abs(floats(n)) for n in (1009,) * (n_arrays + 1)]
    kernel(*arrays, *numbers)
    return arrays


def bits(results):
    arrays = results if isinstance(results, (tuple, list)) else [results]
    return [None if array is None else (array.shape, array.tobytes()) for array in arrays]


@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel_of_several_threads_has_the_bits_of_one(name, use, monkeypatch):
    # Chunks of two images or so.
    monkeypatch.setattr(cpu.images.general, "_N_NUMBERS", 10_000)
    monkeypatch.setattr(cpu.images.general, "_N_AT_ONCE", 2)
    alone, begin, begun = bits(KERNELS[name]()), team._Helper.begin, []

    def noted(helper, *part):
        begun.append(part)
        begin(helper, *part)

    monkeypatch.setattr(team._Helper, "begin", noted)
    for n_threads in N_THREADS:
        use(n_threads)
        for _ in range(2):  # the first product of a shape is compared, and not shared
            assert bits(KERNELS[name]()) == alone, n_threads
    assert begun, "nothing was shared"


@pytest.mark.parametrize("bad", [(0,), (1,), (0, 1)])
def test_a_product_that_parts_would_round_otherwise_is_computed_by_one(bad, use, monkeypatch):
    use(2)
    # Sums of whole numbers are not rounded: any part has their bits, whatever the processor.
    a, b = np.round(9 * floats(40, 30)), np.round(9 * floats(30, 48))

    def otherwise(part):
        def compute(a, b, out, start, stop):
            part(a, b, out, start, stop)
            out[-1, -1] = np.nextafter(out[-1, -1], np.float32(9))

        return compute

    parts = [otherwise(part) if n in bad else part for n, part in enumerate(products._PARTS)]
    monkeypatch.setattr(products, "_PARTS", tuple(parts))
    assert not products.dot(a, np.zeros_like(b)).any() and not products._axes
    for _ in range(2):
        assert products.dot(a, b).tobytes() == np.dot(a, b).tobytes()
    (axis,) = products._axes.values()
    assert axis == (None if bad == (0, 1) else 1 - bad[0])
    assert products.undivided() == (["40x30 by 30x48"] if bad == (0, 1) else [])


def test_a_side_that_is_too_short_for_two_parts_is_not_split(use):
    use(2)
    a, b = floats(40, 30), floats(30, 10)
    for _ in range(2):
        assert products.dot(a, b).tobytes() == np.dot(a, b).tobytes()
    (axis,) = products._axes.values()
    assert axis != 1


# =============================================================================
# Trainings
# =============================================================================
CNN = {"model": "cnn", "model.channels": 3, "model.hidden_size": 40}
NETS = {
    "one convolution": CNN,
    "inner convolutions": CNN | {"model.blocks": [[3, 3], [2]]},
    "perceptron": {"model": "mlp", "model.hidden_size": 120, "optimizer": "momentum"},
}


@pytest.mark.parametrize("graph", [True, False])
@pytest.mark.parametrize("name", NETS)
def test_a_training_with_several_threads_has_the_bits_of_one(name, graph, use, digits, few):
    def trained(n_threads):
        use(n_threads)
        config = configured({"engine.graph": graph} | NETS[name], seed=3)
        config.train.batch_size, config.train.epochs = 50, 2
        assembly, position = (
            assemble(config, "cpu", lambda engine: few(digits, 330, 150)),
            Position(),
        )
        assembly.warm_up()
        records = []
        while position.epoch <= config.train.epochs:
            records += training.train(assembly, position, lambda: False)
        arrays = {key: array.tobytes() for key, array in assembly.snapshot().items()}
        return without_times(records), arrays

    alone = trained(1)
    assert trained(2) == alone and trained(3) == alone


@pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="this system binds no thread to a processor"
)
def test_threads_that_have_all_processors_have_one_each_and_give_them_back():
    allowed = os.sched_getaffinity(0)
    with team.of(len(allowed)):
        if len(allowed) > 1:
            threads = (0, *(helper.native_id for helper in team._helpers[: len(allowed) - 1]))
            taken = [os.sched_getaffinity(thread) for thread in threads]
            assert all(len(of) == 1 for of in taken) and set.union(*taken) == allowed
    with team.of(len(allowed) + 1):
        assert os.sched_getaffinity(0) == allowed


@pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="this system binds no thread to a processor"
)
def test_threads_that_gain_nothing_are_bound_to_no_processor(monkeypatch):
    monkeypatch.setattr(team, "_N_LOOKED", 1)
    allowed = os.sched_getaffinity(0)
    with team.of(len(allowed)):
        team._gain.note(1.9, 2.0)
        assert (os.sched_getaffinity(0) == allowed) == (len(allowed) == 1)
        team._gain.note(2.1, 2.0)
        threads = (0, *(helper.native_id for helper in team._helpers[: len(allowed) - 1]))
        assert all(os.sched_getaffinity(thread) == allowed for thread in threads)
