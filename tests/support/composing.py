"""Hydra for tests in one process: a pytest plugin, named by each module that uses it."""

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from runner import app  # registers the schema


@pytest.fixture(scope="module")
def hydra_is_started():
    with initialize_config_dir(str(app.FOLDER / "conf"), version_base="1.3"):
        yield


@pytest.fixture(scope="module")
def plain(hydra_is_started):
    """The configuration of no overrides, as nested dictionaries."""
    return OmegaConf.to_container(compose("config"))
