"""The state of any optimizer goes on in another object and another process with the same bits."""

import subprocess
import sys

import numpy as np
import pytest
from own_optimizers import Counting
from places import REPO
from updates import CLASSES, Bare, gradients, made, step, weights

from runner.engine.dezero import named_parameters
from runner.engine.update import optimizer_state
from runner.errors import ConfigError

each_engine = pytest.mark.parametrize("engine", ["fast", "stock"])
each_target = pytest.mark.parametrize("target", [*CLASSES, "Counting", "Plain"])
STEPS, STOP = 9, 5


def bits(model, optimizer):
    arrays = weights(model) | optimizer.state()
    return {n: (str(a.dtype), a.shape, a.tobytes()) for n, a in arrays.items()}


def train(model, optimizer, first=0, last=STEPS):
    for n in range(first, last):
        # The first parameter has no gradient at first: its part of the state comes later.
        step(model, optimizer, [None if n < 2 else gradients(n)[0], *gradients(n)[1:]])
    return bits(model, optimizer)


@each_engine
@each_target
@pytest.mark.parametrize("stop", [0, 1, STOP, STEPS])
def test_going_on_in_another_object_gives_the_bits_of_an_uninterrupted_training(
    target, engine, stop
):
    expected = train(*made(engine, target))
    first = made(engine, target)
    train(*first, last=stop)
    state = {name: np.array(array) for name, array in first[1].state().items()}
    second = made(engine, target)
    for name, parameter in named_parameters(second[0]).items():
        parameter.data = weights(first[0])[name]
    second[1].restore(state)
    assert train(*second, first=stop) == expected
    if stop < STEPS:  # what was restored is a copy
        assert all(np.array_equal(a, state[n]) for n, a in first[1].state().items())


GO_ON = """
import sys
sys.path[:0] = ["tests/support", "tests/engine"]
import numpy as np
import runner.engine.dezero
from test_optimizer_state import STOP, made, named_parameters, train
for path in sys.argv[1:]:
    model, optimizer = made("stock", path.rpartition("/")[2].removesuffix(".npz"))
    with np.load(path, allow_pickle=False) as arrays:
        state = {name[2:]: arrays[name] for name in arrays if name[0] == "o"}
        for name, parameter in named_parameters(model).items():
            parameter.data = arrays["w|" + name]
    optimizer.restore(state)
    print(sorted(train(model, optimizer, first=STOP).items()))
"""


def test_going_on_in_another_process_gives_the_bits_of_an_uninterrupted_training(tmp_path):
    paths, expected = [], []
    for target in ("Adam", "AdaDelta", "Counting", "Plain"):
        expected.append(str(sorted(train(*made("stock", target)).items())))
        model, optimizer = made("stock", target)
        train(model, optimizer, last=STOP)
        arrays = {f"o|{n}": a for n, a in optimizer.state().items()}
        arrays |= {f"w|{n}": a for n, a in weights(model).items()}
        paths.append(str(tmp_path / f"{target}.npz"))
        np.savez(paths[-1], **arrays)
    started = [sys.executable, "-c", GO_ON, *paths]
    ended = subprocess.run(started, cwd=REPO, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines() == expected


@pytest.mark.parametrize("target", [*CLASSES[1:], "Counting", "Plain"])
def test_a_training_without_its_state_ends_otherwise(target):
    first, second = made("stock", target), made("stock", target)
    train(*first, last=STOP)
    for name, parameter in named_parameters(second[0]).items():
        parameter.data = weights(first[0])[name]
    train(*second, first=STOP)
    assert weights(second[0])["p1"].tobytes() != train(*made("stock", target))["p1"][2]


def test_state_is_named_by_attribute_and_parameter_whatever_holds_it():
    model, optimizer = made("stock", "Counting")
    step(model, optimizer, [gradients(0)[0], None, None, None])
    assert {name: str(a.dtype) for name, a in optimizer.state().items()} == {
        "n_updates": "int64",
        "half_life": "float64",
        "of/p0/{m}": "float32",
        "of/p0/{n}": "int64",
        "scalar:by_text/{mean%2Fof%20all}": "float32",
        "by_text/(3)": "int64",
        "norms/[0]": "float64",
        "point:last": "float32",
    }


def test_numbers_come_back_with_their_types():
    first = made("stock", "Counting")
    train(*first)
    second = made("stock", "Counting")
    second[1].restore(first[1].state())
    of_first, of_second = first[1].rule, second[1].rule
    for name in ("n_updates", "half_life", "is_warm", "last"):
        assert type(getattr(of_second, name)) is type(getattr(of_first, name)), name
    assert of_second.is_warm is True
    assert {k: type(v) for k, v in of_second.by_text.items()} == {
        "mean/of all": np.float32,
        3: int,
    }
    assert set(of_second.of) == {id(p) for p in second[0].params()}
    assert type(of_second.of[id(second[0].p0)]["n"]) is int


def test_an_array_that_is_there_is_filled_because_others_may_refer_to_it():
    model, optimizer = made("fast", "Adam")
    state = {"ms/p0": np.full(model.p0.shape, 2.0, np.float32), "t": np.array(3)}
    optimizer.restore(state)
    p, g, m, v = optimizer.rule.flat.parts(slice(0, 15), "ms", "vs")
    assert (m == 2).all() and not v.any() and optimizer.rule.t == 3


# =============================================================================
# What no checkpoint can hold
# =============================================================================
@each_engine
@pytest.mark.parametrize(
    "target, attribute, what", [("Draws", "generator", "a Random"), ("ByName", "seen", "a set")]
)
def test_an_attribute_that_changes_and_cannot_be_kept_is_refused_in_the_warm_up(
    target, attribute, what, engine
):
    model, optimizer = made(engine, target)
    before = bits(model, optimizer)
    refusal = (
        f"^own_optimizers.{target}: its attribute {attribute} changes, and no checkpoint can hold"
        f" it .{what}."
    )
    with pytest.raises(ConfigError, match=refusal):
        optimizer.warm_up()
    assert bits(model, optimizer) == before
    step(model, optimizer, gradients(0))
    with pytest.raises(ConfigError, match=refusal):
        optimizer.state()


@each_engine
@each_target
def test_a_warm_up_changes_no_weight_no_gradient_and_no_state(target, engine):
    model, optimizer = made(engine, target)
    arrays = [p.data for p in named_parameters(model).values()]
    before = bits(model, optimizer)
    optimizer.warm_up()
    assert bits(model, optimizer) == before
    assert all(p.grad is None for p in model.params())
    assert all(p.data is a for p, a in zip(named_parameters(model).values(), arrays, strict=True))


def test_what_stays_as_it_is_need_not_be_kept():
    model, rule = Bare(), Counting()
    rule.setup(model)
    rule.names, rule.model, rule.parts = {"a", "b"}, model, [*model.params()]
    rule.rate, rule.betas = (lambda: rule.lr), (0.9, 0.99)
    at_start = optimizer_state.marks(rule, model)
    step(model, rule, gradients(0))
    kept = optimizer_state.state(rule, model, at_start)
    assert not {"names", "model", "parts", "rate", "betas", "lr"} & {n.split("/")[0] for n in kept}
    rule.betas = (0.9, 0.9)
    with pytest.raises(ConfigError, match="its attribute betas changes"):
        optimizer_state.state(rule, model, at_start)
