"""Any optimizer on either engine: DeZero's bits and hooks, decoupled decay, what is refused."""

import numpy as np
import pytest
from short_training import assembled
from updates import CLASSES, Bare, gradients, made, step, weights

from runner.engine.dezero import Variable, dezero
from runner.engine.protocol import Position
from runner.engine.recipe import Recipe, recipe
from runner.engine.update.optimizers import ClipGrad, Optimizer
from runner.errors import ConfigError
from runner.train import epochs

each_class = pytest.mark.parametrize("of", CLASSES)
each_engine = pytest.mark.parametrize("engine", ["fast", "stock"])
STEPS = 20


def plain(of, *hooks, **arguments):
    """(model, DeZero's optimizer as it is)."""
    model = Bare()
    optimizer = getattr(dezero.optimizers, of)(**arguments).setup(model)
    for hook in hooks:
        optimizer.add_hook(hook)
    return model, optimizer


def assert_same_bits(model, other):
    found, expected = weights(model), weights(other)
    assert [n for n in found if found[n].tobytes() != expected[n].tobytes()] == []


# =============================================================================
# DeZero's own
# =============================================================================
@each_engine
@each_class
def test_every_step_has_the_bits_of_dezeros(of, engine):
    ours, dezeros = made(engine, of), plain(of)
    for n in range(STEPS):
        step(*ours, gradients(n))
        step(*dezeros, gradients(n))
        assert_same_bits(ours[0], dezeros[0])
    assert (ours[0].p0.data != Bare().p0.data).all()
    assert ours[1].is_fused == (engine == "fast" and of in ("SGD", "MomentumSGD", "Adam"))


@each_engine
@each_class
def test_weight_decay_and_clipping_are_dezeros_hooks_in_this_order(of, engine):
    hooks = dezero.optimizers.WeightDecay(0.1), dezero.optimizers.ClipGrad(11.0)
    ours, dezeros = made(engine, of, weight_decay=0.1, clip_grad=11.0), plain(of, *hooks)
    n_clipped = 0
    for n in range(STEPS):
        of_step = gradients(n)
        decayed = [g + 0.1 * w for g, w in zip(of_step, weights(ours[0]).values(), strict=True)]
        n_clipped += sum((g**2).sum() for g in decayed) > 11.0**2
        step(*ours, of_step)
        step(*dezeros, of_step)
        assert_same_bits(ours[0], dezeros[0])
    assert 0 < n_clipped < STEPS, "of both kinds"


@pytest.mark.parametrize("values", [[0.0, 0.0], [3e19, 3e19], [np.nan, 1.0], [1e-30, 0.0], [3, 4]])
def test_clipping_has_dezeros_bits_at_the_edges_too(values):
    results = []
    for clip in (ClipGrad(5.0), dezero.optimizers.ClipGrad(5.0)):
        parameters = [dezero.Parameter(np.ones(1, np.float32)) for _ in values]
        for parameter, value in zip(parameters, values, strict=True):
            parameter.grad = Variable(np.array([value], np.float32))
        with np.errstate(all="ignore"):
            clip(parameters)
        results.append([parameter.grad.data.tobytes() for parameter in parameters])
    assert results[0] == results[1]
    ClipGrad(5.0)([])


@each_engine
def test_the_rate_is_called_lr_for_adam_too(engine):
    _, optimizer = made(engine, "Adam", lr=0.25, beta1=0.5)
    assert (optimizer.rule.alpha, optimizer.rule.beta1) == (0.25, 0.5)


@each_engine
@pytest.mark.parametrize("of", ["AdaGrad", "AdaDelta"])
def test_what_the_fast_engine_does_not_have_is_trained_by_dezeros_update_and_said(
    of, engine, new_run, digits, few
):
    run = new_run(engine=engine)
    settings = {"lr": 0.05} if of == "AdaGrad" else {}
    run.optimizer = run.engine.optimizer(Recipe(f"dezero.optimizers.{of}", settings), run.model)
    parts = assembled(run, few(digits, 100, 20), epochs=4)
    parts.warm_up()
    assert run.engine.fallbacks == ((of,) if engine == "fast" else ())
    first, *_, last = epochs.train(parts, Position())
    assert last.train_eval_loss < first.train_eval_loss


def test_adagrad_trains_to_the_same_losses_on_both_engines(new_run, digits, few):
    losses = {}
    for engine in ("fast", "stock"):
        run = new_run(engine=engine)
        settings = {"lr": 0.01, "weight_decay": 1e-4, "clip_grad": 1.0}
        made_of = Recipe("dezero.optimizers.AdaGrad", settings)
        run.optimizer = run.engine.optimizer(made_of, run.model)
        parts = assembled(run, few(digits, 100, 20))
        losses[engine] = [record.train_loss for record in epochs.train(parts, Position())]
    assert losses["fast"] == pytest.approx(losses["stock"], rel=1e-4)


# =============================================================================
# Decoupled decay
# =============================================================================
def adamw(w, of_steps, lr, decay):
    """Loshchilov and Hutter's AdamW as PyTorch computes it, in float64.

    `eps` is beside the corrected root, and DeZero's beside the uncorrected one: it is too small to
    be seen here.
    """
    m, v = np.zeros_like(w), np.zeros_like(w)
    for t, g in enumerate(of_steps, start=1):
        w = w * (1 - lr * decay)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        w = w - lr * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    return w


def sgdw(w, of_steps, lr, decay):
    for g in of_steps:
        w = w * (1 - lr * decay) - lr * g
    return w


def momentumw(w, of_steps, lr, decay):
    v = np.zeros_like(w)
    for g in of_steps:
        v = 0.9 * v - lr * g
        w = w * (1 - lr * decay) + v
    return w


def adagradw(w, of_steps, lr, decay):
    h = np.zeros_like(w)
    for g in of_steps:
        h = h + g * g
        w = w * (1 - lr * decay) - lr * g / (np.sqrt(h) + 1e-8)
    return w


@each_engine
@pytest.mark.parametrize(
    "of, reference",
    [("Adam", adamw), ("SGD", sgdw), ("MomentumSGD", momentumw), ("AdaGrad", adagradw)],
)
def test_decoupled_decay_takes_its_share_off_the_weights_before_the_update(of, reference, engine):
    model, optimizer = made(engine, of, lr=0.01, weight_decay=2.0, decoupled_decay=True)
    for n in range(STEPS):
        step(model, optimizer, gradients(n))
    for i, start in enumerate(weights(Bare()).values()):
        of_steps = [gradients(n)[i].astype(np.float64) for n in range(STEPS)]
        expected = reference(start.astype(np.float64), of_steps, 0.01, 2.0)
        np.testing.assert_allclose(weights(model)[f"p{i}"], expected, rtol=2e-4, atol=2e-6)


@pytest.mark.parametrize("of", ["Adam", "SGD", "MomentumSGD"])
@pytest.mark.parametrize("clip", [None, 3.0])
def test_decoupled_decay_has_the_same_bits_in_one_pass_as_by_itself(of, clip):
    options = {"lr": 0.01, "weight_decay": 0.3, "decoupled_decay": True, "clip_grad": clip}
    fast, stock = made("fast", of, **options), made("stock", of, **options)
    for n in range(STEPS):
        step(*fast, gradients(n))
        step(*stock, gradients(n))
        assert_same_bits(fast[0], stock[0])


# =============================================================================
# Parameters without a gradient
# =============================================================================
@each_engine
@pytest.mark.parametrize("target", [*CLASSES, "Counting", "Plain", "DoesNotCallHooks"])
def test_a_frozen_parameter_is_left_alone_whatever_is_done_beside_the_update(target, engine):
    has_rate = target != "AdaDelta"
    model, optimizer = made(
        engine, target, weight_decay=0.1, decoupled_decay=has_rate, clip_grad=0.5
    )
    for n in range(5):
        step(model, optimizer, [None, *gradients(n)[1:]])
    assert weights(model)["p0"].tobytes() == weights(Bare())["p0"].tobytes()
    assert (weights(model)["p1"] != weights(Bare())["p1"]).all()


# =============================================================================
# One's own
# =============================================================================
@each_engine
def test_a_class_that_calls_no_hooks_is_given_decay_and_clipping_all_the_same(engine):
    model, optimizer = made(engine, "DoesNotCallHooks", lr=0.5, weight_decay=0.1, clip_grad=1.0)
    hooks = dezero.optimizers.WeightDecay(0.1), dezero.optimizers.ClipGrad(1.0)
    dezeros = plain("SGD", *hooks, lr=np.float32(0.5))
    for n in range(5):
        step(model, optimizer, gradients(n))
        step(*dezeros, gradients(n))
        assert_same_bits(model, dezeros[0])


@each_engine
@pytest.mark.parametrize("settings, left", [({}, 0.75), ({"weight_decay": 0.5}, 0.5)])
def test_an_option_that_the_class_has_itself_is_the_classs_alone(settings, left, engine):
    model, optimizer = made(engine, "WithItsOwnDecay", **settings)
    step(model, optimizer, gradients(0))
    assert optimizer.hooks == []
    assert (weights(model)["p0"] == Bare().p0.data * np.float32(left)).all()


def test_a_recipe_is_the_group_of_a_yaml_file():
    group = {"_target_": "mine.Own", "name": "Own", "lr": 0.1, "clip_grad": 1.0}
    schedule = {"kind": "constant", "at": [3], "factor": 0.1, "warmup_epochs": 0.0}
    settings = {"lr": 0.1, "clip_grad": 1.0, "schedule": None}
    assert recipe(group | {"schedule": schedule}, 7) == Recipe("mine.Own", settings, 7)


@pytest.mark.parametrize(
    "changed, effective",
    [
        ({"kind": "step"}, {"kind": "step", "at": [3], "factor": 0.1}),
        ({"kind": "cosine"}, {"kind": "cosine"}),
        ({"warmup_epochs": 0.5}, {"warmup_epochs": 0.5}),
        (
            {"kind": "cosine", "warmup_epochs": 2.0},
            {"kind": "cosine", "warmup_epochs": 2.0},
        ),
    ],
)
def test_a_recipe_has_of_a_schedule_what_changes_the_rate(changed, effective):
    schedule = {"kind": "constant", "at": [3], "factor": 0.1, "warmup_epochs": 0.0} | changed
    group = {"_target_": "dezero.optimizers.SGD", "lr": 0.1, "schedule": schedule}
    assert recipe(group, 7).settings == {"lr": 0.1, "schedule": effective}


# =============================================================================
# What is refused
# =============================================================================
@pytest.mark.parametrize(
    "target, settings, why",
    [
        ("nowhere.Adam", {}, "No module named 'nowhere'"),
        ("dezero.optimizers.Lion", {}, "the module dezero.optimizers has no Lion"),
        ("Adam", {}, "allowed is MODULE.NAME"),
        ("own_optimizers.function", {}, "it is no class"),
        ("own_optimizers.NoUpdate", {}, "it has no update"),
        ("dezero.optimizers.SGD", {"momentum": 0.9}, "unexpected keyword argument 'momentum'"),
        (
            "dezero.optimizers.AdaDelta",
            {"schedule": {"kind": "cosine"}},
            "schedule needs its learning rate, an attribute named lr or alpha",
        ),
        (
            "dezero.optimizers.AdaDelta",
            {"weight_decay": 0.1, "decoupled_decay": True},
            "decoupled_decay needs its learning rate",
        ),
    ],
)
def test_what_cannot_be_trained_is_refused_with_its_name(target, settings, why):
    with pytest.raises(ConfigError, match=f"^optimizer._target_={target}: .*{why}"):
        Optimizer(Recipe(target, settings), Bare())
