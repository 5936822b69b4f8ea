"""A Ray of two nodes, and the local sweep that each scenario has to equal, bit for bit."""

import os

import pytest
import rays
from compared import local, scenario  # noqa: F401


@pytest.fixture(scope="session")
def ray(tmp_path_factory):
    if why := rays.lacking():
        pytest.skip(why)
    mnist = os.environ.get("MNIST_ROOT")
    cluster = rays.Ray([tmp_path_factory.getbasetemp(), *([mnist] if mnist else [])])
    try:
        cluster.begin()
        yield cluster
    finally:
        cluster.end()
