"""Roots for the end-to-end tests: a pytest plugin, named by each module that uses it."""

import shutil
from types import SimpleNamespace

import pytest
from commands import MAIN, make_store, run
from servers import Server

from runner.state.root import Root


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory):
    """An empty MLflow store: making one takes five seconds, copying it none."""
    folder = tmp_path_factory.mktemp("empty")
    make_store(folder)
    return Root(folder).database


@pytest.fixture
def new_root(tmp_path, empty_store):
    """Call for a root with an empty store; with `state`, one with another root's runs."""

    def make(name="root", state=None):
        root = tmp_path / name
        root.mkdir()
        shutil.copy(empty_store, Root(root).database)
        if state is not None:
            shutil.copytree(state / "state", root / "state")
        return root

    return make


@pytest.fixture
def root(new_root):
    return new_root()


@pytest.fixture(scope="session")
def main_job(tmp_path_factory, empty_store):
    """A small main job, trained by two workers; no test may change its root."""
    root = tmp_path_factory.mktemp("main_job")
    shutil.copy(empty_store, Root(root).database)
    ended = run(root, "-m", *MAIN, "seed=0,1", "runner.workers=2")
    return SimpleNamespace(root=root, out=ended.out, err=ended.err)


@pytest.fixture
def server(tmp_path, empty_store):
    """A loopback MLflow server that can be started, killed and started again."""
    folder = tmp_path / "server"
    folder.mkdir()
    shutil.copy(empty_store, folder / "mlflow.db")
    server = Server(
        folder / "mlflow.db", folder / "log", ["--artifacts-destination", folder / "artifacts"]
    )
    server.begin()
    yield server
    server.kill()
