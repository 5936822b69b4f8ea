"""A killed sweep of a model of one's own goes on to the same bits, and its claim is decided."""

import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass

import own_models
import pytest
from commands import end, environment, lines, results, run, start, until
from places import FAULTY

pytest_plugins = "roots"

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(sys.platform != "linux", reason="signals as Linux has them"),
]

N_RUNS = 6
SWEEP = """# @package _global_
defaults:
  - override /model: mine
  - override /data: digits

hydra:
  sweeper:
    params:
      model.{knob}: "{fewer},{more}"
      seed: "0,1,2"

optimizer: {{lr: 0.01}}
data: {{n_train: 500}}
train: {{epochs: 4, batch_size: 25}}
runner: {{checkpoint_every_s: 0, workers: 1}}

claims:
  more_learn_faster:
    says: More units learn faster
    knob: model.{knob}
    levels: [{more}, {fewer}]
    metric: auc(train_eval/accuracy)
    direction: greater
    margin: 0.01
"""


@dataclass
class Study:
    """A module of the user's, the class in it, and the knob that its sweep varies."""

    module: str
    kind: str
    knob: str
    levels: tuple[int, int]


STUDIES = {
    "LSTM": Study(own_models.example("lstm_over_rows"), "RowReader", "hidden_size", (4, 32)),
    "residual": Study(own_models.module(own_models.RESIDUAL), "Net", "channels", (1, 8)),
    "published": Study(
        own_models.example("published_script"), "SimpleConvNet", "channels", (1, 30)
    ),
}


@pytest.fixture(params=STUDIES)
def folder(request, tmp_path):
    study, folder = STUDIES[request.param], tmp_path / "my-study"
    fewer, more = study.levels
    for path, text in {
        "mine.py": study.module,
        "conf/model/mine.yaml": f"_target_: mine.{study.kind}\n{study.knob}: {more}\n",
        "sweeps/sizes.yaml": SWEEP.format(knob=study.knob, fewer=fewer, more=more),
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def verdicts(root):
    """What the claim has earned."""
    line = [sys.executable, "-m", "analysis", "--details", "--root", root, "--out", root / "report"]
    ended = subprocess.run(
        line, env=environment(), capture_output=True, text=True, check=True, timeout=90
    )
    return re.findall(r"^([A-Z ]+).*: More units learn faster", ended.stdout, re.MULTILINE)


def test_a_killed_sweep_of_ones_own_goes_on_to_the_same_bits_and_to_a_verdict(folder, new_root):
    words = ("-m", "sweeps=sizes", "progress=false")
    whole, root = new_root("whole"), new_root("killed")
    run(whole, *words, cwd=folder)

    slowly = environment(PYTHONPATH=FAULTY, EPOCH_SLEEP="0.5")
    process = start(root, *words, cwd=folder, env=slowly)
    checkpoint, *_ = until(lambda: list((root / "state").glob("*/attempts/*/checkpoint")))
    key = checkpoint.parents[2].name
    (started,) = lines(root, "start")[key]
    os.kill(started["pid"], signal.SIGKILL)
    ended = end(process, 1)
    assert f"its worker died (process {started['pid']}, SIGKILL(-9)" in ended.err
    assert f"1 of {N_RUNS} runs failed, the others are stored" in ended.err

    assert f"{N_RUNS - 1} of {N_RUNS} already trained" in run(root, *words, cwd=folder).out
    assert [setup["goes_on_from_epoch"] > 1 for setup in lines(root, "setup")[key]] == [False, True]
    assert len(results(root)) == N_RUNS and results(root) == results(whole)
    assert verdicts(root) == ["SUPPORTED"]
