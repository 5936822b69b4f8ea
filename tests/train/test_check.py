"""One's own code is looked at in a step on two images; what is wrong is told by its line."""

import re
import time
from dataclasses import replace

import numpy as np
import own_models
import pytest
from configs import configured

from runner.errors import ModelError
from runner.plan.planned import planned_run
from runner.train.check import own_code
from runner.train.check.own_code import Checked
from runner.train.check.process import answer, measurements
from runner.train.sample import Sample


def net(forward, init=""):
    return own_models.net(init, forward)


def unlike_the_book(source):
    return "class Net(Model):\n" + source


ROWS = "self.rnn = L.RNN(6)"
#: By what is wrong: the net, a text of the line that is named, and texts that the line must have.
MISTAKES = {
    "no super": (
        unlike_the_book("    def __init__(self):\n        self.fc1 = L.Linear(10)\n"),
        "self.fc1 =",
        ["write super().__init__() as the first line of __init__"],
    ),
    "no flatten": (
        net("h = self.fc1(x)\nreturn self.out(h)"),
        "h = self.fc1",
        ["a linear layer got (1, 1, 8, 8): write x = F.flatten(x) before it"],
    ),
    "no forward": (
        unlike_the_book("    width = 3\n"),
        "class Net",
        ["write the model's forward(self, x)"],
    ),
    "two arguments": (
        own_models.net().replace("forward(self, x)", "forward(self, x, t)"),
        "def forward",
        ["write forward(self, x)", "missing 1 required positional argument"],
    ),
    "an array": (
        net("return self.out(F.flatten(x)).data"),
        "def forward",
        ["forward returns a ndarray; return the Variable, without .data"],
    ),
    "nothing": (
        net("self.out(F.flatten(x))"),
        "def forward",
        ["return a Variable at the end of forward"],
    ),
    "five classes": (
        net("return self.five(F.flatten(x))", "self.five = L.Linear(5)"),
        "def forward",
        ["scores of 5 classes, and the labels go from 0 to 9; its last layer needs 10 outputs"],
    ),
    "rows": (
        net("return self.out(F.reshape(self.fc1(F.flatten(x)), (-1, 5)))"),
        "def forward",
        ["8 rows of scores for 2 images", "write F.flatten(x)"],
    ),
    "float64": (
        net("return self.out(self.fc1(F.flatten(x))) * np.array(2.0)"),
        "def forward",
        ["the scores are float64", "x.astype(np.float32)"],
    ),
    "not finite": (
        net("return self.out(self.fc1(F.flatten(x))) * float('nan')"),
        "def forward",
        ["not finite"],
    ),
    "cut off": (
        net("return F.as_variable(self.out(F.flatten(x)).data)"),
        "def forward",
        ["nothing can be learned", "without .data"],
    ),
    "no layer used": (
        net("y = F.as_variable(x.reshape(len(x), -1)[:, :10])\nreturn y * 1.5"),
        "def forward",
        ["no parameter has a gradient"],
    ),
    "a list of layers": (
        net(
            "x = F.flatten(x)\nfor layer in self.hidden:\n    x = layer(x)\nreturn self.out(x)",
            "self.hidden = [L.Linear(5) for i in range(2)]",
        ),
        "self.hidden = ",
        ["self.hidden is a list", 'setattr(self, f"hidden{i}", layer)'],
    ),
    "a layer made on the way": (
        net("return self.out(L.Linear(5)(F.flatten(x)))"),
        "def forward",
        ["a parameter", "that is no attribute of the model"],
    ),
    "global generator": (
        net("h = self.fc1(F.flatten(x))\nh = h * float(np.random.rand())\nreturn self.out(h)"),
        "h = h * float",
        ["draws from numpy.random", "F.dropout"],
    ),
    "own generator": (
        net(
            "return self.out(F.flatten(x)) * float(self.rng.random())",
            "self.rng = np.random.default_rng(0)",
        ),
        "def forward",
        ["gave other scores the second time"],
    ),
    "own generator of weights": (
        net(
            "return self.out(F.flatten(x))",
            "self.out = L.Linear(10, in_size=64)\n"
            "self.out.W.data = np.random.default_rng().normal(size=(64, 10))",
        ),
        "def forward",
        ["made twice from one seed, out/W has two values", "np.random.randn"],
    ),
    "a counter of the class": (
        unlike_the_book(
            "    n = 0\n\n"
            "    def __init__(self):\n        super().__init__()\n        Net.n += 1\n"
            "        self.out = L.Linear(10)\n\n"
            "    def forward(self, x):\n"
            "        return self.out(F.flatten(x)) * float(1 + Net.n % 2)\n"
        ),
        "def forward",
        ["gave other scores the second time", "the class counts or keeps something"],
    ),
    "a layer of two names": (
        net(
            "return self.out(F.relu(self.two(F.relu(self.one(F.flatten(x))))))",
            "self.one = L.Linear(64, in_size=64)\nself.two = self.one",
        ),
        "self.two = self.one",
        ["two/W is one/W, too", "keep the layer in one attribute"],
    ),
    "left from the batch before": (
        net(
            "for i in range(8):\n    h = self.rnn(x[:, 0, i])\nreturn self.out(h)",
            ROWS,
        ),
        "def forward",
        ["gave other scores the second time", "reset_state()"],
    ),
    "ends the process": (
        net("raise SystemExit(3)"),
        "raise SystemExit",
        ["ends the process"],
    ),
    "anything": (
        net("return {}['width']"),
        "return {}",
        ["KeyError: 'width'"],
    ),
}
RIGHT = {
    "published": own_models.PUBLISHED,
    "BatchNorm": own_models.BATCH_NORM,
    "own averages": own_models.OWN_AVERAGES,
    "rows": net(
        "self.rnn.reset_state()\nfor i in range(8):\n    h = self.rnn(x[:, 0, i])\n"
        "return self.out(self.fc1(h))",
        ROWS,
    ),
    "registered list": net(
        "x = F.flatten(x)\nfor layer in self.hidden:\n    x = layer(x)\nreturn self.out(x)",
        "self.hidden = [self.fc1]",
    ),
}

#: What is left to DeZero by the fast engine, where anything is.
FALLBACKS = {"own averages": ["Sub"], "rows": ["Add"]}


@pytest.fixture
def sample(digits):
    return Sample(
        digits.train_images[:2], digits.train_labels[:2], digits.full_scale, 10, 1442, 355
    )


@pytest.fixture
def planned(digits, tmp_path, monkeypatch):
    def plan(source, **knobs):
        config = configured(knobs, model=own_models.define(source, tmp_path, monkeypatch))
        return planned_run(config, {"model": "own"}, "digits", digits.sha256, "cpu")

    return plan


@pytest.mark.parametrize("engine", ["stock", "fast"])
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_with_the_line_of_the_users_file(mistake, engine, planned, sample):
    source, text, words = MISTAKES[mistake]
    refusal = answer(planned(source, **{"engine.name": engine}), sample, 60)["refusal"]
    assert refusal.startswith(own_models.line_of(source, text) + ": "), refusal
    assert "\n" not in refusal
    for word in words:
        assert word in refusal


@pytest.mark.parametrize("engine", ["stock", "fast"])
@pytest.mark.parametrize("name", RIGHT)
def test_a_model_that_can_be_trained_passes_without_a_word(name, engine, planned, sample):
    found = Checked(**answer(planned(RIGHT[name], **{"engine.name": engine}), sample, 60))
    assert found.warnings == []
    assert found.fallbacks == (FALLBACKS.get(name, []) if engine == "fast" else [])


def test_why_no_step_is_captured_is_told_and_of_most_nets_there_is_nothing_to_tell(planned, sample):
    for source, reason in (
        (RIGHT["registered list"], ""),
        (RIGHT["published"], ""),
        (net("print(len(x))\nreturn self.out(self.fc1(F.flatten(x)))"), "a call of print (own.py:"),
    ):
        for graph in (True, False):
            found = answer(planned(source, **{"engine.graph": graph}), sample, 60)
            assert found["not_captured"].startswith(reason if graph else "")
            assert bool(found["not_captured"]) == bool(reason and graph)


def test_the_number_of_parameters_is_told(planned, sample):
    found = answer(planned(own_models.PUBLISHED), sample, 60)
    assert found["n_parameters"] == (9 + 1) * 3 + (3 * 4 * 4 + 1) * 20 + (20 + 1) * 10


OPTIMIZER = """
import numpy as np
from dezero.optimizers import Optimizer


class Mine(Optimizer):
    def __init__(self, lr=0.1):
        super().__init__()
        self.lr = lr

    def update_one(self, param):
        {}
"""


@pytest.fixture
def planned_with(planned, own_module):
    """Call with the line of an optimizer of one's own: a run of a net of one's own with it."""

    def plan(line, **knobs):
        own_module(OPTIMIZER.format(line))
        run = planned(own_models.PUBLISHED, **knobs)
        optimizer = {"_target_": "mine.Mine", "name": "Mine", "lr": 0.1}
        return replace(run, config=replace(run.config, optimizer=optimizer))

    return plan


@pytest.mark.parametrize("engine", ["stock", "fast"])
@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("param.data -= self.rate * param.grad.data", r"^mine.py:\d+: .* no attribute 'rate'"),
        (
            "param.data = param.data - np.float64(self.lr) * param.grad.data.astype('d')",
            "mine.Mine: its update makes conv1/W float64 .*and it was float32",
        ),
        ("param.data = param.data[:1] * 1", r"its update makes conv1/W float32 \(1, "),
        ("exit()", r"^mine.py:\d+: this code ends the process"),
    ],
)
def test_an_optimizer_that_cannot_train_is_refused(line, told, engine, planned_with, sample):
    refusal = answer(planned_with(line, **{"engine.name": engine}), sample, 60)["refusal"]
    assert re.search(told, refusal), refusal
    assert "\n" not in refusal


def test_an_optimizer_that_can_train_passes_and_is_named_where_it_is_not_ours(planned_with, sample):
    right = planned_with("param.data -= np.float32(self.lr) * param.grad.data")
    found = answer(right, sample, 60)
    assert found["fallbacks"] == ["Mine"] and found["warnings"] == []


# =============================================================================
# What is measured
# =============================================================================
@pytest.mark.parametrize("engine", ["stock", "fast"])
def test_a_steps_arrays_and_an_epochs_time_are_measured(engine, planned, sample):
    # Of an image: 64 pixels and 100 scores before and after tanh, as float32. In passing there are
    # their gradients.
    source = own_models.net("self.out = L.Linear(100)", "return F.tanh(self.out(F.flatten(x)))")
    run = planned(source, **{"engine.name": engine})
    found = answer(run, sample, 60) | measurements(run, sample, 60)
    least = 4 * (64 + 2 * 100)
    assert least <= found["image_bytes"] < 3 * least
    assert found["epoch_s"] > 0
    assert found["n_largest"] == 64 * 100


def test_what_there_is_no_time_to_measure_is_left_out(planned, sample):
    slow = net("import time\ntime.sleep(x.shape[0] / 50)\nreturn self.out(F.flatten(x))")
    assert measurements(planned(slow), sample, 0.5) == {"fallback_shares": {}}


def test_a_net_for_batches_of_two_images_alone_is_refused(planned, sample):
    source = net("return self.out(F.reshape(x, (2, 64)) if x.shape[0] > 1 else F.flatten(x))")
    assert "refusal" not in answer(planned(source), sample, 60)
    refusal = measurements(planned(source), sample, 60)["refusal"]
    assert refusal.startswith(own_models.line_of(source, "return self.out"))


def test_what_may_be_meant_so_is_a_warning(planned, sample):
    frozen = net("return self.out(F.flatten(x))", "self.old = L.Linear(3, in_size=4)")
    (warning,) = answer(planned(frozen), sample, 60)["warnings"]
    assert "no gradient reaches fc1/W, fc1/b, old/W, old/b" in warning

    wide = own_models.net("self.out = L.Linear(1000)")
    (warning,) = answer(planned(wide), sample, 60)["warnings"]
    assert "1000 classes, and the data have 10" in warning


# =============================================================================
# In a process of its own
# =============================================================================
def test_the_process_tells_what_it_found_of_each_cell(planned, sample, capfd):
    source = own_models.OWN_AVERAGES.replace("super()", "print('hello'); super()")
    cells = [(planned(source, **{"engine.name": name}), sample) for name in ("stock", "fast")]
    stock, fast = own_code.check_all(cells)
    assert stock.n_parameters == fast.n_parameters
    assert stock.fallbacks == [] and fast.fallbacks == ["Sub"]
    assert capfd.readouterr() == ("", "")


def test_a_mistake_is_told_once_for_all_cells_that_have_it(planned, sample):
    source, text, _ = MISTAKES["no flatten"]
    cells = [(planned(source), sample)] * 3
    with pytest.raises(ModelError) as refused:
        own_code.check_all(cells)
    (line,) = str(refused.value).splitlines()
    assert line.startswith(own_models.line_of(source, text))
    assert line.endswith("(model=own and 2 more)")


def test_a_model_that_hangs_is_told_by_the_line_where_it_does(planned, sample):
    source = net("while True:\n    pass")
    began = time.monotonic()
    with pytest.raises(ModelError, match="not through a step on two images after 2 s"):
        own_code.check_all([(planned(source), sample)], limit_s=2)
    assert time.monotonic() - began < 60


def test_a_process_that_dies_is_told_by_how(planned, sample):
    source = net("import os, sys\nprint('so long', file=sys.stderr, flush=True)\nos._exit(7)")
    with pytest.raises(ModelError, match=r"the process ended \(exit code 7: so long\)"):
        own_code.check_all([(planned(source), sample)])
    source = net("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)")
    with pytest.raises(ModelError, match=r"the process ended \(signal SIGSEGV\)"):
        own_code.check_all([(planned(source), sample)])


def test_a_sample_of_any_shape_is_taken(planned):
    points = Sample(np.zeros((2, 2), np.float32), np.zeros(2, np.uint8), 1.0, 3, 50, 10)
    source = net("return self.three(self.fc1(x))", "self.three = L.Linear(3)")
    found = answer(planned(source), points, 60)
    assert "refusal" not in found, found
