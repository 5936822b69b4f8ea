"""The fast engine's optimizers are DeZero's bit for bit, but for numbers too small to matter."""

from types import SimpleNamespace

import numpy as np
import pytest

from runner import engine as engines
from runner.engine import optimizers
from runner.engine.cpu.update import TINY
from runner.engine.dezero import Model, Variable, dezero, named_parameters
from runner.seeding import Masks

each_optimizer = pytest.mark.parametrize("optimizer", ["adam", "momentum", "sgd"])
each_decay = pytest.mark.parametrize("decay", [0.0, 1e-4])

# Only the second fills whole cache lines.
SHAPES = ((3, 5), (16,), (1,), (2, 3, 3, 3), (7,), (33, 2))
STEPS = 50


class Bare(Model):
    """Parameters and nothing to do with them, the same whenever it is made."""

    def __init__(self, shapes=SHAPES):
        super().__init__()
        rng = np.random.default_rng(0)
        for i, shape in enumerate(shapes):
            setattr(self, f"p{i}", dezero.Parameter(rng.standard_normal(shape).astype(np.float32)))


def made(engine, optimizer, decay, lr=0.01, model=None):
    """(model, optimizer of the engine)."""
    model = model or Bare()
    config = SimpleNamespace(name=optimizer, lr=lr, weight_decay=decay, momentum=0.9)
    return model, engines.create(engine, Masks(0), "cpu").optimizer(config, model)


def both(*args, **options):
    return made("fast", *args, **options), made("stock", *args, **options)


def random_gradients(step, shapes=SHAPES):
    """Of all sizes from 1e-6 to 100."""
    rng = np.random.default_rng([1, step])
    return [
        (rng.standard_normal(s) * 10.0 ** rng.uniform(-6, 2, s)).astype(np.float32) for s in shapes
    ]


def step(model, optimizer, gradients, in_place=False):
    """One update with these gradients; None is none."""
    model.cleargrads()
    for parameter, gradient in zip(named_parameters(model).values(), gradients, strict=True):
        if gradient is None:
            continue
        place = getattr(parameter, "gradient_place", None)
        if in_place and place is not None:
            place[...] = gradient
            parameter.grad = Variable(place)
        else:
            parameter.grad = Variable(gradient.copy())
    optimizer.update()


def everything(model, optimizer):
    """Weights and optimizer state by name; zeros for arrays that DeZero has not made yet."""
    parameters = named_parameters(model)
    arrays = {
        f"{slot}/{name}": np.zeros_like(p.data)
        for slot in optimizer.slots
        for name, p in parameters.items()
    }
    arrays |= {name: p.data.copy() for name, p in parameters.items()}
    return arrays | {n: np.array(a) for n, a in optimizers.state(optimizer, model).items()}


def assert_same_bits(first, second):
    first, second = everything(*first), everything(*second)
    assert sorted(first) == sorted(second)
    assert {n: a.dtype for n, a in first.items()} == {n: a.dtype for n, a in second.items()}
    assert [n for n in first if first[n].tobytes() != second[n].tobytes()] == []


# =============================================================================
# DeZero's bits
# =============================================================================
@each_optimizer
@each_decay
@pytest.mark.parametrize("in_place", [True, False], ids=["own gradients", "foreign gradients"])
def test_every_step_has_the_bits_of_dezeros(optimizer, decay, in_place):
    fast, stock = both(optimizer, decay)
    for n in range(STEPS):
        gradients = random_gradients(n)
        step(*fast, gradients, in_place)
        step(*stock, gradients)
        assert_same_bits(fast, stock)
    start = named_parameters(Bare())
    assert all((p.data != start[n].data).all() for n, p in named_parameters(fast[0]).items())


@each_optimizer
@each_decay
def test_a_parameter_without_a_gradient_is_left_as_it_is(optimizer, decay):
    fast, stock = both(optimizer, decay)
    for n in range(STEPS):
        without = np.random.default_rng([2, n]).random(len(SHAPES)) < 0.4
        without[1] = True  # never has one
        gradients = [None if w else g for w, g in zip(without, random_gradients(n), strict=True)]
        before = everything(*fast)
        step(*fast, gradients, in_place=bool(n % 2))
        step(*stock, gradients)
        assert_same_bits(fast, stock)
        after = everything(*fast)
        for name in after:
            if name[-2:] in [f"p{i}" for i in np.flatnonzero(without)]:
                assert after[name].tobytes() == before[name].tobytes()
    assert fast[0].p1.data.tobytes() == Bare().p1.data.tobytes()


@each_optimizer
def test_a_step_without_any_gradient_changes_nothing_but_the_count(optimizer):
    fast, stock = both(optimizer, 1e-4)
    for pair in (fast, stock):
        step(*pair, random_gradients(0))
        step(*pair, [None] * len(SHAPES))
        step(*pair, random_gradients(1))
    assert_same_bits(fast, stock)


@each_optimizer
def test_weights_that_are_replaced_between_steps_are_the_ones_updated(optimizer, tmp_path):
    fast, stock = both(optimizer, 1e-4)
    others = {f"p{i}": np.full(shape, i - 2.5, np.float32) for i, shape in enumerate(SHAPES)}
    np.savez(tmp_path / "weights.npz", **others)
    for pair in (fast, stock):
        step(*pair, random_gradients(0))
        pair[0].load_weights(tmp_path / "weights.npz")
        pair[0].p0.data = np.ones(SHAPES[0], np.float32)
        step(*pair, random_gradients(1))
        step(*pair, random_gradients(2), in_place=True)
    assert_same_bits(fast, stock)
    assert others["p1"].tolist() == [-1.5] * 16


# =============================================================================
# Hooks
# =============================================================================
@each_optimizer
@each_decay
def test_a_hook_of_the_users_does_what_it_does_in_dezero(optimizer, decay):
    fast, stock = both(optimizer, decay)
    for _, own in (fast, stock):
        own.add_hook(dezero.optimizers.ClipGrad(10.0))
    n_clipped = 0
    for n in range(STEPS):
        # Integers, because DeZero sums squares in the order of a set: these sums are exact in any
        # order.
        rng = np.random.default_rng([3, n])
        gradients = [
            rng.integers(-3, 4, shape).astype(np.float32) * (n % 5 > 0) for shape in SHAPES
        ]
        n_clipped += sum(float((g**2).sum()) for g in gradients) > 10.0**2
        step(*fast, gradients, in_place=True)
        step(*stock, gradients)
    assert STEPS > n_clipped > STEPS / 2
    if decay:  # then the sums are of floats, and their order shows
        of_fast, of_stock = everything(*fast), everything(*stock)
        for name in of_fast:
            np.testing.assert_allclose(
                of_fast[name], of_stock[name], rtol=1e-5, atol=1e-7, err_msg=name
            )
    else:
        assert_same_bits(fast, stock)


def test_weight_decay_comes_before_a_hook_that_the_user_adds_as_in_dezero():
    # Weights of 1 with a decay of 1/2 and no other gradient: clipped to the norm of one number,
    # 1/4.
    weights = []
    for engine in ("fast", "stock"):
        model = Bare(shapes=((1,),))
        model.p0.data = np.ones(1, np.float32)
        model, optimizer = made(engine, "sgd", 0.5, lr=1.0, model=model)
        optimizer.add_hook(dezero.optimizers.ClipGrad(0.25))
        step(model, optimizer, [np.zeros(1, np.float32)])
        weights.append(float(model.p0.data[0]))
    assert weights == pytest.approx([0.75, 0.75], rel=1e-5)


def test_a_hook_that_takes_a_gradient_away_freezes_the_parameter():
    model, optimizer = made("fast", "adam", 1e-4)
    optimizer.add_hook(dezero.optimizers.FreezeParam(model.p0))
    for n in range(3):
        step(model, optimizer, random_gradients(n), in_place=True)
    assert model.p0.data.tobytes() == Bare().p0.data.tobytes()
    assert (model.p1.data != Bare().p1.data).all()


# =============================================================================
# State
# =============================================================================
@each_optimizer
@pytest.mark.parametrize("before", ["fast", "stock"])
@pytest.mark.parametrize("after", ["fast", "stock"])
def test_a_checkpoint_of_either_engine_goes_on_in_the_other_with_the_same_bits(
    before, after, optimizer
):
    whole, first, second = (made(e, optimizer, 1e-4) for e in ("stock", before, after))
    for n in range(10):
        step(*whole, random_gradients(n))
    for n in range(5):
        step(*first, random_gradients(n), in_place=True)
    for name, p in named_parameters(second[0]).items():
        p.data[...] = named_parameters(first[0])[name].data
    kept = {n: np.array(a) for n, a in optimizers.state(first[1], first[0]).items()}
    slots = {"adam": ["ms", "vs"], "momentum": ["vs"], "sgd": []}[optimizer]
    expected = [f"{slot}/p{i}" for slot in slots for i in range(len(SHAPES))]
    assert list(kept) == ["t"] * (optimizer == "adam") + expected
    optimizers.restore(second[1], second[0], kept)
    for n in range(5, 10):
        step(*second, random_gradients(n), in_place=True)
    assert_same_bits(second, whole)
    # The state was copied: training the second has not changed that of the first.
    assert all(np.array_equal(a, kept[n]) for n, a in optimizers.state(first[1], first[0]).items())


@each_optimizer
def test_parameters_lie_in_one_array_apart_by_whole_cache_lines(optimizer):
    model, own = made("fast", optimizer, 0.0)
    flat = own.flat
    starts = []
    for name, p in named_parameters(model).items():
        assert np.shares_memory(p.data, flat.data) and p.data.shape == SHAPES[int(name[1:])]
        starts.append((p.data.ctypes.data - flat.data.ctypes.data) // p.data.itemsize)
        assert (
            p.gradient_place.ctypes.data - flat.gradients.ctypes.data
        ) // p.data.itemsize == starts[-1]
    assert starts == [0, 16, 32, 48, 112, 128] and flat.data.size == 208
    for n in range(3):
        step(model, own, random_gradients(n))
    assert np.count_nonzero(flat.data) == sum(p.data.size for p in model.params())


# =============================================================================
# Numbers too small to matter
# =============================================================================
N_LONG, LR = 3000, 1e-3
# Ten numbers for each decade, from 1 down to below the smallest float32.
SIZES = np.logspace(-46, 0, 461).astype(np.float32)
# The largest difference to DeZero's weights after that many steps, beside a relative one of a last
# bit or two. Adam drops a gradient g below TINY / (1 - beta1), for which DeZero takes a step of lr
# * g / eps. Momentum drops up to TINY / (1 - momentum) a step, and SGD drops weights alone.
FURTHEST = {
    "adam": N_LONG * LR * (TINY / (1 - 0.9)) / 1e-8 * 1.2,
    "momentum": N_LONG * TINY / (1 - 0.9) * 1.2,
    "sgd": N_LONG * TINY * 1.2,
}


def is_subnormal(array):
    return (array != 0) & (np.abs(array) < np.finfo(np.float32).tiny)


def long_gradients(n):
    """Gradient 1 for ten steps, then 0; always 0; gradients of all sizes; and with a sign."""
    died = np.ones_like(SIZES) if n < 10 else np.zeros_like(SIZES)
    return [died, np.zeros_like(SIZES), SIZES, np.roll(SIZES, 100) * (-1 if n % 3 == 0 else 1)]


@each_optimizer
@each_decay
def test_no_number_ever_becomes_subnormal_and_none_moves_further_than_that(optimizer, decay):
    models = [Bare(shapes=(SIZES.shape,) * 4) for _ in range(2)]
    for model in models:
        for p in named_parameters(model).values():
            p.data = SIZES * np.where(np.arange(SIZES.size) % 2, -1, 1).astype(np.float32)
    fast = made("fast", optimizer, decay, LR, models[0])
    stock = made("stock", optimizer, decay, LR, models[1])
    n_seen = {"fast": 0, "stock": 0}
    for n in range(N_LONG):
        gradients = long_gradients(n)
        for engine, pair in (("fast", fast), ("stock", stock)):
            step(*pair, gradients, in_place=True)
            arrays = [p.data for p in pair[0].params()]
            for slot in pair[1].slots:
                arrays += getattr(pair[1], slot).values()
            n_seen[engine] += sum(np.count_nonzero(is_subnormal(a)) for a in arrays)
    assert n_seen["fast"] == 0 < n_seen["stock"]
    for name, p in named_parameters(fast[0]).items():
        of_dezero = named_parameters(stock[0])[name].data
        np.testing.assert_allclose(
            p.data, of_dezero, rtol=2e-7, atol=FURTHEST[optimizer], err_msg=name
        )
        assert not p.data[(np.abs(p.data) < TINY)].any()


@each_optimizer
def test_what_falls_below_tiny_becomes_exactly_zero(optimizer):
    model = Bare(shapes=((4,),))
    real = np.float32
    model.p0.data = np.array([TINY / 2, -TINY / 2, TINY * 2, -TINY * 2], real)
    model, own = made("fast", optimizer, 0.0, model=model)
    step(model, own, [np.zeros(4, real)])
    assert model.p0.data.tolist() == [0.0, 0.0, float(real(TINY * 2)), -float(real(TINY * 2))]
