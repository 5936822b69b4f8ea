"""A store that the real MLflow 2.22 made."""

import shutil
import subprocess
import sys

import pytest
from commands import environment
from old_stores import MAKE, python

from runner.state.root import Root


@pytest.fixture(scope="session")
def store_of_2_22(tmp_path_factory):
    """Made in an environment of its own, with MLflow 2.22 from the package index."""
    folder = tmp_path_factory.mktemp("mlflow 2.22")
    its_python, made = folder / "venv" / "bin" / "python", folder / "mlflow.db"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    # Without pandas and the like, which its client does not need. SQLAlchemy 2.1 is younger.
    packages = ("mlflow-skinny==2.22.*", "sqlalchemy<2.1", "alembic")
    pip = python("-m", "pip", "--python", its_python, "install", "--quiet", *packages)
    if pip.returncode:
        pytest.skip(f"pip cannot install MLflow 2.22 here: {pip.stderr.strip().splitlines()[-1]}")
    line = [its_python, "-c", MAKE, f"sqlite:///{made}"]
    subprocess.run(line, check=True, env=environment(), capture_output=True, timeout=120)
    return made


@pytest.fixture
def old_root(tmp_path, store_of_2_22):
    root = tmp_path / "root"
    (root / "state").mkdir(parents=True)
    shutil.copy(store_of_2_22, Root(root).database)
    return root
