"""The stock engine is DeZero: float32 throughout, and the bits of the published loop."""

import importlib.util
import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
from places import REFERENCE
from short_training import assembled, resume, save

from runner.engine.dezero import F, L, Model, dezero, named_parameters
from runner.engine.optimizers import state
from runner.engine.protocol import Position
from runner.seeding import Masks, batch_order
from runner.state.checkpoint import Checkpoints
from runner.train import epochs as training

# The published configurations: what varies, as arguments of new_run, and what pixels are divided
# by.
PUBLISHED = {
    "book_mlp": (dict(kind="mlp", hidden_size=1000, fc_depth=2, dropout=False), 255.0),
    "conv1": (dict(channels=1, hidden_size=1000, fc_depth=2), 1.0),
    "conv30": (dict(channels=30, hidden_size=100, fc_depth=1), 1.0),
}
published = pytest.mark.parametrize("name", PUBLISHED)


def train(run, data, epochs=1, batch_size=100):
    return list(training.train(assembled(run, data, epochs, batch_size), Position()))


@pytest.fixture
def spied(monkeypatch):
    """Call with an engine: the losses and the numbers of right answers that it will give."""

    def spy(engine):
        losses, counts = [], []
        loss_of = engine.loss

        def watched(y, t):
            loss, correct = loss_of(y, t)
            losses.append(loss)
            counts.append(int(correct.sum()))
            return loss, correct

        monkeypatch.setattr(engine, "loss", watched)
        return losses, counts

    return spy


# =============================================================================
# float32 from end to end
# =============================================================================
def variables_behind(loss):
    """Every Variable that the loss was computed from, itself included."""
    variables, queue = {}, [loss]
    while queue:
        variable = queue.pop()
        if id(variable) not in variables:
            variables[id(variable)] = variable
            queue += variable.creator.inputs if variable.creator else []
    return list(variables.values())


@pytest.mark.parametrize("optimizer", ["adam", "momentum", "sgd"])
@pytest.mark.parametrize(
    "model", [dict(blocks=[[2, 2], [3]], fc_depth=2), dict(kind="mlp", fc_depth=2)], ids=str
)
def test_everything_that_a_training_step_computes_is_float32(
    model, optimizer, new_run, digits, few, spied, monkeypatch
):
    run = new_run(optimizer=optimizer, **model)
    backward = dezero.Variable.backward
    monkeypatch.setattr(dezero.Variable, "backward", lambda loss: backward(loss, retain_grad=True))
    losses, _ = spied(run.engine)
    train(run, few(digits, 50, 10), batch_size=25)

    for loss in losses[:2]:
        behind = variables_behind(loss)
        # Labels are uint8 and masks bool; no gradient goes to the labels.
        assert {v.data.dtype.name for v in behind} == {"float32", "uint8", "bool"}
        assert {v.grad.data.dtype.name for v in behind if v.grad is not None} == {"float32"}
        assert loss.grad is not None and loss.data.dtype == np.float32
    assert len(behind) > 20
    parameters = named_parameters(run.model)
    assert {p.data.dtype.name for p in parameters.values()} == {"float32"}
    assert {p.grad.data.dtype.name for p in parameters.values()} == {"float32"}
    arrays = {name: a for name, a in state(run.optimizer, run.model).items() if name != "t"}
    assert {a.dtype.name for a in arrays.values()} == ({"float32"} if optimizer != "sgd" else set())
    assert len(arrays) == len(parameters) * {"adam": 2, "momentum": 1, "sgd": 0}[optimizer]


# =============================================================================
# Optimizers
# =============================================================================
@pytest.mark.parametrize("n_hooks, weight_decay", [(0, 0.0), (1, 1e-4)])
def test_weight_decay_is_a_hook_unless_it_is_zero(n_hooks, weight_decay, new_run):
    for name, of in (("adam", "Adam"), ("momentum", "MomentumSGD"), ("sgd", "SGD")):
        run = new_run()
        made = run.engine.optimizer(
            SimpleNamespace(name=name, lr=0.02, weight_decay=weight_decay, momentum=0.8), run.model
        )
        assert type(made) is getattr(dezero.optimizers, of)
        assert [hook.rate for hook in made.hooks] == [weight_decay] * n_hooks
        assert getattr(made, "alpha" if name == "adam" else "lr") == 0.02
        assert name != "momentum" or made.momentum == 0.8


# =============================================================================
# The published loop, written out
# =============================================================================
class BookMLP(Model):
    """`MLP((1000, 1000, 10), activation=F.relu)` of the book's examples/mnist.py."""

    def __init__(self):
        super().__init__()
        self.l0, self.l1, self.l2 = L.Linear(1000), L.Linear(1000), L.Linear(10)

    def forward(self, x):
        return self.l2(F.relu(self.l1(F.relu(self.l0(x)))))


class Conv1(Model):
    def __init__(self):
        super().__init__()
        self.conv = L.Conv2d(1, kernel_size=3, stride=1, pad=1)
        self.l0, self.l1, self.l2 = L.Linear(1000), L.Linear(1000), L.Linear(10)

    def forward(self, x):
        x = F.pooling(F.relu(self.conv(x)), 2, 2)
        x = F.reshape(x, (len(x), -1))
        x = F.dropout(F.relu(self.l0(x)))
        x = F.dropout(F.relu(self.l1(x)))
        return self.l2(x)


class Conv30(Model):
    def __init__(self):
        super().__init__()
        self.conv = L.Conv2d(30, kernel_size=3, stride=1, pad=1)
        self.l0, self.l1 = L.Linear(100), L.Linear(10)

    def forward(self, x):
        x = F.pooling(F.relu(self.conv(x)), 2, 2)
        x = F.reshape(x, (len(x), -1))
        x = F.dropout(F.relu(self.l0(x)))
        return self.l1(x)


# The class of each net as it was published, and its attribute for each layer of ours, in the order
# of our names.
PUBLISHED_CLASSES = {
    "book_mlp": (BookMLP, {"fc1/linear": "l0", "fc2/linear": "l1", "out": "l2"}),
    "conv1": (Conv1, {"block1/conv1": "conv", "fc1/linear": "l0", "fc2/linear": "l1", "out": "l2"}),
    "conv30": (Conv30, {"block1/conv1": "conv", "fc1/linear": "l0", "out": "l1"}),
}


def written_out(name, start, images, labels, order, monkeypatch):
    """The published training on the batches of `order`: losses, accuracies, final weights."""
    make, roles = PUBLISHED_CLASSES[name]
    model = make()
    parameters = {role: getattr(model, attribute).__dict__ for role, attribute in roles.items()}
    for role, parameter in (
        (f"{r}/{p}", layer[p]) for r, layer in parameters.items() for p in ("W", "b")
    ):
        parameter.data = start[role].copy()
    optimizer = dezero.optimizers.Adam().setup(model)
    optimizer.add_hook(dezero.optimizers.WeightDecay(1e-4))
    book = dezero.transforms.Compose(
        [
            dezero.transforms.Flatten(),
            dezero.transforms.ToFloat(),
            dezero.transforms.Normalize(0.0, 255.0),
        ]
    )
    masks = Masks(seed=0)
    losses, accuracies = [], []
    for step in range(len(order) // 100):
        batch = order[step * 100 : (step + 1) * 100]
        x, t = images[batch], np.array(labels[batch])
        x = np.array([book(image) for image in x]) if name == "book_mlp" else x.astype(np.float32)
        masks.training(step + 1)
        layers = iter(["fc1", "fc2"])
        # F.dropout keeps a unit where rand > 0.5: the mask as 1.0 and 0.0 stands for rand.
        monkeypatch.setattr(
            np.random,
            "rand",
            lambda *shape, of=layers: masks.keep(next(of), shape, 0.5).astype(np.float64),
        )
        y = model(x)
        loss = F.softmax_cross_entropy(y, t)
        accuracy = F.accuracy(y, t)
        model.cleargrads()
        loss.backward()
        optimizer.update()
        losses.append(float(loss.data))
        accuracies.append(float(accuracy.data))
    monkeypatch.undo()
    return (
        losses,
        accuracies,
        {f"{r}/{p}": layer[p].data for r, layer in parameters.items() for p in ("W", "b")},
    )


@published
def test_training_equals_the_published_loop_bit_for_bit(
    name, new_run, mnist, few, spied, monkeypatch
):
    model, scale = PUBLISHED[name]
    run, data = new_run(image_shape=(1, 28, 28), **model), few(mnist, 1200, 100, scale=scale)
    start = {n: p.data.copy() for n, p in named_parameters(run.model).items()}
    losses, counts = spied(run.engine)
    (record,) = train(run, data)

    expected, accuracies, weights = written_out(
        name, start, data.train_images, data.train_labels, batch_order(0, 1, 1200), monkeypatch
    )
    assert [float(loss.data) for loss in losses[:12]] == expected
    assert [n / 100 for n in counts[:12]] == accuracies
    # The book adds `float(acc.data) * len(t)`, the published script likewise.
    assert record.train_accuracy == pytest.approx(
        sum(a * 100 for a in accuracies) / 1200, rel=1e-14
    )
    assert record.train_loss == sum(loss * 100 for loss in expected) / 1200
    trained = {n: p.data for n, p in named_parameters(run.model).items()}
    assert list(trained) == list(weights)
    assert all(trained[n].tobytes() == weights[n].tobytes() for n in weights)
    assert all(trained[n].tobytes() != start[n].tobytes() for n in weights)


# =============================================================================
# The untouched package on the NumPy it was written for
# =============================================================================
def reference_module():
    spec = importlib.util.spec_from_file_location(
        "untouched_dezero", REFERENCE / "untouched_dezero.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class GivenMasks(Masks):
    """Hands out the given masks, a list per step, while training; keeps everything otherwise."""

    given = ()

    def keep(self, layer, shape, ratio, xp=np):
        self.n_asked += 1
        if self.time and not self.purpose and self.given:
            return self.given[self.time - 1][int(layer.removeprefix("fc")) - 1]
        return np.ones(shape, dtype=bool)


@published
def test_training_equals_the_untouched_package_to_1e_5_at_every_step(
    name, new_run, few, spied, monkeypatch, mnist
):
    reference = reference_module()
    fed = reference.inputs(name)
    expected = json.loads((REFERENCE / "untouched_dezero.json").read_text("ascii"))["nets"][name]
    model, scale = PUBLISHED[name]
    masks = GivenMasks(seed=0)
    masks.given = fed["masks"]
    run = new_run(image_shape=(1, 28, 28), masks=masks, **model)
    parameters = named_parameters(run.model)
    assert sorted(fed["weights"]) == list(parameters)
    for parameter_name, parameter in parameters.items():
        parameter.data[...] = fed["weights"][parameter_name]
    monkeypatch.setattr(training, "batch_order", lambda seed, epoch, n_images: np.arange(n_images))
    data = few(mnist, 1, 10, scale=scale)
    data.train_images, data.train_labels = fed["images"], fed["labels"]
    losses, counts = spied(run.engine)
    train(run, data)

    trained = [float(loss.data) for loss in losses[: reference.STEPS]]
    np.testing.assert_allclose(trained, expected["losses"], rtol=1e-5, atol=0)
    # With another BLAS kernel the order of two equal scores may swap.
    np.testing.assert_allclose(
        [n / 100 for n in counts[:20]], expected["accuracies"], rtol=0, atol=0.0101
    )
    for parameter_name, sums in expected["weights"].items():
        weights = parameters[parameter_name].data.astype(np.float64)
        assert np.abs(weights).sum() == pytest.approx(sums["abs_sum"], rel=1e-4)
        assert weights.sum() == pytest.approx(sums["sum"], abs=1e-4 * sums["abs_sum"])


# =============================================================================
# On a GPU
# =============================================================================
@pytest.fixture
def gpu_run(new_run):
    """Call for a cnn with dropout on 28x28 images, on "cpu" or "gpu"."""

    def build(device, optimizer="adam"):
        return new_run(
            image_shape=(1, 28, 28),
            device=device,
            optimizer=optimizer,
            channels=30,
            hidden_size=100,
        )

    return build


def as_numpy(run):
    return {n: dezero.cuda.as_numpy(p.data) for n, p in named_parameters(run.model).items()}


@pytest.mark.gpu
def test_on_a_gpu_initial_weights_are_the_cpus_bit_for_bit(gpu_run):
    import cupy

    run = gpu_run("gpu")
    assert all(isinstance(p.data, cupy.ndarray) for p in run.model.params())
    cpu, gpu = as_numpy(gpu_run("cpu")), as_numpy(run)
    assert list(cpu) == list(gpu)
    assert all(cpu[n].tobytes() == gpu[n].tobytes() for n in cpu)


@pytest.mark.gpu
@pytest.mark.parametrize("ratio", [0.0, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("first_row", [0, 1, 103])
def test_on_a_gpu_masks_are_the_cpus_bit_for_bit(ratio, first_row):
    import cupy

    masks = Masks(seed=2**63 - 1)
    masks.evaluation(epoch=3, first_row=first_row)
    kept = masks.keep("fc1", (101, 99), ratio, cupy)
    assert isinstance(kept, cupy.ndarray) and kept.dtype == bool
    assert np.array_equal(cupy.asnumpy(kept), masks.keep("fc1", (101, 99), ratio))


@pytest.mark.gpu
@pytest.mark.parametrize("optimizer", ["adam", "momentum", "sgd"])
def test_on_a_gpu_a_step_is_float32_and_stays_on_the_card(optimizer, gpu_run, mnist, few, spied):
    import cupy

    run = gpu_run("gpu", optimizer)
    losses, _ = spied(run.engine)
    (record,) = train(run, few(mnist, 200, 200, asarray=run.engine.asarray))
    assert math.isfinite(record.test_masked_loss) and 0 <= record.test_accuracy <= 1
    behind = variables_behind(losses[0])
    assert all(isinstance(v.data, cupy.ndarray) for v in behind)
    assert {v.data.dtype.name for v in behind} == {"float32", "uint8", "bool"}
    for parameter in run.model.params():
        assert isinstance(parameter.data, cupy.ndarray) and parameter.data.dtype == cupy.float32
        assert parameter.grad.data.dtype == cupy.float32
    arrays = {n: a for n, a in state(run.optimizer, run.model).items() if n != "t"}
    assert all(type(a) is np.ndarray and a.dtype == np.float32 for a in arrays.values())


@pytest.mark.gpu
def test_on_a_gpu_losses_are_the_cpus_to_1e_4_over_20_steps(gpu_run, mnist, few, spied):
    by_device = {}
    for device in ("cpu", "gpu"):
        run = gpu_run(device)
        losses, _ = spied(run.engine)
        train(run, few(mnist, 2000, 100, asarray=run.engine.asarray))
        by_device[device] = [float(loss.data) for loss in losses[:20]]
    np.testing.assert_allclose(by_device["gpu"], by_device["cpu"], rtol=1e-4, atol=0)


@pytest.mark.gpu
@pytest.mark.parametrize("optimizer", ["adam", "momentum", "sgd"])
def test_on_a_gpu_a_checkpoint_brings_weights_and_optimizer_back_onto_the_card(
    optimizer, gpu_run, mnist, few, tmp_path
):
    import cupy

    run, other = gpu_run("gpu", optimizer), gpu_run("gpu", optimizer)
    train(run, few(mnist, 300, 100, asarray=run.engine.asarray))
    checkpoints = Checkpoints(tmp_path, "key")
    save(run, checkpoints, {"epoch": 2})
    assert resume(other, checkpoints) == Position(epoch=2)
    assert all(isinstance(p.data, cupy.ndarray) for p in other.model.params())
    for saved, restored in (
        (as_numpy(run), as_numpy(other)),
        (state(run.optimizer, run.model), state(other.optimizer, other.model)),
    ):
        assert list(saved) == list(restored)
        assert all(saved[n].tobytes() == restored[n].tobytes() for n in saved)
    # What follows runs on the card with the restored state.
    train(other, few(mnist, 100, 100, asarray=other.engine.asarray))
