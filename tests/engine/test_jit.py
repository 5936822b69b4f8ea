"""The fast engine compiles in `warm_up`, which changes nothing else, and once for a machine."""

import importlib
import os
import pkgutil
import shutil
import subprocess
import sys

import numpy as np
import pytest
from numba.core.dispatcher import Dispatcher
from places import REPO
from short_training import assembled, everything

from runner import engine as engines
from runner.engine import cpu
from runner.engine.protocol import Position
from runner.train import epochs as training

MODELS = {
    "cnn": {},
    "blocks": dict(blocks=[[2, 3], [2]], fc_depth=2),
    "mlp": dict(kind="mlp", fc_depth=2),
    "no dropout": dict(dropout=False),
    "no hidden layer": dict(fc_depth=0),
}
each_model = pytest.mark.parametrize("model", MODELS)
each_optimizer = pytest.mark.parametrize("optimizer", ["adam", "momentum", "sgd"])


def train(run, data, batch_size=25, epochs=1):
    return list(training.train(assembled(run, data, epochs, batch_size), Position()))


# =============================================================================
# Warming up
# =============================================================================
@each_model
@each_optimizer
def test_warming_up_changes_no_weight_no_state_and_no_mask(model, optimizer, new_run, digits, few):
    data = few(digits, 60, 30)
    run, plain = (new_run(engine="fast", optimizer=optimizer, **MODELS[model]) for _ in range(2))
    for n_epochs in (0, 1):  # before training, and with a state that is not zero
        train(run, data, epochs=n_epochs)
        run.masks.training(step=7)
        before, global_state = everything(run), np.random.get_state()[1].tobytes()
        assembled(run, data).warm_up()
        assert everything(run) == before
        assert (run.masks.purpose, run.masks.time, run.masks.first_row) == (0, 7, 0)
        assert all(p.grad is None for p in run.model.params())
        assert np.random.get_state()[1].tobytes() == global_state
        assert run.engine.fallbacks == ()
    train(plain, data)
    (record,), (expected,) = train(run, data), train(plain, data)
    assert record.train_loss == expected.train_loss and everything(run) == everything(plain)


def dispatchers():
    modules = [
        importlib.import_module(m.name)
        for m in pkgutil.walk_packages(cpu.__path__, f"{cpu.__name__}.")
    ]
    kernels = {
        f"{m.__name__}.{n}": d
        for m in modules
        for n, d in vars(m).items()
        if isinstance(d, Dispatcher)
    }
    return {
        name: d for name, d in kernels.items() if name.rpartition(".")[0] == d.py_func.__module__
    }


@pytest.fixture
def compiled():
    """Call for the argument types that each kernel has been asked for since the test began."""
    kernels = dispatchers()
    for dispatcher in kernels.values():
        dispatcher._reset_overloads()  # other tests have asked too
    return lambda: {
        name: list(map(str, d.signatures)) for name, d in kernels.items() if d.signatures
    }


@each_model
@each_optimizer
def test_training_and_evaluating_ask_for_no_kernel_that_warming_up_has_not(
    model, optimizer, new_run, digits, few, compiled, tmp_path
):
    # As in a run: images and labels are files that are mapped read-only.
    def mapped(array):
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.npy"
        np.save(path, array)
        return run.engine.asarray(np.load(path, mmap_mode="r"))

    run = new_run(engine="fast", optimizer=optimizer, **MODELS[model])
    # The last batch of training and of evaluation is a single image.
    data = few(digits, 51, 101, asarray=mapped)
    assembled(run, data).warm_up()
    after_warm_up = compiled()
    assert len(after_warm_up) >= 6 and all(len(types) == 1 for types in after_warm_up.values())
    (record,) = train(run, data)
    assert np.isfinite(record.test_masked_loss)
    assert compiled() == after_warm_up


def test_a_step_in_which_a_parameter_has_no_gradient_asks_for_no_other_kernel(
    new_run, digits, few, compiled
):
    for optimizer in ("adam", "momentum", "sgd"):
        run, data = new_run(engine="fast", optimizer=optimizer), few(digits, 25, 10)
        run.optimizer.hooks.append(lambda parameters: parameters[0].cleargrad())
        assembled(run, data).warm_up()
        after_warm_up = compiled()
        frozen = everything(run)
        train(run, data)
        assert compiled() == after_warm_up
        changed = [name for name, content in everything(run).items() if content != frozen.get(name)]
        assert "out/W" in changed and "block1/conv1/W" not in changed


def test_the_stock_engine_has_nothing_to_compile():
    assert engines.compiles("stock", "cpu") is False and engines.compiles("fast", "gpu") is False


# =============================================================================
# What is kept
# =============================================================================
TINY_RUN = """
from types import SimpleNamespace as Parts

import numpy as np
from numba.core import event
from runner import engine, models, seeding
from runner.engine.protocol import Data, Position
from runner.engine.recipe import Recipe
from runner.train import epochs
from runner.train.assemble import Assembly

before, numbers = engine.compiles("fast", "cpu"), np.random.default_rng(0)
fast = engine.create("fast", seeding.Masks(0), "cpu")
knobs = dict(hidden_size=4, fc_depth=1, dropout=True, dropout_ratio=0.5)
mlp = {"_target_": "runner.models.mlp.MLP", **knobs}
net = models.build(mlp, fast, (1, 4, 4), 0)
sgd = fast.optimizer(Recipe("dezero.optimizers.SGD", {"lr": 0.1}), net)
images = numbers.integers(0, 256, (6, 1, 4, 4)).astype(np.uint8)
labels = np.arange(6, dtype=np.uint8)
data = Data(images, labels, images, labels, 255.0)
config = Parts(seed=0, train=Parts(epochs=1, batch_size=2), metrics={})
parts = Assembly(config, fast, data, net, sgd)
with event.install_recorder("numba:compile") as compiling:
    (record,) = epochs.train(parts, Position())
print(before, engine.compiles("fast", "cpu"), len(compiling.buffer) > 0)
print(record.train_loss, record.test_masked_loss)
"""


@pytest.fixture
def tiny_run(tmp_path):
    """Call with a cache and a package folder: what a training process says of its kernels."""

    def call(cache, package=REPO):
        environment = {n: v for n, v in os.environ.items() if not n.startswith("NUMBA_CACHE")}
        environment |= {
            "XDG_CACHE_HOME": str(cache),
            "MPLCONFIGDIR": str(tmp_path),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        ended = subprocess.run(
            [sys.executable, "-W", "error", "-c", TINY_RUN],
            env=environment,
            cwd=package,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert ended.returncode == 0, ended.stderr
        before, after, compiled, *losses = ended.stdout.split()
        return [before == "True", after == "True", compiled == "True"], losses

    return call


def test_a_machine_compiles_once(tiny_run, tmp_path):
    first, losses = tiny_run(tmp_path / "cache")
    assert first == [True, False, True]
    again, same_losses = tiny_run(tmp_path / "cache")
    assert again == [False, False, False]
    assert same_losses == losses


@pytest.mark.long
def test_without_a_folder_to_keep_kernels_in_it_trains_and_keeps_them_nowhere_else(
    tiny_run, tmp_path
):
    # No folder can be made below a file. Numba would then keep kernels beside the sources, by a
    # rule that does not see a change in the file of another kernel.
    (tmp_path / "file").touch()
    package = tmp_path / "package"
    shutil.copytree(
        REPO / "runner", package / "runner", ignore=shutil.ignore_patterns("__pycache__")
    )
    compiling, losses = tiny_run(tmp_path / "file" / "cache", package)
    assert losses == tiny_run(tmp_path / "cache")[1]
    assert [path.name for path in package.rglob("*.nb?")] == []
    assert compiling == [True, True, True]
