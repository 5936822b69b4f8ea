"""A Slurm of three nodes, the local sweep that all has to equal, and the table of scenarios."""

import shutil
import time
from types import SimpleNamespace

import pytest
import slurms
from commands import end, results, start
from slurms import SWEEP

from runner.state.root import Root

TABLE = pytest.StashKey[list]()


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
    began, row = time.monotonic(), SimpleNamespace(name=request.node.name, equal="not reached")
    request.config.stash.setdefault(TABLE, []).append(row)

    def compare(root):
        row.equal = "yes" if results(root) == local else "NO"
        assert row.equal == "yes"

    yield compare
    row.seconds = time.monotonic() - began


def pytest_terminal_summary(terminalreporter, config):
    rows = config.stash.get(TABLE, [])
    if rows:
        terminalreporter.write_line("equal to the local sweep, bit for bit:")
    for row in rows:
        name = row.name.removeprefix("test_").replace("_", " ")
        terminalreporter.write_line(f"  {name:78} {row.seconds:4.0f} s  {row.equal}")
