"""A sweep with metrics of the user's own, from the file that names them to the claim about them."""

import numpy as np
import pytest
from commands import environment, lines, run, stored

from analysis.decide.study import study
from analysis.decide.verdicts import SUPPORTED
from analysis.read import runs
from runner.record import METRICS
from runner.state.root import Root

pytest_plugins = "roots"

SWEEP = """\
# @package _global_
hydra:
  sweeper:
    params:
      model.channels: "1,8"
      seed: "0,1,2,3"
metrics:
  test/macro: mine.macro
  train_eval/recall: runner.metrics.recall
claims:
  more_channels_help:
    says: Eight channels classify the average class better than one
    knob: model.channels
    levels: [8, 1]
    metric: auc(test/macro)
    direction: greater
    margin: 0.0
"""
MINE = """\
import numpy as np
from pathlib import Path

def macro(scores, labels):
    predicted = scores.argmax(axis=1)
    return np.mean([np.mean(predicted[labels == label] == label) for label in range(10)])

def third_fails(scores, labels, called=[]):
    called.append(1)  # twice after the first epoch
    return 1.0 if len(called) < 4 else float("nan")
"""
HOW = ("data=digits", "model.hidden_size=16", "train.epochs=3", "runner.workers=1")


@pytest.fixture
def study_folder(root):
    """A folder with a module and a sweep of one's own; a command that is typed there."""
    folder = root.parent / "study"
    (folder / "conf" / "sweeps").mkdir(parents=True)
    (folder / "mine.py").write_text(MINE)
    (folder / "conf" / "sweeps" / "mine.yaml").write_text(SWEEP)

    def type_(*words, code=0):
        words = ("--config-dir", str(folder / "conf"), *words, *HOW)
        env = environment(PYTHONPATH=str(folder))
        return run(root, *words, code=code, cwd=folder, env=env)

    type_.folder = folder
    return type_


def test_metrics_are_recorded_at_every_epoch_and_a_claim_about_one_is_decided(study_folder, root):
    ended = study_folder("-m", "sweeps=mine")
    assert "test/macro" in ended.out, "a column of the table"
    journaled = lines(root, "epoch")
    assert len(journaled) == 8
    recalls = [f"train_eval/recall/{label}" for label in range(10)]
    for epochs in journaled.values():
        assert [list(line["metrics"]) for line in epochs] == [
            [*METRICS, "test/macro", *recalls]
        ] * 3
    (data,) = Root(root).data.iterdir()
    labels = np.load(data / "test_labels.npy")
    for stored_run in stored(Root(root).database):
        artifacts = Root(root).artifacts / stored_run.id / "artifacts"
        predicted = np.load(artifacts / "test_predicted.npy")
        of_classes = [np.mean(predicted[labels == label] == label) for label in range(10)]
        told = {name: value for name, epoch, value, _ in stored_run.rows if epoch == 3}
        assert told["test/macro"] == pytest.approx(np.mean(of_classes), rel=1e-12)
        assert stored_run.params["metrics"].startswith('{"test/macro": "mine.macro"')

    decided = study(runs.read(runs.local_uri(root)), runs.correct)
    (decision,) = decided.decisions
    assert decision.verdict == SUPPORTED and decision.bounds.interval.n == 4
    epochs = decided.sweep.epochs.merge(
        decided.sweep.runs[["seed", "model.channels"]], left_on="run_key", right_index=True
    )
    means = epochs.groupby(["model.channels", "seed"])["test/macro"].mean()
    assert np.allclose(decision.per_seed, means.loc[8] - means.loc[1], rtol=0, atol=1e-12)

    again = study_folder("-m", "sweeps=mine")
    assert "8 of 8 already trained" in again.out
    without = study_folder("model.channels=1", "seed=0")
    assert "already trained" not in without.out, "a run without metrics is another run"


@pytest.mark.long
def test_a_metric_that_fails_fails_its_run_by_name_and_keeps_the_epochs_before(study_folder, root):
    file = study_folder.folder / "conf" / "sweeps" / "mine.yaml"
    file.write_text(SWEEP.replace("mine.macro", "mine.third_fails").replace('"0,1,2,3"', '"0"'))
    ended = study_folder("-m", "sweeps=mine", code=1)
    assert (
        "failed: channels=1 seed=0: metric test/macro (mine.third_fails): returned nan" in ended.err
    )
    causes = [end["cause"] for ends in lines(root, "end").values() for end in ends]
    assert causes == ["metric test/macro (mine.third_fails): returned nan"] * 2
    assert sorted(map(len, lines(root, "epoch").values())) == [0, 2]


def test_a_metric_that_is_not_there_is_refused_before_anything_is_written(study_folder, root):
    file = study_folder.folder / "conf" / "sweeps" / "mine.yaml"
    file.write_text(SWEEP.replace("mine.macro", "mine.macor"))
    ended = study_folder("-m", "sweeps=mine", code=2)
    assert ended.err.strip().endswith(
        "metric test/macro (mine.macor): the module mine has no macor; did you mean macro?"
    )
    assert not (root / "state").exists()
