"""Models of one's own, trained: the bits of the seed, twice and after any stop."""

import numpy as np
import own_models
import pytest
from short_training import N_STEPS, assembled, everything, go_on, without_times

from runner.engine import model_state
from runner.engine.dezero import F, dezero, named_parameters
from runner.engine.forward import forward
from runner.engine.protocol import Position
from runner.engine.recipe import recipe
from runner.errors import ModelError

with_state = pytest.mark.parametrize(
    "source", [own_models.BATCH_NORM, own_models.OWN_AVERAGES], ids=["BatchNorm", "own averages"]
)


@pytest.fixture
def own(new_run, tmp_path, monkeypatch):
    def build(source, **knobs):
        return new_run(kind=own_models.define(source, tmp_path, monkeypatch), **knobs)

    return build


def state(run):
    """All that a checkpoint keeps, as bytes."""
    arrays = assembled(run, None).snapshot()
    return {name: np.asarray(array).tobytes() for name, array in arrays.items()}


# =============================================================================
# Dropout by DeZero's function
# =============================================================================
def test_the_published_net_has_the_same_bits_twice_and_others_with_another_seed(own, data):
    results = []
    for seed in (0, 0, 1):
        run = own(own_models.PUBLISHED, seed=seed)
        np.random.seed(len(results))  # what it draws by is not this
        results.append((without_times(go_on(run, data, Position())), everything(run)))
    assert results[0] == results[1]
    assert results[0] != results[2]


def test_dropout_left_on_is_measured_for_the_published_net(own, data):
    for record in go_on(own(own_models.PUBLISHED), data, Position()):
        assert record.test_masked_loss != record.test_loss


def test_dropout_of_ones_own_net_is_drawn_by_its_place_the_step_and_the_row(own, data):
    run = own(own_models.PUBLISHED)
    x = data.train_images[:5].astype(np.float32) / np.float32(16)
    w = {name: p.data for name, p in named_parameters(run.model).items()}
    run.masks.training(step=7)
    h = F.pooling(F.relu(F.conv2d(x, w["conv1/W"], w["conv1/b"], 1, 1)), 2, 2).data
    h = h * run.masks.keep("dropout1", h.shape, 0.2) / np.float32(1 - 0.2)
    h = F.relu(F.linear(h.reshape(5, -1), w["fc2/W"], w["fc2/b"])).data
    h = h * run.masks.keep("dropout2", h.shape, 0.5) / np.float32(0.5)
    expected = F.linear(h, w["fc3/W"], w["fc3/b"]).data
    for _ in range(2):  # the places are counted anew in each pass
        np.testing.assert_allclose(
            forward(run.model, x, run.engine).data, expected, rtol=1e-5, atol=1e-6
        )


def test_outside_of_a_run_dropout_is_dezeros_own():
    x = np.ones((50, 20), np.float32)
    np.random.seed(3)
    y = F.dropout(x, 0.3).data
    np.random.seed(3)
    keep = np.random.rand(50, 20) > 0.3
    assert np.array_equal(y, x * keep / np.float32(0.7))
    with dezero.test_mode():
        assert F.dropout(x).data is x


# =============================================================================
# Arrays that are no weights
# =============================================================================
@with_state
@pytest.mark.parametrize("stop_at", [1, N_STEPS + 3])
def test_going_on_from_a_checkpoint_gives_the_bits_of_an_uninterrupted_run(
    stop_at, source, own, data
):
    whole = own(source)
    expected = without_times(go_on(whole, data, Position()))

    run, position, asked = own(source), Position(), iter(range(100))
    records = go_on(run, data, position, lambda: next(asked) == stop_at)
    arrays = assembled(run, data).snapshot()
    again = assembled(own(source), data)
    again.warm_up()
    again.restore(arrays)
    records += go_on(again, data, position)
    assert without_times(records) == expected
    assert state(again) == state(whole)


@with_state
def test_the_arrays_of_a_net_are_moved_by_training_alone(source, own, data):
    run = assembled(own(source), data)
    before = state(run)
    run.warm_up()
    loop = run.loop()
    assert state(run) == before
    go_on(run, data, Position(), epochs=1)
    trained = state(run)
    loop.evaluate(data.test_images, data.test_labels, masked_epoch=1)
    loop.test()
    assert state(run) == trained
    changed = {name for name in trained if trained[name] != before.get(name)}
    kept = {"weights/bn1/avg_mean", "weights/bn2/avg_var"} & set(before) or {"weights/centre/mean"}
    assert kept <= changed


def test_the_optimizer_leaves_alone_what_has_no_gradient(own, data):
    # Decay would shrink the averages and the frozen layer.
    source = own_models.net(
        "self.frozen = L.Linear(4, in_size=3)\nself.bn = L.BatchNorm()",
        "return self.out(self.bn(self.fc1(F.flatten(x))))",
    )
    plain, decayed = (own(source) for _ in range(2))
    options = decayed.config.optimizer | {"weight_decay": 0.1}
    decayed.optimizer = decayed.engine.optimizer(recipe(options, 1), decayed.model)
    frozen = decayed.model.frozen.W.data.copy()
    for run in (plain, decayed):
        run.model.bn.avg_mean.data[...] = 5
        x = data.train_images[:9].astype(np.float32)
        loss, _ = run.engine.loss(run.model(x), data.train_labels[:9])
        run.model.cleargrads()
        loss.backward()
        run.optimizer.update()
    assert np.array_equal(decayed.model.frozen.W.data, frozen)
    assert np.array_equal(decayed.model.bn.avg_mean.data, plain.model.bn.avg_mean.data)
    assert not np.array_equal(decayed.model.fc1.W.data, plain.model.fc1.W.data)


def test_arrays_that_a_block_changed_makes_or_puts_in_place_are_put_back(own, data):
    run = own(own_models.OWN_AVERAGES)
    run.model.centre.table = table = np.arange(3.0)
    with model_state.untouched(run.model):
        run.model(data.train_images[:3].astype(np.float32))
        run.model.centre.table += 1
        run.model.fc1.W.data = run.model.fc1.W.data * 2
        assert run.model.centre.mean is not None
    assert run.model.centre.mean is None
    assert run.model.centre.table is table and table.tolist() == [0, 1, 2]
    assert everything(run) == everything(own(own_models.OWN_AVERAGES))


# =============================================================================
# First weights
# =============================================================================
@pytest.mark.parametrize("rule", ["he", "xavier", "std", "in_size", "lazy_he"])
def test_what_the_constructor_or_ones_own_rule_gave_a_weight_stays(rule, own):
    rules = {
        "he": "self.fc1 = L.Linear(20, in_size=64)\n"
        "self.fc1.W.data = np.random.randn(64, 20) * np.sqrt(2 / 64)",
        "xavier": "self.fc1 = L.Linear(20, in_size=64)\n"
        "self.fc1.W.data = np.random.randn(64, 20) * np.sqrt(2 / (64 + 20))",
        "std": "self.fc1 = L.Linear(20, in_size=64)\n"
        "self.fc1.W.data = np.random.randn(64, 20) * 0.01",
        "in_size": "self.fc1 = L.Linear(20, in_size=64)",
        "lazy_he": "self.fc1 = He(20)",
    }
    head = (
        "class He(L.Linear):\n    def _init_W(self, xp=np):\n"
        "        self.W.data = np.random.randn(self.in_size, self.out_size) * 3\n\n\n"
    )
    scales = dict(he=np.sqrt(2 / 64), xavier=np.sqrt(2 / 84), std=0.01, in_size=1 / 8, lazy_he=3)
    source = own_models.net(rules[rule], head=head)
    W = [own(source, seed=seed).model.fc1.W.data for seed in (0, 0, 1)]
    assert W[0].dtype == np.float32
    # Five standard errors of the standard deviation of 1280 numbers.
    assert abs(W[0].std() / scales[rule] - 1) < 5 / np.sqrt(2 * 1280)
    assert np.array_equal(W[0], W[1]) and not np.array_equal(W[0], W[2])


def test_what_the_constructor_draws_by_pythons_generator_is_the_seeds(own):
    source = own_models.net("self.width = random.random()", head="import random\n\n\n")
    widths = [own(source, seed=seed).model.width for seed in (0, 0, 1)]
    assert widths[0] == widths[1] != widths[2]


def test_a_layer_that_the_first_pass_left_out_gets_no_weights_later(own, data):
    source = own_models.net(
        "self.dark = L.Linear(20)",
        "h = self.dark if float(x.mean()) > 0.3 else self.fc1\nreturn self.out(h(F.flatten(x)))",
    )
    with pytest.raises(ModelError, match="dark/W has no weights: .* give it its input size"):
        go_on(own(source), data, Position())


def test_a_layer_that_some_batches_leave_out_is_learned_as_by_plain_dezero(own, data, engine):
    source = own_models.net(
        "self.dark = L.Linear(20, in_size=64)\nself.fc1 = L.Linear(20, in_size=64)",
        "h = self.dark if float(x[0].mean()) > 0.3 else self.fc1\nreturn self.out(h(F.flatten(x)))",
    )
    run, stock = own(source), own(source, engine="stock")
    for of in (run, stock):
        go_on(of, data, Position())
    for name, array in named_parameters(stock.model).items():
        ours = named_parameters(run.model)[name].data
        np.testing.assert_allclose(ours, array.data, rtol=1e-3, atol=1e-5)
