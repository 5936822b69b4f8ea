"""A Slurm of three nodes, and the local sweep that each scenario has to equal, bit for bit."""

import pytest
import slurms
from compared import local, scenario  # noqa: F401


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
