"""A model of one's own on a GPU: dropout by DeZero's function has the masks of the CPU."""

import own_models
import pytest
from gpu_runs import assert_close, records_of

pytestmark = pytest.mark.gpu


def test_epochs_with_dropout_of_dezeros_are_those_of_the_cpu(gpu_run, tmp_path, monkeypatch):
    kind = own_models.define(own_models.OF_PARTS, tmp_path, monkeypatch)
    on_gpu, on_cpu = (records_of(gpu_run(on, kind=kind)) for on in ("gpu", "cpu"))
    assert_close(on_gpu, on_cpu)
    assert all(record.test_masked_loss != record.test_loss for record in on_gpu)
