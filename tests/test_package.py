"""`from runner import Model, F, L`: DeZero, repaired, and imported for nobody else."""

import subprocess
import sys

import pytest
from places import REPO

import runner


def printed(code):
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=REPO,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


def test_a_model_may_be_written_with_names_of_the_package():
    code = """
from runner import F, L, Model
import numpy as np
from runner.engine import dezero

class Net(Model):
    def __init__(self):
        super().__init__()
        self.out = L.Linear(3)
    def forward(self, x):
        return F.relu(self.out(x))

y = Net()(np.ones((2, 4), np.float32))
print(y.shape, y.data.dtype, (Model, F, L) == (dezero.Model, dezero.F, dezero.L))
"""
    assert printed(code) == "(2, 3) float32 True"


def test_importing_the_package_imports_nothing_else():
    assert (
        printed(
            "import runner, sys; print(any(m in sys.modules for m in ('dezero', 'numpy', 'hydra')))"
        )
        == "False"
    )


def test_defining_a_model_does_not_import_hydra():
    assert printed("from runner import Model; import sys; print('hydra' in sys.modules)") == "False"


def test_a_name_that_the_package_lacks_is_an_attribute_error():
    with pytest.raises(AttributeError, match="^module 'runner' has no attribute 'Modell'$"):
        _ = runner.Modell
    assert not hasattr(runner, "no_such_name")
