"""A model of the user's own in a folder of their own: swept, recorded, and trained once."""

import subprocess
import sys
from pathlib import Path

import pytest
from commands import environment, plan_of, stored
from typed import assert_one_line

from runner.state.root import Root

MINE = '''
from runner import F, L, Model


class LeNet(Model):
    """Two layers."""

    def __init__(self, width=6, activation="relu"):
        super().__init__()
        self.hidden, self.out = L.Linear(width), L.Linear(10)
        self.activation = {"relu": F.relu, "tanh": F.tanh}[activation]

    def forward(self, x):
        x = F.flatten(x)  # a comment
        return self.out(self.activation(self.hidden(x)))
'''
LENET = "_target_: mine.LeNet\nwidth: 6\nactivation: relu\n"
SWEEP = """# @package _global_
hydra:
  sweeper:
    params:
      model: lenet
      model.width: "4,6"
      data: digits
      train.epochs: "1"
      seed: "0,1"
claims:
  wider_is_better:
    says: Six units are better than four
    knob: model.width
    levels: [6, 4]
    metric: final(test/accuracy)
    direction: greater
    margin: 0.002
"""
TYPED = ["-m", "model=lenet", "model.width=4,6", "model.activation=relu,tanh", "data=digits",
         "seed=0,1", "train.epochs=1", "progress=false"]  # fmt: skip
SCRIPT = [str(Path(sys.executable).with_name("ablation-runner"))]
MODULE = [sys.executable, "-m", "runner"]
COMMANDS = pytest.mark.parametrize(
    "command", [SCRIPT, pytest.param(MODULE, marks=pytest.mark.long)], ids=["script", "module"]
)


@pytest.fixture
def study(tmp_path):
    folder = tmp_path / "my-study"
    (folder / "conf" / "model").mkdir(parents=True)
    (folder / "sweeps").mkdir()
    (folder / "mine.py").write_text(MINE)
    (folder / "conf" / "model" / "lenet.yaml").write_text(LENET)
    (folder / "sweeps" / "mine.yaml").write_text(SWEEP)
    return folder


def typed(folder, command, *words, code=0):
    """Type a command in the folder; its output and errors."""
    ended = subprocess.run(
        [*command, *words], cwd=folder, env=environment(), capture_output=True, text=True,
        timeout=200,
    )  # fmt: skip
    assert ended.returncode == code, f"{words}\n{ended.stdout}\n{ended.stderr}"
    return ended


def said(folder, command, words):
    ended = typed(folder, command, *words)
    return ended.stdout + ended.stderr


def place(folder):
    return f"runner.root='{folder / 'out'}'"


def params_of(root):
    """The parameters of each run that the store has."""
    return [run.params for run in stored(Root(root).database)]


@COMMANDS
def test_a_model_of_ones_own_is_swept_by_its_arguments_and_trained_once(command, study):
    words = [*TYPED, place(study)]
    typed(study, command, *words)
    params = params_of(study / "out")
    assert {p["model.kind"] for p in params} == {"LeNet"}
    cells = [(p["model.width"], p["model.activation"], p["seed"]) for p in params]
    assert sorted(cells) == sorted(
        (w, a, s) for w in ("4", "6") for a in ("relu", "tanh") for s in ("0", "1")
    )
    assert all("model.channels" not in p and "model._target_" not in p for p in params)
    plan = plan_of(study / "out")
    assert {run["config"]["model"]["_target_"] for run in plan["runs"]} == {"mine.LeNet"}
    assert "8 of 8 already trained" in said(study, command, words)
    (study / "mine.py").write_text(MINE.replace("# a comment", "# another\n"))
    assert "8 of 8 already trained" in said(study, command, words)
    (study / "mine.py").write_text(MINE.replace("L.Linear(width)", "L.Linear(2 * width)"))
    assert "0 of 8 already trained" in said(study, command, words)
    assert len(params_of(study / "out")) == 16


@pytest.mark.long
def test_a_sweep_of_ones_own_is_found_and_an_edit_of_the_yaml_is_another_run(study):
    for name in ("progress", "device", "plan"):  # folders of the user's that are named as values
        (study / name).mkdir()
    typed(study, MODULE, "-m", "sweeps=mine", place(study), "progress=false", "device=cpu")
    assert len(params_of(study / "out")) == 4
    plan = plan_of(study / "out")
    assert (plan["name"], list(plan["claims"])) == ("mine", ["wider_is_better"])
    (study / "conf/model/lenet.yaml").write_text(LENET.replace("relu", "tanh"))
    typed(study, MODULE, "-m", "sweeps=mine", place(study), "progress=false")
    assert len(params_of(study / "out")) == 8


@pytest.mark.long
def test_what_was_trained_is_read_where_the_module_is_not_there_any_more(study):
    typed(study, MODULE, "-m", "sweeps=mine", place(study), "progress=false")
    (study / "mine.py").unlink()
    for words in (["runner.status"], ["runner.sync"], ["analysis"]):
        out = ["--out", str(study / "report")] if words == ["analysis"] else []
        ended = typed(study, [sys.executable, "-m"], *words, "--root", str(study / "out"), *out)
        assert "Traceback" not in ended.stderr
    refused = typed(study, MODULE, "-m", "sweeps=mine", place(study), code=2)
    assert_one_line(refused.stderr, "model._target_=mine.LeNet: there is no module mine")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["model.widht=3"], "model.widht: mine.LeNet (mine.py, line 5) has no widht; did you mean"),
        (["model.channels=3"], "has no channels"),
        (["model._target_=os.system"], "_target_ is given in a file of conf/"),
        (["model.kind=cnn"], "choose a file of conf/model/"),
    ],
)
@COMMANDS
def test_a_knob_that_a_model_of_ones_own_does_not_have_is_refused_before_anything_is_written(
    command, words, expected, study
):
    before = {path for path in study.rglob("*") if "__pycache__" not in path.parts}
    refused = typed(study, command, "model=lenet", *words, "data=digits", place(study), code=2)
    assert_one_line(refused.stderr, expected)
    assert {path for path in study.rglob("*") if "__pycache__" not in path.parts} == before


@pytest.mark.parametrize("name", ["conf/model/cnn", "conf/data/digits", "sweeps/smoke"])
def test_a_file_with_the_name_of_one_that_ships_is_refused(name, study):
    file = study / f"{name}.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(LENET)
    refused = typed(study, MODULE, "data=digits", place(study), code=2)
    assert_one_line(refused.stderr, f"{name}.yaml: ", "ships already; give yours another name")


def test_the_help_names_the_files_of_the_folder(study):
    printed = typed(study, SCRIPT, "--help").stdout
    assert "\n  model=cnn | lenet | mlp\n" in printed and "| mine |" in printed
