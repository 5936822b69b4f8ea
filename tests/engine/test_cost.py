"""What is left to DeZero is timed, forward and backward, on a clock of the test's."""

import numpy as np
import pytest

from runner import engine as engines
from runner.engine import cost
from runner.engine.dezero import F, Function, L, Model, Variable
from runner.engine.fast import Fast
from runner.seeding import Masks

N_CLASSES = 3


class Clock:
    now = 0.0


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(cost, "perf_counter", lambda: clock.now)
    return clock


class Inner(Function):
    """Takes 2 s forward and 3 s backward."""

    clock: Clock

    def forward(self, x):
        self.clock.now += 2
        return x

    def backward(self, gy):
        self.clock.now += 3
        return gy


class Outer(Inner):
    """Takes an `Inner` and 1 s more each way."""

    def forward(self, x):
        self.clock.now += 1
        return Inner()(x).data

    def backward(self, gy):
        self.clock.now += 1
        return super().backward(gy)


class Net(Model):
    def __init__(self, *between):
        super().__init__()
        self.fc, self.between = L.Linear(N_CLASSES, in_size=4), between

    def forward(self, x):
        x = self.fc(x)
        for function in self.between:
            x = function()(x)
        return F.tanh(x)


class Optimizer:
    is_fused = True

    def warm_up(self):
        pass


def warmed_up(model, name="fast"):
    engine, batch = engines.create(name, Masks(0), "cpu"), (np.ones((2, 4), np.float32), [0, 2])
    images, labels = batch[0], np.array(batch[1])
    engine.warm_up(model, Optimizer(), images, labels)
    return engine, (images, labels)


def test_each_fallback_has_its_share_of_a_step_and_what_it_calls_is_part_of_it(clock, monkeypatch):
    Inner.clock = clock
    model = Net(Inner, F.Sin, Outer, Inner)
    engine, batch = warmed_up(model)
    loss_of = Fast.loss

    def loss(self, y, t):
        clock.now += 13
        return loss_of(self, y, t)

    monkeypatch.setattr(Fast, "loss", loss)
    assert engine.fallbacks == ("Inner", "Outer", "Sin")
    # Two Inner of 2 + 3 s, an Outer of 3 + 4 s, 13 s of the engine: 30 s.
    shares = cost.fallback_cost(engine, model, *batch)
    assert shares == {"Inner": pytest.approx(10 / 30), "Outer": pytest.approx(7 / 30), "Sin": 0}
    assert list(shares) == ["Inner", "Outer", "Sin"]
    assert all(parameter.grad is None for parameter in model.params())


def test_a_batch_is_made_of_the_images_given_and_the_quickest_step_counts(clock, monkeypatch):
    seen = []

    class First(Inner):
        """Is slow the first time only."""

        def forward(self, x):
            seen.append(len(x))
            clock.now += 100 if len(seen) < 4 else 1
            return x

    First.clock = clock
    model = Net(First)
    engine, batch = warmed_up(model)
    assert cost.fallback_cost(engine, model, *batch, n_images=7) == {"First": 1.0}
    assert seen[-3:] == [7, 7, 7]


@pytest.mark.parametrize("name, between", [("fast", []), ("stock", [F.Sin])])
def test_where_nothing_is_left_to_dezero_there_is_nothing_to_tell(name, between):
    model = Net(*between)
    engine, batch = warmed_up(model, name)
    assert engine.fallbacks == () and cost.fallback_cost(engine, model, *batch) == {}


def test_timing_changes_no_gradient():
    model = Net(F.Sin, F.Exp)
    engine, (x, t) = warmed_up(model)
    gradients = []
    for _ in range(2):
        with engine.active():
            loss, _ = engine.loss(model(Variable(x)), t)
            loss.backward()
        gradients.append(model.fc.W.grad.data.copy())
        cost.fallback_cost(engine, model, x, t)
    assert np.array_equal(*gradients)
