"""Designs as a user types them, in a folder of one's own: from the command to the answers."""

import subprocess
import sys

import pytest
from typed import assert_one_line, quoted, run_in

pytestmark = pytest.mark.long

PAIRS = """\
# @package _global_
defaults:
  - override /data: digits
sweep:
  cells:
    - {model.channels: 1, model.hidden_size: 64}
    - {model.channels: 4, model.hidden_size: 64}
    - {model.channels: 4, optimizer: sgd, optimizer.lr: 0.1}
hydra:
  sweeper:
    params: {seed: "0,1,2"}
train: {epochs: 1}
claims:
  channels:
    says: More channels help
    knob: model.channels
    levels: [4, 1]
    metric: final(test/accuracy)
    direction: greater
    margin: 0.01
"""
AROUND = """\
# @package _global_
defaults:
  - override /data: digits
sweep: {design: one_at_a_time, around: {model.channels: 4}}
hydra:
  sweeper:
    params: {model.channels: "1,4", model.dropout: "true,false", seed: "0,1"}
"""
SMALL = ["data=digits", "train.epochs=1", "progress=false", "device=cpu"]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "sweeps").mkdir()
    (tmp_path / "sweeps/pairs.yaml").write_text(PAIRS)
    (tmp_path / "sweeps/around.yaml").write_text(AROUND)
    return tmp_path


def answers(folder):
    done = subprocess.run(
        [sys.executable, "-m", "analysis", "--root", folder],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return " ".join(done.stdout.split())


def test_cells_of_a_file_are_trained_and_compared(folder):
    root = f"runner.root={quoted(folder)}"
    code, out, _ = run_in(folder, "-m", "sweeps=pairs", "progress=false", "device=cpu", root)
    assert code == 0
    assert "): 3 cells x 3 seeds = 9 runs\n  3 cells that the sweep's file lists" in out
    said = answers(folder)
    assert "Its cells are those that its file lists" in said
    assert "CANNOT SAY" not in said


def test_a_fraction_is_trained_and_answered(folder):
    root = f"runner.root={quoted(folder)}"
    knobs = ["model.channels=1,2", "model.dropout=true,false", "model.hidden_size=8,16"]
    knobs += ["optimizer.lr=0.001,0.002", "seed=0,1,2", "sweep.design=fraction"]
    code, out, _ = run_in(folder, "-m", *SMALL, *knobs, root)
    assert code == 0
    assert "8 cells x 3 seeds = 24 runs\n  a fraction of resolution 4: 8 of 16 cells" in out
    said = answers(folder)
    assert "Its 8 cells are a fraction of the grid" in said
    assert "aliased" not in said
    # Resolution 3 has half of these runs, and takes their effects for those of pairs.
    code, out, _ = run_in(
        folder, "-m", *SMALL, *knobs[:3], "seed=0,1,2", "sweep.design=fraction",
        "sweep.resolution=3", root,
    )  # fmt: skip
    assert code == 0
    said = answers(folder)
    assert "CANNOT SAY" in said and "is aliased with" in said


def test_a_base_that_the_file_gives_is_changed_there(folder):
    asked = ["-m", "sweeps=around", "plan=true", f"runner.root={quoted(folder)}"]
    code, out, _ = run_in(folder, *asked)
    assert code == 0 and "one at a time around channels=4 dropout=true: 3 of 4 cells" in out
    code, _, err = run_in(folder, *asked, "sweep.around={model.dropout:false}")
    assert code == 2
    assert_one_line(err, "sweep.around.model.dropout: the sweep's file gives sweep.around")
