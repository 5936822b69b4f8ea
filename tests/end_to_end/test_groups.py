"""Whole groups as factors: real sweeps whose claims about them are decided."""

import re

import pytest
from commands import plan_of, run
from test_analysis import analyse

pytest_plugins = "roots"

MINE = """
from runner import F, L, Model

class Net(Model):
    def __init__(self, width=6, activation="relu", taps=None):
        super().__init__()
        self.activation = {"relu": F.relu, "tanh": F.tanh}[activation]
        self.hidden, self.out = L.Linear(width), L.Linear(10)

    def forward(self, x):
        return self.out(self.activation(self.hidden(F.reshape(x, (len(x), -1)))))
"""
#: A verdict of a claim that was tested.
DECIDED = r"^(?!NOT TESTABLE)[A-Z ]+(?: on [^:]+)?: {} changes test accuracy"


def assert_decided(printed, *compared):
    for text in compared:
        assert re.search(DECIDED.format(re.escape(text)), printed, re.MULTILINE), printed


def test_a_model_and_an_optimizer_are_factors_of_a_full_grid(root):
    run(root, "-m", "model=cnn,mlp", "optimizer=adam,sgd", "data=digits", "seed=0,1,2",
        "train.epochs=1", "model.hidden_size=16", "progress=false")  # fmt: skip
    printed = analyse(root)
    assert_decided(printed, "model=mlp", "optimizer=sgd")
    assert "with it move model.kind cnn -> mlp, model.channels 30 -> none." in printed
    moved = "with it move optimizer.name adam -> sgd, optimizer.lr 0.001 -> 0.01, optimizer.beta1"
    assert f"{moved} 0.9 -> none" in printed
    assert "at optimizer=adam" in printed and "at model=cnn" in printed
    under = printed[printed.index("Under: ") :]
    assert "model.hidden_size=16" in under
    assert not re.search(r"optimizer\.(name|lr)=|model\.(kind|channels)=", under)


@pytest.mark.long
def test_two_data_sets_are_compared_and_another_knob_at_each_of_them(root):
    run(root, "-m", "data=digits,mnist5k", "model.fc_depth=0,1", "seed=0,1", "train.epochs=1",
        "model=mlp", "model.hidden_size=8", "progress=false")  # fmt: skip
    printed = analyse(root)
    assert_decided(printed, "data=mnist5k", "fc_depth=1")
    assert "The two sides are trained and tested on data of their own." in printed
    assert "at data=digits" in printed


@pytest.mark.long
@pytest.mark.parametrize("swept", ["model=narrow,wide", "model.width=4,6"])
def test_models_of_ones_own_are_factors_by_the_names_of_their_files(root, swept):
    folder = root.parent / "study"
    (folder / "conf" / "model").mkdir(parents=True)
    (folder / "mine.py").write_text(MINE)
    for name, knobs in (
        ("narrow", "width: 6\nactivation: relu\ntaps: null\n"),
        ("wide", "width: 24\nactivation: tanh\ntaps: [1, 2]\n"),
    ):
        (folder / "conf" / "model" / f"{name}.yaml").write_text(f"_target_: mine.Net\n{knobs}")
    words = [swept, *([] if swept.startswith("model=") else ["model=narrow"])]
    run(root, "-m", *words, "data=digits", "seed=0,1,2", "train.epochs=2", "progress=false",
        cwd=folder)  # fmt: skip
    assert len(plan_of(root)["runs"]) == 6
    printed = analyse(root)
    if swept.startswith("model="):
        assert_decided(printed, "model=wide")
        moved = "model.width 6 -> 24, model.activation relu -> tanh, model.taps null -> [1,2]."
        assert f"model=wide against model=narrow: with it move {moved}" in printed
        assert "model.kind=Net" in printed
    else:
        assert_decided(printed, "width=6")
        assert "model.activation=relu" in printed
