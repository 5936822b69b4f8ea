"""The code of today computes the numbers of version 1, bit for bit, under the keys of version 1.

`fingerprint.EQUAL` rests on this for the CPU, and on tests/gpu/test_gpu_equal_code.py for a GPU.
"""

import pytest
from equal_code import RECORDED, assert_equal, name_of, planned

from runner.plan import fingerprint
from runner.record import CODE_OF_VERSION_1
from runner.state.root import Root

pytest_plugins = "composing"
pytestmark = pytest.mark.usefixtures("hydra_is_started")


@pytest.mark.parametrize("recorded", RECORDED["runs"], ids=name_of)
def test_a_run_has_the_weights_and_the_metrics_of_version_1(recorded, tmp_path, capsys):
    root = Root(tmp_path)
    assert_equal(planned(recorded, root), root, recorded, capsys)


@pytest.mark.parametrize("recorded", RECORDED["runs"], ids=name_of)
def test_a_run_of_code_that_equals_version_1_has_the_key_of_version_1(
    recorded, tmp_path, monkeypatch
):
    monkeypatch.setattr(fingerprint, "code_name", lambda device: CODE_OF_VERSION_1)
    run = planned(recorded, Root(tmp_path))
    assert (run.run_key, run.code) == (recorded["run_key"], CODE_OF_VERSION_1)
