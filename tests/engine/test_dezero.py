"""What engine/dezero.py repairs: each repair works, and DeZero as shipped fails the same probe."""

import inspect
import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from runner.engine.device import gpu_is_available
from runner.engine.dezero import F, L, dezero, named_parameters


def in_new_process(code, *arguments):
    """What the code prints as JSON; a warning is an error there too."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


# =============================================================================
# The same probe of the repaired DeZero, in this process, and of DeZero as shipped, in another
# =============================================================================
def probe(dezero, np):
    """What DeZero does, by name of the repair (on the CPU); uses no global of this file."""
    F, L = dezero.functions, dezero.layers
    x, image = np.ones((2, 3), np.float32), np.ones((2, 3, 4, 4), np.float32)
    outcomes = {}

    def outcome(name, act):
        try:
            outcomes[name] = act()
        except Exception as error:
            outcomes[name] = type(error).__name__

    def dtype_of_W(layer, x=None):
        if x is not None:
            layer(x)
        return str(layer.W.data.dtype)

    outcome("Linear", lambda: dtype_of_W(L.Linear(4, in_size=3)))
    outcome("Linear, lazy", lambda: dtype_of_W(L.Linear(4), x))
    outcome("Conv2d", lambda: dtype_of_W(L.Conv2d(4, 3, in_channels=3)))
    outcome("Conv2d, lazy", lambda: dtype_of_W(L.Conv2d(4, 3), image))
    outcome("Deconv2d", lambda: dtype_of_W(L.Deconv2d(4, 3, in_channels=3)))
    outcome("Deconv2d, lazy", lambda: dtype_of_W(L.Deconv2d(4, 3), image))
    for name, module in (("core", dezero.core), ("functions", F), ("package", dezero)):
        outcome(f"as_array in {name}", lambda module=module: str(module.as_array(0.5).dtype))
    outcome("float times Variable", lambda: str((0.5 * dezero.Variable(x)).data.dtype))

    def loss_gradient():
        y = dezero.Variable(x)
        F.softmax_cross_entropy(y, np.array([0, 2], np.uint8)).backward()
        return str(y.grad.data.dtype)

    outcome("loss gradient", loss_gradient)

    def sum_gradient():
        y = dezero.Variable(image)
        F.sum(y, axis=(0, 2)).backward()
        return list(y.grad.shape)

    outcome("sum over axes", sum_gradient)
    outcome("get_spiral", lambda: str(dezero.datasets.get_spiral()[1].dtype))

    def gradient_of_item_without_scatter_add():
        # Like CuPy 14, which has `add.at` and no `scatter_add`.
        class Xp:
            zeros, add = np.zeros, np.add

        as_shipped = dezero.cuda.get_array_module
        dezero.cuda.get_array_module = lambda x: Xp
        try:
            return F.GetItemGrad(([0, 0, 1],), (2,)).forward(np.ones(3, np.float32)).tolist()
        finally:
            dezero.cuda.get_array_module = as_shipped

    outcome("GetItem", gradient_of_item_without_scatter_add)

    def parameters_are_in_order():
        layer = L.Layer()
        for name in "abcdefghijklmnop":
            setattr(layer, name, dezero.Parameter(x, name=name))
        return "".join(parameter.name for parameter in layer.params()) == "abcdefghijklmnop"

    outcome("params in order", parameters_are_in_order)
    return outcomes


# DeZero as shipped can be imported only while NumPy has `np.int`.
AS_SHIPPED = f"""
import json, sys, types
import numpy as np
sys.modules["cupy"] = cupy = types.ModuleType("cupy")
cupy.is_available, cupy.ndarray = lambda: False, type("ndarray", (), {{}})
cupy.get_array_module = lambda x: np
np.int = int
import dezero
del np.int
{inspect.getsource(probe)}
print(json.dumps(probe(dezero, np) | {{"gpu_enable without a GPU": dezero.cuda.gpu_enable}}))
"""


@pytest.fixture(scope="module")
def as_shipped():
    return in_new_process(AS_SHIPPED)


@pytest.fixture(scope="module")
def repaired():
    state = np.random.get_state()  # get_spiral seeds it
    yield probe(dezero, np)
    np.random.set_state(state)


@pytest.mark.parametrize(
    "what, right, broken",
    [
        ("Linear", "float32", "float64"),
        ("Linear, lazy", "float32", "float64"),
        ("Conv2d", "float32", "float64"),
        ("Conv2d, lazy", "float32", "float64"),
        ("Deconv2d", "float32", "float64"),
        ("Deconv2d, lazy", "float32", "float64"),
        ("as_array in core", "float32", "float64"),
        ("as_array in functions", "float32", "float64"),
        ("as_array in package", "float32", "float64"),
        ("float times Variable", "float32", "float64"),
        ("loss gradient", "float32", "float64"),
        ("sum over axes", [2, 3, 4, 4], "TypeError"),
        ("get_spiral", str(np.dtype(int)), "AttributeError"),
        ("GetItem", [2.0, 1.0], "AttributeError"),
        ("params in order", True, False),
    ],
)
def test_a_repair_works_and_dezero_as_shipped_fails_there(
    what, right, broken, repaired, as_shipped
):
    assert repaired[what] == right
    assert as_shipped[what] == broken


def test_gpu_enable_says_whether_there_is_a_gpu_and_not_whether_cupy_can_be_imported(as_shipped):
    assert dezero.cuda.gpu_enable == gpu_is_available()
    assert as_shipped["gpu_enable without a GPU"] is True


# =============================================================================
# Importing
# =============================================================================
IMPORT = """
import json, sys, types
import numpy as np
cupy, mark = sys.argv[1], object()
if cupy == "none":
    sys.modules["cupy"] = None
if cupy in ("without a GPU", "with a GPU"):
    sys.modules["cupy"] = fake = types.ModuleType("cupy")
    fake.is_available, fake.ndarray = lambda: cupy == "with a GPU", type("ndarray", (), {})
if "int" in sys.argv:
    np.__dict__["int"] = mark
before = set(np.__dict__)
from runner.engine.dezero import dezero, F, L
trains = None
if not dezero.cuda.gpu_enable:
    loss = F.softmax_cross_entropy(L.Linear(2)(np.ones((1, 3), np.float32)), np.zeros(1, np.uint8))
    loss.backward()
    trains = bool(np.isfinite(loss.data))
print(json.dumps({
    "np.int": "as it was" if np.__dict__.get("int") is mark else "int" in np.__dict__,
    "hasattr": hasattr(np, "int"),
    # NumPy itself adds submodules when they are first used.
    "new names": [
        n for n, v in vars(np).items() if n not in before and not isinstance(v, types.ModuleType)
    ],
    "gpu_enable": dezero.cuda.gpu_enable,
    "trains": trains,
}))
"""


def test_importing_leaves_no_np_int_behind_and_needs_no_cupy():
    reported = in_new_process(IMPORT, "none")
    assert reported["np.int"] is False and reported["hasattr"] is False
    assert reported["new names"] == []
    assert reported["gpu_enable"] is False and reported["trains"] is True


def test_a_np_int_that_was_there_already_stays_and_a_cupy_without_a_gpu_means_the_cpu():
    reported = in_new_process(IMPORT, "without a GPU", "int")
    assert reported["np.int"] == "as it was"
    assert reported["gpu_enable"] is False and reported["trains"] is True


def test_a_cupy_with_a_gpu_switches_dezeros_gpu_on():
    assert in_new_process(IMPORT, "with a GPU")["gpu_enable"] is True


FIRST = """
import json
import runner
import dezero
import numpy as np
spiral = dezero.datasets.Spiral(train=True)
from runner.engine.dezero import dezero as ours
print(json.dumps([len(spiral), hasattr(np, "int"), ours is dezero, ours.cuda.gpu_enable]))
"""


def test_a_users_module_that_imports_dezero_first_has_it_as_everybody_has():
    assert in_new_process(FIRST) == [300, False, True, False]


DRAWING = """
import json, sys
import runner
import dezero
waited = not any(name.startswith("matplotlib") for name in sys.modules)
import matplotlib
matplotlib.use("agg")
import matplotlib.pyplot as plt
digits = dezero.datasets.MNIST.__new__(dezero.datasets.MNIST)
digits.data = dezero.datasets.np.zeros((2, 784))
digits.show(1, 1)
print(json.dumps([waited, len(plt.gca().images), dezero.datasets.plt.gca is plt.gca]))
"""


def test_matplotlib_is_imported_when_dezero_first_draws_with_it():
    assert in_new_process(DRAWING) == [True, 1, True]


def test_modules_of_dezero_still_find_all_of_numpy_under_np():
    assert dezero.transforms.np.ndarray is np.ndarray
    assert dezero.transforms.ToInt().dtype is int
    with pytest.raises(AttributeError):
        _ = dezero.datasets.np.no_such_name


# =============================================================================
# Gradients against finite differences
# =============================================================================
def numerical_gradient(f, x, h=1e-6):
    gradient = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[i] += h
        down[i] -= h
        gradient[i] = (
            float(f(dezero.Variable(up)).data) - float(f(dezero.Variable(down)).data)
        ) / (2 * h)
    return gradient


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", [None, 0, -1, (0,), (1, 2), (0, -1), (-1, 0), (0, 1, 2)], ids=str)
def test_the_gradient_of_a_sum_over_axes_equals_finite_differences(axis, keepdims):
    x = np.random.default_rng(0).random((2, 3, 2))

    def f(v):
        return F.sum(F.sum(v * v, axis, keepdims) ** 2)

    v = dezero.Variable(x)
    f(v).backward()
    np.testing.assert_allclose(v.grad.data, numerical_gradient(f, x), rtol=1e-6, atol=1e-9)


def test_the_gradient_of_items_taken_twice_equals_finite_differences():
    x = np.random.default_rng(0).random((4, 3))

    def f(v):
        return F.sum(v[np.array([0, 2, 2, 3]), np.array([1, 0, 0, 2])] ** 2)

    v = dezero.Variable(x)
    f(v).backward()
    np.testing.assert_allclose(v.grad.data, numerical_gradient(f, x), rtol=1e-6, atol=1e-9)


# =============================================================================
# Layers
# =============================================================================
class OnCard(np.ndarray):
    """Stands for an array on a GPU."""


@pytest.mark.parametrize("nobias", [False, True])
def test_a_lazy_bias_follows_its_weight_to_the_card(nobias):
    layer = L.Linear(2, nobias=nobias)
    layer.in_size = 3
    layer._init_W(SimpleNamespace(random=np.random, asarray=lambda array: array.view(OnCard)))
    assert layer.b is None if nobias else isinstance(layer.b.data, OnCard)


@pytest.mark.parametrize("nobias", [False, True])
def test_a_layer_of_another_dtype_keeps_it(nobias):
    assert L.Linear(2, nobias=nobias, dtype=np.float64, in_size=3).W.data.dtype == np.float64


def test_weights_come_back_from_a_file_as_they_were_saved(tmp_path, new_run):
    first, second = new_run(seed=1).model, new_run(seed=2).model
    first.save_weights(tmp_path / "weights.npz")
    second.load_weights(tmp_path / "weights.npz")
    saved, loaded = named_parameters(first), named_parameters(second)
    assert list(saved) == list(loaded) == sorted(saved)
    assert all(saved[n].data.tobytes() == loaded[n].data.tobytes() for n in saved)
    with np.load(tmp_path / "weights.npz", allow_pickle=False) as stored:
        assert sorted(stored.files) == list(saved)


def test_weights_are_loaded_into_a_layer_that_has_not_seen_an_input_yet(tmp_path):
    made, lazy = L.Linear(2, in_size=3), L.Linear(2)
    made.save_weights(tmp_path / "weights.npz")
    lazy.load_weights(tmp_path / "weights.npz")
    assert np.array_equal(made.W.data, lazy.W.data)


def test_pickled_objects_are_refused_as_weights(tmp_path):
    np.savez(tmp_path / "weights.npz", W=np.array([{}], dtype=object), b=np.zeros(2))
    with pytest.raises(ValueError, match="allow_pickle=False"):
        L.Linear(2, in_size=3).load_weights(tmp_path / "weights.npz")


def test_parameters_are_named_by_path_and_sorted(new_run):
    names = list(named_parameters(new_run(fc_depth=2).model))
    layers = ("block1/conv1", "fc1/linear", "fc2/linear", "out")
    assert names == [f"{layer}/{p}" for layer in layers for p in ("W", "b")]


@pytest.mark.gpu
def test_on_a_gpu_a_lazy_layer_trains_and_saving_leaves_it_there(tmp_path):
    import cupy

    layer = L.Linear(2)
    F.sum(layer(cupy.ones((4, 3), cupy.float32))[cupy.array([0, 0, 1])]).backward()
    assert all(
        isinstance(p.grad.data, cupy.ndarray) and p.grad.data.dtype == cupy.float32
        for p in layer.params()
    )
    layer.save_weights(tmp_path / "weights.npz")
    before = cupy.asnumpy(layer.W.data)
    layer.load_weights(tmp_path / "weights.npz")
    assert isinstance(layer.W.data, cupy.ndarray) and np.array_equal(
        cupy.asnumpy(layer.W.data), before
    )
