"""On the emulated card (`make test-card`) this code computes the numbers of version 1."""

import os

import pytest
from equal_code import RECORDED, assert_equal, name_of, planned

from runner.plan import fingerprint
from runner.record import CODE_OF_VERSION_1
from runner.state.root import Root

pytest_plugins = "composing"
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.usefixtures("hydra_is_started"),
    pytest.mark.skipif(
        "emulated" not in os.environ.get("PYTHONPATH", ""),
        reason="version 1 was recorded on the emulated card, and a real one rounds otherwise",
    ),
]
RUNS = RECORDED["runs_on_the_emulated_card"]


@pytest.mark.parametrize("recorded", RUNS, ids=name_of)
def test_a_run_has_the_weights_and_the_metrics_of_version_1(
    recorded, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(fingerprint, "code_name", lambda device: CODE_OF_VERSION_1)
    root = Root(tmp_path)
    run = planned(recorded, root, device="gpu")
    assert run.run_key == recorded["run_key"]
    assert_equal(run, root, recorded, capsys)
