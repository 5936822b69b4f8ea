"""The networks: what they are made of, and that their first weights come from the seed alone."""

import numpy as np
import pytest

from runner import seeding
from runner.engine.dezero import F, dezero, named_parameters
from runner.errors import ConfigError

pytest_plugins = "own_folder"


def weights(run):
    return {name: parameter.data for name, parameter in named_parameters(run.model).items()}


def assert_equal(weights, expected):
    assert list(weights) == list(expected)
    assert [n for n in weights if weights[n].tobytes() != expected[n].tobytes()] == []


def shapes(run):
    return {name: w.shape for name, w in weights(run).items() if name.endswith("W")}


# =============================================================================
# What is made
# =============================================================================
@pytest.mark.parametrize(
    "model, expected",
    [
        (
            dict(kind="mlp", fc_depth=2, hidden_size=7),
            {"fc1/linear/W": (784, 7), "fc2/linear/W": (7, 7), "out/W": (7, 10)},
        ),
        (
            dict(channels=30, hidden_size=100),
            {
                "block1/conv1/W": (30, 1, 3, 3),
                "fc1/linear/W": (30 * 14 * 14, 100),
                "out/W": (100, 10),
            },
        ),
        (
            dict(channels=3, blocks=[[16, 16], [32, 32]], hidden_size=9),
            {
                "block1/conv1/W": (16, 1, 3, 3),
                "block1/conv2/W": (16, 16, 3, 3),
                "block2/conv1/W": (32, 16, 3, 3),
                "block2/conv2/W": (32, 32, 3, 3),
                "fc1/linear/W": (32 * 7 * 7, 9),
                "out/W": (9, 10),
            },
        ),
        (
            dict(channels=2, fc_depth=0),
            {"block1/conv1/W": (2, 1, 3, 3), "out/W": (2 * 14 * 14, 10)},
        ),
        (dict(kind="mlp", fc_depth=0), {"out/W": (784, 10)}),
    ],
    ids=["mlp", "channels", "blocks", "cnn without hidden layers", "linear"],
)
def test_a_model_has_the_layers_that_its_knobs_say(model, expected, new_run):
    run = new_run(image_shape=(1, 28, 28), **model)
    assert shapes(run) == expected
    # A bias for every weight, of the length of its output.
    names = sorted(n.removesuffix("W") + p for n in expected for p in ("W", "b"))
    assert list(weights(run)) == names
    biases = {n: w.shape for n, w in weights(run).items() if n.endswith("b")}
    outputs = {
        n[:-1] + "b": (shape[0] if "conv" in n else shape[1],) for n, shape in expected.items()
    }
    assert biases == outputs


def test_a_cnn_computes_convolution_relu_pooling_linear_relu_dropout_linear(new_run):
    run = new_run(fc_depth=1)
    x = np.random.default_rng(0).random((3, 1, 8, 8), dtype=np.float32)
    w = weights(run)
    h = F.pooling(
        F.relu(F.conv2d(x, w["block1/conv1/W"], w["block1/conv1/b"], stride=1, pad=1)), 2, 2
    )
    h = np.maximum(h.data.reshape(3, -1) @ w["fc1/linear/W"] + w["fc1/linear/b"], 0)
    with dezero.test_mode():
        np.testing.assert_allclose(
            run.model(x).data, h @ w["out/W"] + w["out/b"], rtol=1e-5, atol=1e-6
        )
    run.masks.training(step=4)
    h = h * run.masks.keep("fc1", h.shape, 0.5) * 2
    np.testing.assert_allclose(run.model(x).data, h @ w["out/W"] + w["out/b"], rtol=1e-5, atol=1e-6)


def test_each_hidden_layer_has_a_mask_of_its_own(new_run, monkeypatch):
    asked = []
    run = new_run(fc_depth=3, dropout_ratio=0.25)
    keep = run.masks.keep
    monkeypatch.setattr(run.masks, "keep", lambda *what: asked.append(what[:3]) or keep(*what))
    run.model(np.zeros((5, 1, 8, 8), np.float32))
    assert asked == [(f"fc{i}", (5, 8), 0.25) for i in (1, 2, 3)]


@pytest.mark.parametrize(
    "target, reason",
    [
        ("mine.Net", "No module named 'no_such_package'"),
        ("nowhere.Net", "No module named 'nowhere'"),
        ("runner.models.cnn.LeNet", "has no LeNet"),
    ],
)
def test_a_model_that_cannot_be_imported_is_named_with_the_reason(target, reason, new_run, own):
    own("mine.py", "import no_such_package")
    with pytest.raises(ConfigError, match=rf"^model\._target_={target}: .*{reason}"):
        new_run(kind=target)


# =============================================================================
# The first weights
# =============================================================================
@pytest.mark.parametrize(
    "other",
    [
        dict(dropout=False),
        dict(dropout_ratio=0.1),
        dict(optimizer="sgd"),
        dict(fc_depth=2),
        dict(fc_depth=0),
        dict(kind="mlp"),
        dict(channels=3),
        dict(hidden_size=9),
        dict(blocks=[[2, 4]]),
        dict(blocks=[[2], [2]]),
    ],
    ids=str,
)
def test_layers_that_two_cells_share_start_equal(other, new_run):
    first, second = weights(new_run()), weights(new_run(**other))
    shared = [n for n in first if n in second and first[n].shape == second[n].shape]
    assert any(n.endswith("W") for n in shared)
    assert all(first[n].tobytes() == second[n].tobytes() for n in shared)


def test_another_seed_draws_every_weight_anew(new_run):
    first, second = weights(new_run(seed=1)), weights(new_run(seed=2))
    assert all(np.all(first[n] != second[n]) for n in first if n.endswith("W"))


def test_layers_of_one_shape_start_different(new_run):
    w = weights(new_run(fc_depth=3))
    assert np.all(w["fc2/linear/W"] != w["fc3/linear/W"])


@pytest.mark.parametrize(
    "model, name, fan_in",
    [
        (dict(kind="mlp", hidden_size=1000), "fc1/linear/W", 784),
        (dict(kind="mlp", hidden_size=1000, fc_depth=2), "fc2/linear/W", 1000),
        (dict(blocks=[[64, 64]]), "block1/conv2/W", 64 * 9),
        (dict(blocks=[[4096]], fc_depth=0), "block1/conv1/W", 9),
    ],
)
def test_weights_are_normal_with_mean_zero_and_scaled_by_the_fan_in(model, name, fan_in, new_run):
    z = weights(new_run(image_shape=(1, 28, 28) if fan_in == 784 else (1, 4, 4), **model))[
        name
    ].ravel()
    z = z.astype(np.float64) * np.sqrt(fan_in)
    # Five standard errors of the mean, the standard deviation and the share within one deviation.
    assert abs(z.mean()) < 5 / np.sqrt(z.size)
    assert abs(z.std() - 1) < 5 / np.sqrt(2 * z.size)
    assert abs((np.abs(z) < 1).mean() - 0.682689) < 5 * np.sqrt(0.6827 * 0.3173 / z.size)


def test_biases_start_at_zero_and_everything_is_float32(new_run):
    for name, w in weights(new_run(blocks=[[2, 2], [3]], fc_depth=2)).items():
        assert w.dtype == np.float32
        assert name.endswith("W") or not w.any()


def test_a_weight_is_the_named_stream_times_the_scale(new_run):
    drawn = seeding.stream(6, "init", "fc1/linear/W").standard_normal((32, 8), dtype=np.float32)
    assert np.array_equal(
        weights(new_run(seed=6))["fc1/linear/W"], drawn * np.float32(np.sqrt(1 / 32))
    )


def test_making_a_model_neither_reads_nor_moves_the_global_generator(new_run):
    np.random.seed(1)
    before = np.random.get_state()
    first = weights(new_run())
    assert all(np.array_equal(a, b) for a, b in zip(before, np.random.get_state(), strict=True))
    np.random.seed(2)
    assert_equal(weights(new_run()), first)


# =============================================================================
# A model of the user's own
# =============================================================================
MINE = '''
import numpy as np
import dezero
from runner import F, L, Model


class Noise(L.Layer):
    """Draws float64 by numpy.random, when it is made and when it first sees an input."""

    def __init__(self):
        super().__init__()
        self.made = dezero.Parameter(np.random.randn(1), name="made")
        self.lazy = dezero.Parameter(None, name="lazy")

    def forward(self, x):
        if self.lazy.data is None:
            self.lazy.data = np.random.randn(x.shape[1])
        return x + self.lazy * self.made


class Own(Model):
    def __init__(self, width=5):
        super().__init__()
        self.noise, self.known = Noise(), L.Linear(6, in_size=64)
        self.lazy, self.out = L.Linear(width), L.Linear(10)

    def forward(self, x):
        return self.out(F.relu(self.lazy(F.relu(self.known(self.noise(F.flatten(x)))))))


class Given(Own):
    def __init__(self, engine, n_classes, width=7):
        super().__init__(width)
        self.out = engine.output(n_classes)
'''


@pytest.fixture
def own_kind(own):
    own("mine.py", MINE)
    return "mine.Own"


def test_a_model_of_ones_own_is_a_function_of_the_seed_even_where_it_draws_by_numpy_random(
    own_kind, new_run
):
    np.random.seed(1)
    before = np.random.get_state()
    first = weights(new_run(kind=own_kind))
    assert all(np.array_equal(a, b) for a, b in zip(before, np.random.get_state(), strict=True))
    np.random.seed(2)
    assert_equal(weights(new_run(kind=own_kind)), first)
    other = weights(new_run(kind=own_kind, seed=1))
    assert all(np.all(first[n] != other[n]) for n in first if not n.endswith("b"))
    assert sorted(first) == sorted(
        ["noise/made", "noise/lazy"]
        + [f"{layer}/{p}" for layer in ("known", "lazy", "out") for p in ("W", "b")]
    )


def test_a_model_of_ones_own_is_float32_too(own_kind, new_run):
    run = new_run(kind=own_kind)
    assert {w.dtype.name for w in weights(run).values()} == {"float32"}
    assert run.model(np.ones((2, 1, 8, 8), np.float32)).data.dtype == np.float32


def test_a_lazy_weight_of_ones_own_layer_is_drawn_by_its_name(own_kind, new_run):
    drawn = seeding.stream(0, "init", "lazy/W").standard_normal((6, 5), dtype=np.float32)
    assert np.array_equal(
        weights(new_run(kind=own_kind))["lazy/W"], drawn * np.float32(np.sqrt(1 / 6))
    )


def test_a_model_of_ones_own_gets_its_arguments_and_the_engine_and_the_classes_if_it_asks(
    own_kind, new_run
):
    assert weights(new_run(kind=own_kind))["lazy/W"].shape == (6, 5)
    given = weights(new_run(kind="mine.Given"))
    assert (given["lazy/W"].shape, given["out/W"].shape) == ((6, 7), (7, 10))
    assert new_run(kind="mine.Given", engine="fast").engine.name == "fast"
