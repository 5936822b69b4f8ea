"""The captured loop has the bits of the eager one, and says why it does not capture a net."""

import dataclasses
import sys
import weakref

import numpy as np
import own_models
import pytest
from configs import configured
from short_training import without_times

from runner.engine.captured.loop import Captured
from runner.engine.captured.tape import Tape
from runner.engine.loop import Diverged, Eager
from runner.engine.protocol import Position
from runner.train import epochs as training
from runner.train.assemble import assemble

#: 110 images in batches of 25 are five steps, the last of 10 images: of each epoch's steps the
#: second to the fourth are replayed. Evaluations have batches of 20.
BATCH, EPOCHS, N_REPLAYED = 25, 2, 3


@pytest.fixture
def data(digits, few, monkeypatch):
    monkeypatch.setattr(Eager, "eval_batch", 20)
    images = few(digits, 110, 50)
    return dataclasses.replace(
        images, val_images=digits.train_images[200:245], val_labels=digits.train_labels[200:245]
    )


@pytest.fixture
def replays(monkeypatch):
    """The number of images of each replay."""
    sizes, replay = [], Tape.replay

    def counted(tape, x, t, masks):
        sizes.append(len(x))
        return replay(tape, x, t, masks)

    monkeypatch.setattr(Tape, "replay", counted)
    return sizes


@pytest.fixture
def trained(data):
    """Call with knobs and whether steps are captured: records, evaluations, state, and the parts.

    It goes on after `stops`, questions of whether to stop, and calls `between` after each epoch.
    """

    def train(knobs, graph, stops=(), between=lambda assembly: None):
        config = configured({"engine.graph": graph} | knobs, seed=3)
        config.train.batch_size, config.train.epochs = BATCH, EPOCHS
        assembly, position = assemble(config, "cpu", lambda engine: data), Position()
        assembly.warm_up()
        asked, records = iter(range(100)), []
        while position.epoch <= EPOCHS:
            for record in training.train(assembly, position, lambda: next(asked) in stops):
                records.append(record)
                between(assembly)
        bits = [(r.test_correct.tobytes(), r.test_predicted.tobytes()) for r in records]
        arrays = {name: array.tobytes() for name, array in assembly.snapshot().items()}
        return without_times(records), bits, arrays, assembly

    return train


def same(captured, eager):
    *captured, of = captured
    *eager, _ = eager
    assert captured == eager
    return of.engine


CNN = {"model": "cnn", "model.channels": 2, "model.hidden_size": 8, "optimizer.lr": 0.01}
SHIPPED = {
    "one convolution, dropout": CNN,
    "two hidden layers": CNN | {"model.fc_depth": 2},
    "inner convolutions": CNN | {"model.blocks": [[3, 3], [2]]},
    "the book's perceptron": {
        "model": "mlp", "model.hidden_size": 9, "model.fc_depth": 2, "model.dropout": False
    },
    "no hidden layer": {"model": "mlp", "model.fc_depth": 0},
    "momentum": CNN | {"optimizer": "momentum"},
    "sgd": CNN | {"optimizer": "sgd"},
    "no decay": CNN | {"optimizer.weight_decay": 0.0},
    "decoupled decay": CNN | {"optimizer.weight_decay": 0.1, "optimizer.decoupled_decay": True},
    "clipped": CNN | {"optimizer.clip_grad": 0.1},
    "clipped sgd": CNN | {"optimizer": "sgd", "optimizer.clip_grad": 0.1},
    "steps": CNN | {"optimizer.schedule.kind": "step", "optimizer.schedule.at": [1]},
    "cosine": CNN | {"optimizer.schedule.kind": "cosine", "optimizer.schedule.warmup_epochs": 1},
}  # fmt: skip


@pytest.mark.parametrize("name", SHIPPED)
def test_what_ships_is_captured_and_has_the_bits_of_the_eager_loop(name, trained, replays):
    captured = trained(SHIPPED[name], True)
    n_training = replays.count(BATCH)
    assert n_training == EPOCHS * N_REPLAYED and 20 in replays
    assert same(captured, trained(SHIPPED[name], False)).not_captured == ""
    assert replays.count(BATCH) == n_training


# =============================================================================
# Models of one's own
# =============================================================================
net = own_models.net
CAPTURED = {
    "published": own_models.PUBLISHED,
    "BatchNorm": own_models.BATCH_NORM,
    "engine's parts": own_models.OF_PARTS,
    "activations": net(forward=(
        "h = F.sigmoid(self.fc1(F.flatten(x)))\nreturn self.out(F.leaky_relu(F.tanh(h), 0.1))"
    )),
    "average pool": net(forward=(
        "x = F.average_pooling(x, 2, 2)\nreturn self.out(F.relu(self.fc1(F.flatten(x))))"
    )),
    "a branch on what it keeps": net("self.deep = True", (
        "x = F.flatten(x)\nif self.deep:\n    x = self.fc1(x)\nreturn self.out(x)"
    )),
    "a layer in a list": net("self.all = [self.fc1]", (
        "x = F.flatten(x)\nfor layer in self.all:\n    x = F.relu(layer(x))\nreturn self.out(x)"
    )),
    "a layer that is not used": net("self.unused = L.Linear(3, in_size=2)"),
    "dropout and a skipped mask": net(forward=(
        "x = F.dropout(F.flatten(x), 0.1)\nreturn self.out(F.dropout(F.relu(self.fc1(x))))"
    )),
    "convolutions with their ReLU and pool": net(
        "self.conv1, self.conv2 = L.Conv2d(3, 3, pad=1), L.Conv2d(2, 3, pad=2)",
        "x = F.pooling(F.relu(self.conv1(x)), 2, 2)\n"
        "x = F.flatten(F.pooling(F.relu(self.conv2(x)), 2, 1))\n"
        "return self.out(F.dropout(F.relu(self.fc1(x)), 0.3))"
    ),
    "a result that nobody reads": net(forward=(
        "x = F.flatten(x)\nF.relu(self.fc1(x))\nreturn self.out(self.fc1(x))"
    )),
}  # fmt: skip
#: What would be another net in a later step, or needs what is not a kernel's: the source, and a
#: word of the reason.
HEAD = "import dezero\nN = [0]\n\n\n"
EAGER = {
    "counts its calls": (
        net("self.n = 0", "self.n += 1\nh = self.fc1(F.flatten(x))\n"
            "return self.out(F.relu(h) if self.n < 9 else F.tanh(h))"), "AugAssign"),
    "counts in a list": (
        net("self.n = []", "self.n.append(1)\nh = self.fc1(F.flatten(x))\n"
            "return self.out(F.relu(h) if len(self.n) < 9 else F.tanh(h))"), "append"),
    "counts in a global": (
        net(forward="N[0] += 1\nh = self.fc1(F.flatten(x))\n"
            "return self.out(F.leaky_relu(h, 0.01 * N[0]))", head=HEAD), "AugAssign"),
    "an iterator": (
        net("self.slopes = iter(i / 100 for i in range(999))",
            "return self.out(F.leaky_relu(self.fc1(F.flatten(x)), next(self.slopes)))"), "next"),
    "a loop over an iterator": (
        net("self.rest = iter([self.fc1])",
            "x = F.flatten(x)[:, :20]\nfor layer in self.rest:\n    x = x\nreturn self.out(x)"),
        "an item of what is computed"),
    "looks at a weight": (
        net(forward="h = self.fc1(F.flatten(x))\n"
            "return self.out(F.leaky_relu(h, float(self.fc1.W.data.mean())))"), "attribute data"),
    "branches on a weight": (
        net(forward="h = self.fc1(F.flatten(x))\n"
            "return self.out(F.relu(h) if self.fc1.W.data[0, 0] > 0 else h)"), "attribute data"),
    "branches on the batch": (
        net(forward="h = F.flatten(x)\nif x.mean() > 0.3:\n    h = F.relu(h)\n"
            "return self.out(F.relu(self.fc1(h)))"), "attribute mean"),
    "a slope from the batch": (
        net(forward="return self.out(F.leaky_relu(self.fc1(F.flatten(x)), x[0, 0, 3, 3]))"),
        "an item of what is computed"),
    "prints": (net(forward="print(len(x))\nreturn self.out(self.fc1(F.flatten(x)))"), "print"),
    "keeps the batch before": (
        net("self.before = None", "h = self.fc1(F.flatten(x))\nself.before = h\n"
            "return self.out(F.relu(h))"), "more than a name"),
    "a recurrent layer": (
        net("self.rnn = L.RNN(20)", "self.rnn.reset_state()\n"
            "return self.out(self.rnn(F.flatten(x)))"), "more than a name"),
    "a skip": (net(forward="h = self.fc1(F.flatten(x))\nreturn self.out(h + F.relu(h))"),
               "arithmetic"),
    "a layer called twice": (
        net("self.mid = L.Linear(20, in_size=20)", "h = self.fc1(F.flatten(x))\n"
            "return self.out(self.mid(self.mid(h)))"), "DeZero"),
    "two users of a result": (
        own_models.RESIDUAL, "arithmetic"),
    "running averages of its own": (own_models.OWN_AVERAGES, "attribute train"),
    "a function without a kernel": (net(forward="return self.out(F.sin(self.fc1(F.flatten(x))))"),
                                    "DeZero"),
    "its own cleargrads": (
        net() + "\n    def cleargrads(self):\n        super().cleargrads()\n"
        "        self.fc1.W.data *= 0.99\n", "its own cleargrads"),
    "its own __call__": (
        net() + "\n    def __call__(self, x):\n        return super().__call__(x * 0.5)\n",
        "its own __call__"),
    "its own __getattr__": (
        net() + "\n    def __getattr__(self, name):\n        raise AttributeError(name)\n",
        "its own __getattr__"),
    "a property": (
        net("self.n = 0", "return self.out(F.leaky_relu(self.fc1(F.flatten(x)), self.slope))")
        + "\n    @property\n    def slope(self):\n        N[0] += 1\n        return 0.01 * N[0]\n",
        "the attribute slope"),
    "a lambda": (
        net("self.act = lambda h: F.leaky_relu(h, 0.2)",
            "return self.out(self.act(self.fc1(F.flatten(x))))"), "source"),
    "a forward of its instance": (
        net("as_is = self.forward\nself.forward = lambda x: as_is(x * 0.5)"), "an attribute"),
    "a changed function of DeZero's": (
        net(head="def relu(x):\n    N[0] += 1\n    return F.relu(x * (1 / N[0]))\n\n\n"
            "class G:\n    relu = staticmethod(relu)\n    flatten = staticmethod(F.flatten)\n\n\n"
            + HEAD, forward="return self.out(G.relu(self.fc1(G.flatten(x))))"), "the attribute"),
    "a copied weight": (
        net("self.scale = np.float32(0.5)", "return self.out(F.relu(self.fc1(F.flatten(x * 1))))"),
        "arithmetic"),
}  # fmt: skip


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Call with the source of a net: knobs that name it."""

    def define(source, name):
        if "N[0]" in source and HEAD not in source:
            source = HEAD + source
        return {"model": own_models.define(source, tmp_path, monkeypatch), "optimizer.lr": 0.01}

    yield define
    sys.modules.pop(own_models.KIND, None)


@pytest.mark.parametrize("name", CAPTURED)
def test_a_net_of_layers_with_kernels_is_captured_with_the_same_bits(name, own, trained, replays):
    knobs = own(CAPTURED[name], name)
    captured = trained(knobs, True)
    assert replays.count(BATCH) == EPOCHS * N_REPLAYED and 20 in replays
    assert same(captured, trained(knobs, False)).not_captured == ""


@pytest.mark.parametrize("name", EAGER)
def test_a_net_that_could_change_is_not_captured_and_the_reason_is_known(
    name, own, trained, replays, monkeypatch
):
    source, reason = EAGER[name]
    captured = trained(own(source, name), True)
    assert BATCH not in replays
    assert reason in captured[-1].engine.not_captured
    same(captured, trained(own(source, name), False))


# =============================================================================
# The loop
# =============================================================================
def test_stops_anywhere_leave_the_bits_as_they_are(trained):
    whole = trained(CNN, False)
    for stops in ({1}, {3}, {4}, {5, 6}, {7, 9, 12}, set(range(0, 30, 2))):
        same(trained(CNN, True, stops), whole)


def test_a_net_that_is_changed_between_epochs_is_recorded_anew(own, trained, replays):
    knobs = own(net("self.slope = 0.1", (
        "return self.out(F.leaky_relu(self.fc1(F.flatten(x)), self.slope))"
    )), "slope")  # fmt: skip

    def steeper(assembly):
        assembly.model.slope *= 3

    captured, eager = (trained(knobs, graph, between=steeper) for graph in (True, False))
    same(captured, eager)
    assert replays.count(BATCH) == EPOCHS * N_REPLAYED
    assert captured[2] != trained(knobs, True)[2]


def test_a_net_that_gets_a_changing_forward_pass_after_an_epoch_goes_on_eagerly(
    own, trained, replays
):
    knobs = own(net(), "patched")

    def patch(assembly):
        layer = assembly.model.fc1
        as_is = type(layer).forward
        layer.forward = lambda x: as_is(layer, x * 0.5)

    captured, eager = (trained(knobs, graph, between=patch) for graph in (True, False))
    same(captured, eager)
    assert replays.count(BATCH) == N_REPLAYED


def test_weights_that_are_put_in_place_before_a_step_are_those_that_it_takes(trained, own):
    def anew(assembly):
        for parameter in assembly.model.params():
            parameter.data = parameter.data * np.float32(0.5)

    captured, eager = (trained(CNN, graph, between=anew) for graph in (True, False))
    same(captured, eager)


def test_a_replayed_step_that_diverges_is_named_as_by_the_eager_loop(trained, replays):
    told = []
    for graph in (True, False):
        with np.errstate(all="ignore"), pytest.raises(Diverged) as raised:
            trained(CNN | {"optimizer": "sgd", "optimizer.lr": 1e12}, graph)
        told.append(str(raised.value))
    assert told[0] == told[1] and replays


@pytest.mark.parametrize(
    "knobs", [{"optimizer": "dezero.optimizers.AdaGrad"}, {"data.augment": "mine.augment"}]
)
def test_code_of_a_users_within_an_epoch_means_the_eager_loop(knobs, trained, own_module, replays):
    own_module("def augment(x, rng):\n    return x[:, :, ::-1]\n")
    assert not trained(CNN | knobs, True)[-1].engine.fallbacks or "optimizer" in knobs
    assert set(replays) == {2}  # of the warm-up alone


def test_a_replay_frees_each_array_after_its_last_use(trained, data):
    engine = (assembly := trained(CNN, True)[-1]).engine
    loop = engine.loop(assembly.model, assembly.optimizer, data, BATCH)
    assert type(loop) is Captured
    alive, made = [], []
    rows = np.arange(BATCH)
    x, t = engine.pixels(data.train_images, rows, data.scale), data.train_labels[rows]
    loop._may_change = False
    loop.gradients(x, t)
    (tape,) = loop._tapes.values()
    for call in tape._calls:

        def watched(*arguments, kernel=call.kernel):
            alive.append(sum(array() is not None for array in made))
            result = kernel(*arguments)
            made.extend(
                weakref.ref(array if array.base is None else array.base)
                for array in (result if type(result) is tuple else (result,))
                if isinstance(array, np.ndarray) and array.size > BATCH
            )
            return result

        call.kernel = watched
    loss, correct = tape.replay(x, t, engine.masks)
    # The last calls need fewer arrays than those before, and none is left.
    assert loss.shape == () and correct.shape == (BATCH,)
    assert max(alive) > alive[-1] and sum(array() is not None for array in made) == 0
