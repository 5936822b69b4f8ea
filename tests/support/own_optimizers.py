"""Optimizers as somebody would write them beside their script."""

import random

import numpy as np
from dezero.optimizers import SGD, Optimizer


class Counting(Optimizer):
    """Has counters of several kinds, a nested dictionary, and averages over all parameters."""

    def __init__(self, lr=0.01, beta=0.9):
        super().__init__()
        self.lr, self.beta = lr, beta
        self.n_updates, self.half_life, self.is_warm = 0, 1.0, False
        self.of = {}
        self.by_text = {"mean/of all": np.float32(0), 3: 0}
        self.norms, self.last = [], None

    def update(self):
        self.n_updates += 1
        self.is_warm = self.n_updates > 3
        self.half_life *= 0.9
        super().update()

    def update_one(self, param):
        own = self.of.setdefault(id(param), {"m": np.zeros_like(param.data), "n": 0})
        own["n"] += 1
        own["m"] += (1 - self.beta) * (param.grad.data - own["m"])
        self.by_text["mean/of all"] += np.float32(own["m"].mean())
        self.by_text[3] += 1
        self.last = np.array(self.by_text["mean/of all"])
        self.norms = [*self.norms, float(np.abs(own["m"]).max())][-3:]
        share = self.half_life + np.float32(sum(self.norms)) + self.last * self.is_warm
        param.data -= np.float32(self.lr * share) * own["m"]


class Plain:
    """No base class; lists beside the parameters; it replaces the weights' arrays."""

    def __init__(self, lr=0.01):
        self.lr = lr

    def setup(self, model):
        self.parameters = list(model.params())
        self.moments = [np.zeros_like(p.data) for p in self.parameters]
        return self

    def update(self):
        for i, p in enumerate(self.parameters):
            if p.grad is not None:
                self.moments[i] = self.moments[i] * np.float32(0.9) + p.grad.data
                p.data = p.data - np.float32(self.lr) * self.moments[i]


class WithItsOwnDecay(SGD):
    """Has an argument that is called as an option of every optimizer."""

    def __init__(self, lr=0.01, weight_decay=0.25):
        super().__init__(lr)
        self.weight_decay = weight_decay

    def update_one(self, param):
        param.data *= np.float32(1 - self.weight_decay)


class DoesNotCallHooks(Optimizer):
    def __init__(self, lr=0.5):
        super().__init__()
        self.lr = lr

    def update(self):
        for p in self.target.params():
            if p.grad is not None:
                p.data -= np.float32(self.lr) * p.grad.data


class Draws(SGD):
    def __init__(self, lr=0.01):
        super().__init__(lr)
        self.generator = random.Random(0)

    def update_one(self, param):
        self.lr = self.generator.random()
        super().update_one(param)


class ByName(SGD):
    """Keeps texts."""

    def update_one(self, param):
        self.seen = {param.name}


class NoUpdate:
    def setup(self, model):
        return self


def function(lr=0.01):
    return Plain(lr)
