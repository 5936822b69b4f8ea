"""A Slurm of three nodes, and the local sweep that each scenario has to equal, bit for bit."""

import shutil
import time

import pytest
import scenarios
import slurms
from commands import end, results, start
from slurms import SWEEP

from runner.state.root import Root


@pytest.fixture(scope="session")
def slurm(tmp_path_factory):
    if why := slurms.install():
        pytest.skip(f"{why} (as root, this installs {' and '.join(slurms.PACKAGES)})")
    cluster = slurms.Slurm(tmp_path_factory.mktemp("slurm"))
    try:
        cluster.begin()
        yield cluster
    finally:
        cluster.end()


@pytest.fixture(scope="session")
def local(tmp_path_factory, empty_store):
    """What the sweep comes to on this machine alone."""
    root = tmp_path_factory.mktemp("local")
    shutil.copy(empty_store, Root(root).database)
    end(start(root, *SWEEP, "runner.workers=2"), 0, timeout=300)
    return results(root)


@pytest.fixture
def scenario(request, local):
    """Call with a root that must equal the local sweep's; a row of the table, equal or not."""
    began = time.monotonic()
    row = scenarios.begun(request.node.name.removeprefix("test_").replace("_", " "))

    def compare(root):
        assert results(root) == local
        row.equal = "yes"

    yield compare
    row.seconds = time.monotonic() - began
