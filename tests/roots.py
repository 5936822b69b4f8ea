"""Roots for the end-to-end tests: a pytest plugin, named by each module that uses it."""

import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest
from commands import MAIN, environment, run

from runner import store


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory):
    """An MLflow store with nothing in it: making one takes five seconds, copying it none."""
    folder = tmp_path_factory.mktemp("empty")
    line = "import sys; from pathlib import Path; from runner import store; store.connect(None, Path(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", line, folder], check=True, env=environment(), timeout=90)
    return store.database(folder)


@pytest.fixture
def new_root(tmp_path, empty_store):
    """Call for a root with an empty store; with `state`, one where all of another root is trained."""

    def make(name="root", state=None):
        root = tmp_path / name
        root.mkdir()
        shutil.copy(empty_store, store.database(root))
        if state is not None:
            shutil.copytree(state / "state", root / "state")
        return root

    return make


@pytest.fixture
def root(new_root):
    return new_root()


@pytest.fixture(scope="session")
def main_job(tmp_path_factory, empty_store):
    """The main job in small, trained by two workers; nobody may change its root."""
    root = tmp_path_factory.mktemp("main_job")
    shutil.copy(empty_store, store.database(root))
    ended = run(root, "-m", *MAIN, "seed=0,1", "runner.workers=2")
    return SimpleNamespace(root=root, out=ended.out, err=ended.err)
