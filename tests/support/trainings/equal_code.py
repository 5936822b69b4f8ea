"""What version 1 computed for a handful of runs, and the same runs trained by this code.

Bits may differ between families of processors and between versions of what computes. There,
metrics are compared to 1e-5, and the test says so. tests/plan/equal_code.json names the commit of
version 1.
"""

import hashlib
import json
import subprocess
from importlib.metadata import version

import numpy as np
import pytest
from hydra import compose
from places import TESTS

from runner.config.checks import checked
from runner.data import loading
from runner.plan.planned import planned_run
from runner.record import TIMES

RECORDED = json.loads((TESTS / "plan" / "equal_code.json").read_text(encoding="utf-8"))


def name_of(recorded):
    return " ".join(recorded["overrides"])


def planned(recorded, root, device="cpu"):
    """A recorded run, planned by this code."""
    typed = recorded["overrides"]
    if "model=mlp" in typed:  # version 1 took knobs that have no effect, too
        typed = [word for word in typed if not word.startswith("model.channels=")]
    config = checked(compose("config", typed))
    dataset, _ = loading.prepare(config.data["name"], root.data)
    return planned_run(config, {}, dataset.name, dataset.sha256, device)


def assert_equal(run, root, recorded, capsys):
    """Train the run; its weights and metrics are those that were recorded."""
    weights, metrics = _trained(run, root)
    if other := _differences(run.device):
        with capsys.disabled():
            print(f"\ncompared to 1e-5, not bit for bit: recorded with {'; '.join(other)}")
        assert len(metrics) == len(recorded["metrics"])
        for epoch, expected in zip(metrics, recorded["metrics"], strict=True):
            assert epoch == pytest.approx(expected, rel=1e-5)
        return
    assert metrics == recorded["metrics"]
    assert _sha256(weights) == recorded["weights_sha256"]


def _trained(run, root):
    """The run's weights by name, and each epoch's metrics but for times."""
    from runner.state.run_record import read_run
    from runner.train.run import train_run

    folder = root.run(run.run_key)
    with folder.locked():
        records = [record for record in train_run(run, root, "1-test") if record is not None]
    metrics = [
        {name: value for name, value in r.metrics().items() if name not in TIMES} for r in records
    ]
    attempt = folder.attempt(read_run(folder).attempt)
    with np.load(attempt.weights) as weights:
        return dict(weights), metrics


def _sha256(weights):
    """Of names, types, shapes and bytes."""
    digest = hashlib.sha256()
    for name, array in sorted(weights.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _differences(device):
    """What is not as it was where version 1 was recorded, of all that bits depend on."""
    from llvmlite import binding

    there = {"cpu": RECORDED["cpu"]} | RECORDED["versions"]
    if device == "cpu":
        del there["g++"]  # it compiles the kernels of the emulated card
    here = {name: version(name) for name in there if name not in ("cpu", "g++")}
    here["cpu"] = binding.get_host_cpu_name()
    if "g++" in there:
        line = ["g++", "-dumpfullversion"]
        here["g++"] = subprocess.run(
            line, capture_output=True, text=True, check=True
        ).stdout.strip()
    return [
        f"{name} {there[name]}, here {here[name]}" for name in there if here[name] != there[name]
    ]
