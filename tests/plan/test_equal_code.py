"""The code of today computes the numbers of version 1, bit for bit: what `fingerprint.EQUAL` rests on.

equal_code.json holds what version 1 (its commit is in the file) computed for a handful of runs: hashes of
weights, and metrics. Bits may differ between families of processors and between versions of NumPy and
Numba; there, metrics are compared to 1e-5, and the test says so.
"""

import hashlib
import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from hydra import compose

from runner.config.checks import checked
from runner.data import loading
from runner.plan import fingerprint
from runner.plan.plan import planned_run
from runner.record import CODE_OF_VERSION_1, TIMES
from runner.state.root import Root

pytest_plugins = "composing"

RECORDED = json.loads(Path(__file__).with_name("equal_code.json").read_text(encoding="utf-8"))


def planned(overrides, root):
    config = checked(compose("config", overrides))
    dataset, _ = loading.prepare(config.data.name, root.data)
    return planned_run(config, {}, dataset.name, dataset.sha256, "cpu")


def trained(run, root):
    """The run's weights by name, and its metrics by epoch."""
    from runner.train.run import train_run

    folder = root.run(run.run_key)
    with folder.locked():
        records = [record for record in train_run(run, root, "1-test") if record is not None]
    with np.load(folder.weights) as weights:
        return dict(weights), [record.metrics() for record in records]


def sha256_of(weights):
    """Of names, types, shapes and bytes."""
    digest = hashlib.sha256()
    for name, array in sorted(weights.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def differences():
    """What is not as it was where version 1 was recorded, of all that bits depend on."""
    from llvmlite import binding

    here = {"cpu": binding.get_host_cpu_name()} | {name: version(name) for name in RECORDED["versions"]}
    there = {"cpu": RECORDED["cpu"]} | RECORDED["versions"]
    return [f"{name} {there[name]}, here {here[name]}" for name in there if here[name] != there[name]]


@pytest.mark.parametrize("recorded", RECORDED["runs"], ids=lambda recorded: " ".join(recorded["overrides"]))
def test_a_run_has_the_weights_and_the_metrics_of_version_1(recorded, hydra_is_started, tmp_path, capsys):
    weights, metrics = trained(planned(recorded["overrides"], Root(tmp_path)), Root(tmp_path))
    found = [{name: value for name, value in epoch.items() if name not in TIMES} for epoch in metrics]
    if other := differences():
        with capsys.disabled():
            print(f"\ncompared to 1e-5, not bit for bit: recorded with {'; '.join(other)}")
        assert len(found) == len(recorded["metrics"])
        for epoch, expected in zip(found, recorded["metrics"], strict=True):
            assert epoch == pytest.approx(expected, rel=1e-5)
        return
    assert found == recorded["metrics"]
    assert sha256_of(weights) == recorded["weights_sha256"]


@pytest.mark.parametrize("recorded", RECORDED["runs"], ids=lambda recorded: " ".join(recorded["overrides"]))
def test_a_run_of_code_that_equals_version_1_has_the_key_of_version_1(
    recorded, hydra_is_started, tmp_path, monkeypatch
):
    monkeypatch.setattr(fingerprint, "code_name", lambda device: CODE_OF_VERSION_1)
    run = planned(recorded["overrides"], Root(tmp_path))
    assert (run.run_key, run.code) == (recorded["run_key"], CODE_OF_VERSION_1)
