"""The benchmark on a GPU: its contestants train, and its counts are right."""

import math

import numpy as np
import pytest

from benchmarks import card, contestants, nets

pytestmark = pytest.mark.gpu


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for name, n in (("train", 200), ("test", 100)):
        np.save(
            tmp_path / f"{name}_images.npy", rng.integers(0, 256, (n, 1, 28, 28)).astype(np.uint8)
        )
        np.save(tmp_path / f"{name}_labels.npy", rng.integers(0, 10, n).astype(np.uint8))
    return tmp_path


@pytest.mark.parametrize("n_runs", [1, 2])
def test_ours_trains_whole_epochs_and_its_loss_falls(n_runs, folder):
    ours = contestants.build(contestants.CARD_OURS, nets.Net(1, (8,), False), folder, n_runs)
    losses = ours.train(5)  # three epochs of two steps
    assert len(losses) == 3 and abs(losses[0] - math.log(10)) < 0.5 and losses[-1] < losses[0]
    assert 0 <= ours.evaluate(1) <= 1


def test_the_roofline_is_measured_and_counts_the_kernels_of_a_step():
    from benchmarks.contestants.floor_gpu import Roofline, n_kernels

    floor = Roofline(nets.NETS["conv1_fc100"], n_numbers=1000, side=8, n_nodes=3)
    assert min(floor.bytes_per_s, floor.operations_per_s, floor.gap_s, floor.step_s) > 0
    assert [n_kernels(nets.NETS[name]) for name in card._NETS] == [11, 16, 11, 13]


def test_a_table_says_who_did_not_run_and_why():
    rows = [
        {
            "net": "a",
            "contestant": contestants.CARD_OURS,
            "n_runs": 4,
            "step_s": [2e-5, 1e-5, 3e-5],
        },
        {
            "net": "a",
            "contestant": contestants.CARD_GRAPH,
            "n_runs": 1,
            "step_s": [],
            "failed": "no torch",
        },
    ]
    report = dict(card="a card", date="today", versions={}, rounds=3, rows=rows, main_job_s=12.34)
    text = card.markdown(report)
    assert "| engine=fast device=gpu, 4 concurrent runs | 20.0 | 10.0 to 30.0 |" in text
    assert "| PyTorch, CUDA graph | not run: no torch | |" in text and "12.3 s" in text


class Answering:
    """A contestant that takes 2 ms per step; PyTorch does not start."""

    def __init__(self, python, setting, net, folder):
        self.setting, self.asked = setting, None

    def ask(self, line):
        self.asked = int(line.split()[1])

    def answer(self):
        if "pytorch" in self.setting.contestant:
            return {"failed": "ModuleNotFoundError: torch"}
        if self.asked is None:
            return {"first_loss": 2.3, "last_loss": 2.2}
        return {"seconds": 2e-3 * self.asked, "last_loss": 0.1}

    def close(self):
        pass


def test_each_is_asked_in_every_round_and_concurrent_runs_share_the_time(folder, monkeypatch):
    monkeypatch.setattr(card, "Worker", Answering)
    monkeypatch.setattr(card, "roofline", lambda net: {"contestant": contestants.CARD_FLOOR})
    *rows, floor = card.measured("conv1_fc100", folder, "python", rounds=2)
    assert floor["contestant"] == contestants.CARD_FLOOR and len(rows) == 13
    for row in rows:
        missing = "pytorch" in row["contestant"]
        assert row["step_s"] == ([] if missing else pytest.approx([2e-3 / row["n_runs"]] * 2))
        assert ("failed" in row) is missing
