"""The fast engine has the stock engine's losses at each step, and the same bits after a stop."""

import math

import numpy as np
import pytest
from short_training import (
    BATCH,
    EPOCHS,
    N_IMAGES,
    N_QUESTIONS,
    N_STEPS,
    assembled,
    eager,
    everything,
    resume,
    save,
    weights,
    without_times,
)

from runner.engine import loop
from runner.engine.dezero import F, L, Model, named_parameters
from runner.engine.protocol import Position
from runner.engine.recipe import Recipe
from runner.state.checkpoint import Checkpoints
from runner.train import epochs as training

each_optimizer = pytest.mark.parametrize("optimizer", ["adam", "momentum", "sgd"])

# Arguments of new_run, and what pixels are divided by.
NETWORKS = {
    "conv30": (dict(channels=30, hidden_size=100), 1.0),
    "conv1": (dict(channels=1, hidden_size=200, fc_depth=2), 1.0),
    "book mlp": (dict(kind="mlp", hidden_size=200, fc_depth=2, dropout=False), 255.0),
    "blocks": (dict(blocks=[[4, 4], [6]], hidden_size=50), 255.0),
}
each_network = pytest.mark.parametrize("network", NETWORKS)
LR = {"adam": 1e-3, "momentum": 1e-3, "sgd": 1e-2}


def train(run, data, epochs=1, batch_size=100, position=None, should_stop=lambda: False):
    return list(
        training.train(
            assembled(run, data, epochs, batch_size), position or Position(), should_stop
        )
    )


@pytest.fixture
def watched(monkeypatch):
    """Call with an engine that captures no step for the (loss, number right) that it will give."""

    def watch(engine):
        seen, loss_of = [], engine.loss

        def loss(y, t):
            value, correct = loss_of(y, t)
            seen.append((float(value.data), int(correct.sum())))
            return value, correct

        monkeypatch.setattr(engine, "loss", loss)
        return seen

    return watch


# =============================================================================
# Against the stock engine
# =============================================================================
@each_network
def test_a_model_starts_with_the_weights_of_the_stock_engines(network, new_run):
    fast, stock = (
        weights(new_run(engine=e, image_shape=(1, 28, 28), **NETWORKS[network][0]))
        for e in ("fast", "stock")
    )
    assert list(fast) == list(stock)
    assert all(
        fast[n].tobytes() == stock[n].tobytes() and fast[n].shape == stock[n].shape for n in fast
    )
    assert {w.dtype.name for w in fast.values()} == {"float32"}


@pytest.mark.parametrize(
    "network, optimizer, n_images",
    [(network, "adam", 2000) for network in NETWORKS]
    + [
        (network, optimizer, 1000)
        for network in ("conv1", "blocks")
        for optimizer in ("momentum", "sgd")
    ],
)
def test_an_epoch_has_the_losses_of_the_stock_engine_at_every_step(
    network, optimizer, n_images, new_run, mnist, few, watched, monkeypatch
):
    monkeypatch.setattr(loop, "N_TRAIN_EVAL", 300)
    model, scale = NETWORKS[network]
    seen, records, after = {}, {}, {}
    for engine in ("fast", "stock"):
        how = dict(engine=engine, optimizer=optimizer, lr=LR[optimizer], graph=False)
        run = new_run(image_shape=(1, 28, 28), **how, **model)
        start = weights(run)
        steps = watched(run.engine)
        (records[engine],) = train(run, few(mnist, n_images, 300, scale=scale))
        seen[engine] = np.array(steps[: n_images // 100])
        after[engine] = weights(run)
    np.testing.assert_allclose(seen["fast"][:, 0], seen["stock"][:, 0], rtol=1e-4, atol=0)
    # Two scores that are equal to 1e-4 may swap their order, for one image in a batch.
    assert np.abs(seen["fast"][:, 1] - seen["stock"][:, 1]).max() <= 1
    fast, stock = without_times([records["fast"]])[0], without_times([records["stock"]])[0]
    assert list(fast) == list(stock)
    for metric in fast:
        tolerance = dict(abs=2 / 300) if metric.endswith("accuracy") else dict(rel=1e-3)
        assert fast[metric] == pytest.approx(stock[metric], **tolerance), metric
    # The weights have moved a hundred times further than the two engines are apart.
    for name, w in after["stock"].items():
        moved, apart = np.linalg.norm(w - start[name]), np.linalg.norm(w - after["fast"][name])
        assert moved > 0 and apart < 1e-2 * moved, name


# =============================================================================
# The same bits
# =============================================================================
SMALL = {
    "cnn": {},
    "blocks": dict(blocks=[[2, 3], [2]], fc_depth=2, dropout_ratio=0.3),
    "mlp": dict(kind="mlp", fc_depth=2, hidden_size=7),
}
each_small = pytest.mark.parametrize("small", SMALL)


@pytest.fixture
def data(digits, few):
    return few(digits, N_IMAGES, 130)


def small_run(new_run, small, optimizer, **others):
    return new_run(engine="fast", optimizer=optimizer, **{"lr": 0.01, **SMALL[small], **others})


def stops_at(*questions):
    asked = iter(range(1000))
    return lambda: next(asked) in questions


@each_small
@each_optimizer
def test_two_trainings_of_a_seed_have_the_same_bits_and_of_two_seeds_have_not(
    small, optimizer, new_run, data
):
    trainings = []
    for seed in (4, 4, 5):
        run = small_run(new_run, small, optimizer, seed=seed)
        trainings.append((without_times(train(run, data, EPOCHS, BATCH)), everything(run)))
    assert trainings[0] == trainings[1]
    assert (
        trainings[0][0] != trainings[2][0] and trainings[0][1]["out/W"] != trainings[2][1]["out/W"]
    )


@each_small
@each_optimizer
def test_going_on_after_a_stop_anywhere_gives_the_bits_of_an_uninterrupted_run(
    small, optimizer, new_run, data, tmp_path
):
    run = small_run(new_run, small, optimizer)
    whole = without_times(train(run, data, EPOCHS, BATCH)), everything(run)
    for question in range(N_QUESTIONS):
        first, position = small_run(new_run, small, optimizer), Position()
        records = train(first, data, EPOCHS, BATCH, position, stops_at(question))
        assert position.epoch == 1 + question // (N_STEPS + 2)
        (tmp_path / str(question)).mkdir()
        checkpoints = Checkpoints(tmp_path / str(question), "key")
        save(first, checkpoints, vars(position))
        # Go on in the same process; then in another model, which is warmed up before as in a run.
        in_place = records + train(first, data, EPOCHS, BATCH, position)
        assert (without_times(in_place), everything(first)) == whole
        again = small_run(new_run, small, optimizer)
        assembled(again, data).warm_up()
        position = resume(again, checkpoints)
        records += train(again, data, EPOCHS, BATCH, position)
        assert (without_times(records), everything(again)) == whole


@each_small
def test_evaluating_more_often_changes_no_bit_of_training(small, new_run, data):
    plain, often = (small_run(new_run, small, "adam") for _ in range(2))

    def evaluate_and_go_on():
        for masked_epoch in (None, 1):
            eager(often, data).evaluate(data.test_images, data.test_labels, masked_epoch)
        return False

    records = train(plain, data, EPOCHS, BATCH)
    assert without_times(
        train(often, data, EPOCHS, BATCH, should_stop=evaluate_and_go_on)
    ) == without_times(records)
    assert everything(often) == everything(plain)


@each_small
def test_how_evaluation_is_batched_changes_no_bit_of_right_or_wrong(
    small, new_run, data, monkeypatch
):
    run = small_run(new_run, small, "adam")
    train(run, data, 1, BATCH)
    for masked_epoch in (None, 1):
        of_test = data.test_images, data.test_labels, masked_epoch
        whole = eager(run, data).evaluate(*of_test)
        with monkeypatch.context() as patch:
            patch.setattr(loop, "EVAL_BATCH", 7)
            other = eager(run, data).evaluate(*of_test)
        assert np.array_equal(whole.correct, other.correct) and 0 < whole.correct.sum() < 130
        assert other.loss == pytest.approx(whole.loss, rel=1e-6)


# =============================================================================
# Units that die
# =============================================================================
@each_optimizer
def test_units_that_die_leave_no_subnormal_number_behind(optimizer, new_run, digits, few):
    # Steps so long that the ReLU of nearly every unit stays 0, and only the weight decay changes
    # its weights.
    lr = {"adam": 1.0, "momentum": 2.0, "sgd": 20.0}[optimizer]
    run = small_run(new_run, "cnn", optimizer, lr=lr, hidden_size=30, dropout=False)
    data = few(digits, 1000, 100)
    records = train(run, data, epochs=3, batch_size=10)
    assert len(records) == 3 and math.isfinite(records[-1].train_loss)
    x = run.engine.pixels(data.train_images, np.arange(1000), data.scale)
    hidden = run.model.fc1(run.model.block1(x).data.reshape(1000, -1)).data
    assert (hidden.max(axis=0) == 0).sum() > 15
    arrays = weights(run) | {n: a for n, a in run.optimizer.state().items() if n != "t"}
    smallest = np.finfo(np.float32).tiny
    for name, array in arrays.items():
        assert np.isfinite(array).all() and not ((array != 0) & (np.abs(array) < smallest)).any(), (
            name
        )


# =============================================================================
# A user's model
# =============================================================================
class Users(Model):
    """Parts of the engine with something of DeZero's between them."""

    def __init__(self, engine, between):
        super().__init__()
        self.hidden, self.between, self.out = (
            engine.hidden("fc1", 16, None),
            between,
            engine.output(10),
        )
        self.own = L.Linear(16)

    def forward(self, x):
        return self.out(self.between(self, self.hidden(x.reshape(len(x), -1))))


BETWEEN = {
    "nothing": (lambda net, h: h, ()),
    "reshape": (lambda net, h: F.reshape(h, (len(h), -1)), ()),
    "sigmoid": (lambda net, h: F.sigmoid(h), ()),
    "sum": (lambda net, h: h + h, ("Add",)),
    "several": (
        lambda net, h: F.sin(net.own(h)) + F.exp(F.tanh(h)),
        ("Add", "Exp", "Sin"),
    ),
}


@pytest.mark.parametrize("between", BETWEEN)
def test_a_users_model_trains_as_on_the_stock_engine_and_its_own_functions_are_named(
    between, new_run, data, watched
):
    compute, names = BETWEEN[between]
    seen = {}
    for engine in ("fast", "stock"):
        run = new_run(engine=engine, graph=False)
        model = Users(run.engine, compute)
        model(np.zeros((1, 64), np.float32))
        model.own(np.zeros((1, 16), np.float32))
        for i, parameter in enumerate(named_parameters(model).values()):
            rng = np.random.default_rng(i)
            parameter.data = rng.standard_normal(parameter.shape, dtype=np.float32) * np.float32(
                0.2
            )
        run.model, run.optimizer = (
            model,
            run.engine.optimizer(
                Recipe("dezero.optimizers.Adam", {"lr": 0.01, "weight_decay": 1e-4}), model
            ),
        )
        assembled(run, data).warm_up()
        assert run.engine.fallbacks == (names if engine == "fast" else ())
        steps = watched(run.engine)
        train(run, data, EPOCHS, BATCH)
        seen[engine] = [loss for loss, _ in steps]
    np.testing.assert_allclose(seen["fast"], seen["stock"], rtol=1e-4, atol=0)
    assert seen["fast"][0] > seen["fast"][-1]
