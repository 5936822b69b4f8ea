"""Which forward passes are known to do the same in every step, and what is said of the others."""

import sys

import numpy as np
import own_models
import pytest

from runner.engine import cpu
from runner.engine.captured.unchanging import why_it_may_change
from runner.engine.dezero import F, L, Model
from runner.engine.fast import Fast
from runner.seeding import Masks

SAME = {
    "the scores alone": "return self.out(F.flatten(x))",
    "reshape of a batch": "return self.out(x.reshape(len(x), -1))",
    "reshape by its sizes": "n, c, h, w = x.shape\nreturn self.out(x.reshape(n, c * h * w))",
    "reshape by a shape": "return self.out(F.reshape(x, (x.shape[0], -1)))",
    "a loop over a slice": (
        "x = F.flatten(x)\nfor f in self.all[:1]:\n    x = f(x)\nreturn self.out(x)"
    ),
    "an item of a list": "return self.out(self.all[0](F.flatten(x)))",
    "an item of a dictionary": "return self.out(self.by_name['fc1'](F.flatten(x)))",
    "a branch on a word": (
        "x = F.flatten(x)\nif self.kind == 'deep':\n    x = self.fc1(x)\n"
        "elif self.kind is None:\n    return x\nreturn self.out(x)"
    ),
    "a branch on a layer": "x = F.flatten(x)\nreturn self.out(self.fc1(x) if self.fc1 else x)",
    "a conditional expression": "return self.out(F.flatten(x) if not self.kind else F.flatten(x))",
    "a function of its own": "return self.out(flat(x))",
    "a method of its own": "return self.out(self.flat(x))",
    "a function that it keeps": "return self.out(self.activation(F.flatten(x)))",
    "a negative slope": "return self.out(F.leaky_relu(F.flatten(x), -self.slope))",
    "a number of the class": "return self.out(F.leaky_relu(F.flatten(x), self.rate))",
    "a parameter": "return F.linear(F.flatten(x), self.W, self.b)",
}
CHANGING = {
    "walrus": ("return self.out((h := F.flatten(x)))", "NamedExpr"),
    "comprehension": ("return [self.out(F.flatten(x)) for i in self.all][0]", "ListComp"),
    "inner function": ("def f(x):\n    return x\nreturn self.out(f(F.flatten(x)))", "FunctionDef"),
    "global": ("global N\nreturn self.out(F.flatten(x))", "Global"),
    "while": ("while self.kind is None:\n    pass\nreturn self.out(F.flatten(x))", "While"),
    "try": ("try:\n    return self.out(F.flatten(x))\nfinally:\n    pass", "Try"),
    "with": ("import dezero\nreturn self.out(F.flatten(x))", "Import"),
    "assert": ("assert len(x)\nreturn self.out(F.flatten(x))", "Assert"),
    "deletes": ("del self.kind\nreturn self.out(F.flatten(x))", "Delete"),
    "writes an item": ("self.by_name[1] = 2\nreturn self.out(F.flatten(x))", "more than a name"),
    "writes into the batch": ("x[:] = 1\nreturn self.out(F.flatten(x))", "more than a name"),
    "in place": ("x *= 2\nreturn self.out(F.flatten(x))", "AugAssign"),
    "a sum": ("return self.out(F.flatten(x) + 1)", "arithmetic"),
    "NumPy": ("return self.out(np.tanh(F.flatten(x).data))", "attribute data"),
    "NumPy of the batch": ("return self.out(np.tanh(x.reshape(len(x), -1)))", "np.tanh"),
    "the time": ("import_time.time()\nreturn self.out(F.flatten(x))", "name import_time"),
    "random": ("return self.out(F.leaky_relu(F.flatten(x), np.random.rand()))", "RandomState.rand"),
    "an array of its own": ("return self.out(F.leaky_relu(F.flatten(x), self.all))", "argument"),
    "a new layer": ("return self.out(L.Linear(5)(F.flatten(x)))", "call of L.Linear"),
    "a setter": ("setattr(self, 'kind', 1)\nreturn self.out(F.flatten(x))", "setattr"),
    "a method of a list": ("self.all.append(1)\nreturn self.out(F.flatten(x))", "attribute append"),
    "a branch on a size": ("if len(x) > 2:\n    pass\nreturn self.out(F.flatten(x))", "comparison"),
    "a user's function of DeZero's": ("return self.out(Mine()(F.flatten(x)))", "call of Mine"),
    "a call with names": ("return self.out(x=F.flatten(x))", "call of self.out"),
    "compares two kinds": (
        "if self.kind < 3:\n    pass\nreturn self.out(F.flatten(x))", "TypeError"
    ),
    "calls itself": ("return self.forward(x)", "RecursionError"),
    "clears gradients": ("self.cleargrads()\nreturn self.out(F.flatten(x))", "call of sorted"),
    "an engine": ("return self.out(self.engine.dropout(F.flatten(x), 0.5))", "attribute"),
    "an object compared": ("if self.odd == 1:\n    pass\nreturn self.out(F.flatten(x))", "compar"),
    "a layer that counts looks": (
        "if self.counted:\n    pass\nreturn self.out(F.flatten(x))", "branch"
    ),
    "an object that is true": ("if self.odd:\n    pass\nreturn self.out(F.flatten(x))", "branch"),
}  # fmt: skip
SOURCE = """
N = 1


class Mine(F.ReLU):
    pass


class Odd:
    def __eq__(self, other):
        return True

    def __hash__(self):
        return 1


class Counted(L.Layer):
    def __len__(self):
        self.n = 1


def flat(x):
    return F.flatten(x)


class Net(Model):
    rate = 0.1

    def __init__(self, engine):
        super().__init__()
        self.fc1, self.out = L.Linear(64, in_size=64), L.Linear(10, in_size=64)
        self.all, self.by_name, self.kind, self.slope = [self.fc1], {{"fc1": self.fc1}}, "deep", 0.2
        self.activation, self.engine, self.odd = F.tanh, engine, Odd()
        self.counted = Counted()
        self.W, self.b = self.out.W, self.out.b

    def flat(self, x):
        return F.flatten(x)

    def forward(self, x):
{}
"""


@pytest.fixture
def net(tmp_path, monkeypatch):
    """Call with the lines of a forward pass for a net, with its class."""

    def make(lines):
        text = "\n".join("        " + line for line in lines.splitlines())
        own_models.define(SOURCE.format(text), tmp_path, monkeypatch)
        module = __import__(own_models.KIND)
        return module.Net(Fast(Masks(0), cpu))

    yield make
    sys.modules.pop(own_models.KIND, None)


@pytest.mark.parametrize("name", SAME)
def test_a_forward_pass_of_layers_and_functions_is_the_same_in_every_step(name, net):
    model = net(SAME[name])
    assert why_it_may_change(model) == ""
    assert model(np.zeros((2, 1, 8, 8), np.float32)).shape == (2, 10)


@pytest.mark.parametrize("name", CHANGING)
def test_whatever_else_it_does_is_refused_with_its_line(name, net):
    lines, reason = CHANGING[name]
    assert reason in why_it_may_change(net(lines))


def test_a_forward_pass_whose_file_was_edited_since_is_refused(net, tmp_path):
    model = net("N.append(x)\nreturn self.out(F.flatten(x))")
    file = tmp_path / f"{own_models.KIND}.py"
    file.write_text(file.read_text().replace("N.append(x)", "N = F.relu"))
    assert "is not what runs" in why_it_may_change(model)
    file.unlink()
    assert "cannot be read" in why_it_may_change(model)


def test_a_net_that_is_defined_in_a_function_is_read_with_the_names_around_it():
    slope = 0.3

    class Inner(Model):
        def __init__(self):
            super().__init__()
            self.out = L.Linear(10, in_size=64)

        def forward(self, x):
            return F.leaky_relu(self.out(F.flatten(x)), slope)

    assert why_it_may_change(Inner()) == ""


def test_a_layer_or_function_that_somebody_changed_is_not_dezeros_any_more(net, monkeypatch):
    model = net(SAME["a function that it keeps"])
    as_shipped = L.Linear.forward
    for of, name, value, reason in (
        (L.Linear, "forward", lambda self, x: as_shipped(self, x), "Linear has its own forward"),
        (L.Layer, "cleargrads", lambda self: None, "has its own cleargrads"),
        (F, "flatten", lambda x: x, "a call of F.flatten"),
        (type(model), "forward", lambda self, x: x, "is not what runs"),
        (type(model), "inputs", property(print), "has its own inputs"),
        (type(model), "__getattr__", print, "has its own __getattr__"),
        (type(model), "__call__", print, "has its own __call__"),
        (model, "forward", print, "is an attribute"),
        (model.fc1, "params", print, "has its own params"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(of, name, value, raising=False)
            assert why_it_may_change(model), name
            if reason != "a call of F.flatten":  # a lambda's file is read first
                assert reason in why_it_may_change(model)
    assert why_it_may_change(model) == ""


def test_what_ships_does_the_same_in_every_step(new_run):
    for kind, sizes in (("cnn", {"blocks": [[2, 3], [2]]}), ("mlp", {"fc_depth": 2})):
        assert why_it_may_change(new_run(engine="fast", kind=kind, **sizes).model) == ""
