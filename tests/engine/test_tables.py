"""What is chosen by name is looked up in a table: what is not there is refused, with what is."""

from types import SimpleNamespace

import numpy as np
import pytest
from short_training import assembled

from runner import engine as engines
from runner.config import names
from runner.engine import flat, optimizers, stock
from runner.engine.dezero import dezero, named_parameters
from runner.engine.optimizers import Entry
from runner.engine.protocol import Position
from runner.errors import ConfigError
from runner.seeding import Masks
from runner.train import epochs


# =============================================================================
# Engines
# =============================================================================
@pytest.mark.parametrize(
    "name, device", [("bogus", "cpu"), ("bogus", "gpu"), ("fast", "tpu"), ("", "cpu")]
)
def test_an_unknown_engine_is_refused_with_the_known_ones(name, device):
    known = "allowed is one of fast on cpu, fast on gpu, stock on cpu, stock on gpu$"
    with pytest.raises(ConfigError, match=f"^engine.name={name} on device={device}: {known}"):
        engines.create(name, Masks(0), device)
    with pytest.raises(ConfigError, match=f"^engine.name={name} on device={device}: {known}"):
        engines.compiles(name, device)


@pytest.mark.parametrize("name", ["fast", "stock"])
def test_an_engine_is_the_one_of_its_name(name):
    assert engines.create(name, Masks(0), "cpu").name == name


def test_the_names_that_a_command_is_checked_with_are_those_of_the_tables():
    assert set(names.ENGINES) == {name for name, _ in engines.ENGINES}


# =============================================================================
# Optimizers
# =============================================================================
def with_adagrad(engine, monkeypatch):
    """Add AdaGrad to the table of one engine."""

    class FlatAdaGrad(flat._Flat, dezero.optimizers.AdaGrad):
        def __init__(self, kernels, lr, decay):
            super().__init__(lr)
            self.kernels, self.decay = kernels, decay

        def setup(self, target):
            super().setup(target)
            self.h, self.hs = self.new_slot()
            return self

        def apply(self, span, decay):
            p, g, h = (array[span] for array in (self.flat.data, self.flat.gradients, self.h))
            g = g + np.float32(decay) * p
            h += g * g
            p -= self.lr * g / (np.sqrt(h) + self.eps)

    entries = {
        "fast": Entry(
            lambda config, kernels: FlatAdaGrad(kernels, config.lr, config.weight_decay),
            slots=("hs",),
        ),
        "stock": Entry(lambda config: dezero.optimizers.AdaGrad(config.lr), slots=("hs",)),
    }
    table = {"fast": flat.OPTIMIZERS, "stock": stock.OPTIMIZERS}[engine]
    monkeypatch.setitem(table, "adagrad", entries[engine])


def train(run, data):
    return list(epochs.train(assembled(run, data), Position()))


@pytest.mark.parametrize("knowing, other", [("fast", "stock"), ("stock", "fast")])
def test_an_optimizer_of_one_engines_table_is_trained_by_it_and_refused_by_the_other(
    knowing, other, new_run, digits, few, monkeypatch
):
    with_adagrad(knowing, monkeypatch)
    data = few(digits, 100, 20)
    run = new_run(engine=knowing, optimizer="mine.adagrad", lr=0.01)
    first, last = train(run, data)
    assert last.train_loss < first.train_loss
    # Checkpoints hold its arrays, as for any other optimizer.
    state = optimizers.state(run.optimizer, run.model)
    assert sorted(state) == sorted(f"hs/{name}" for name in named_parameters(run.model))
    assert all(array.any() for array in state.values())
    with pytest.raises(
        ConfigError, match=f"^optimizer.name=adagrad: allowed with engine={other} is one of adam,"
    ):
        new_run(engine=other, optimizer="mine.adagrad")


def test_the_same_optimizer_in_both_tables_trains_to_the_same_numbers(
    new_run, digits, few, monkeypatch
):
    losses = {}
    for engine in ("fast", "stock"):
        with_adagrad(engine, monkeypatch)
        run = new_run(engine=engine, optimizer="mine.adagrad", lr=0.01)
        losses[engine] = [record.train_loss for record in train(run, few(digits, 100, 20))]
    assert losses["fast"] == pytest.approx(losses["stock"], rel=1e-4)


@pytest.mark.parametrize("engine", ["fast", "stock"])
def test_an_unknown_optimizer_is_refused_and_nothing_else_is_trained(engine, new_run):
    model = new_run(engine=engine).model
    made = engines.create(engine, Masks(0), "cpu")
    with pytest.raises(
        ConfigError, match=f"^optimizer.name=lion: allowed with engine={engine} is one of adam"
    ):
        made.optimizer(SimpleNamespace(name="lion", lr=0.01, weight_decay=0.0), model)
