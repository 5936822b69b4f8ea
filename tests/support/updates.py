"""Optimizers updated step by step with given gradients, on parameters and nothing else."""

import numpy as np

from runner import engine as engines
from runner.engine.dezero import Model, Variable, dezero, named_parameters
from runner.engine.recipe import Recipe
from runner.seeding import Masks

CLASSES = ["SGD", "MomentumSGD", "AdaGrad", "AdaDelta", "Adam"]
SHAPES = ((3, 5), (16,), (2, 3, 3, 3), (33, 2))


class Bare(Model):
    """Parameters and nothing to do with them, the same whenever it is made."""

    def __init__(self):
        super().__init__()
        rng = np.random.default_rng(0)
        for i, shape in enumerate(SHAPES):
            setattr(self, f"p{i}", dezero.Parameter(rng.standard_normal(shape).astype(np.float32)))


def made(engine, target, **settings):
    """(model, optimizer of the engine)."""
    model = Bare()
    target = f"dezero.optimizers.{target}" if target in CLASSES else f"own_optimizers.{target}"
    return model, engines.create(engine, Masks(0), "cpu").optimizer(Recipe(target, settings), model)


def gradients(n, scale=1.0):
    rng = np.random.default_rng([1, n])
    return [(scale * rng.standard_normal(shape)).astype(np.float32) for shape in SHAPES]


def step(model, optimizer, of_step):
    """One update with these gradients; None is none."""
    model.cleargrads()
    for parameter, gradient in zip(named_parameters(model).values(), of_step, strict=True):
        if gradient is not None:
            parameter.grad = Variable(gradient.copy())
    optimizer.update()


def weights(model):
    return {name: p.data.copy() for name, p in named_parameters(model).items()}
