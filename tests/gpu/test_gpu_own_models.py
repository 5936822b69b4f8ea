"""A model of one's own on a GPU: dropout by DeZero's function has the masks of the CPU."""

import own_models
import pytest
from gpu_runs import assert_close, records_of

pytestmark = pytest.mark.gpu

NET = """
class Net(Model):
    def __init__(self, engine):
        super().__init__()
        self.fc1, self.out = engine.hidden("fc1", 12, None), engine.output(10)

    def forward(self, x):
        return self.out(F.dropout(self.fc1(x.reshape(len(x), -1)), 0.3))
"""


def test_epochs_with_dropout_of_dezeros_are_those_of_the_cpu(gpu_run, tmp_path, monkeypatch):
    kind = own_models.define(NET, tmp_path, monkeypatch)
    on_gpu, on_cpu = (records_of(gpu_run(on, kind=kind)) for on in ("gpu", "cpu"))
    assert_close(on_gpu, on_cpu)
    assert all(record.test_masked_loss != record.test_loss for record in on_gpu)
