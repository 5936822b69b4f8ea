"""What is chosen by name is looked up in a table: what is not there is refused, with what is."""

import pytest

from runner import engine as engines
from runner.config import schema
from runner.errors import ConfigError
from runner.seeding import Masks


# =============================================================================
# Engines
# =============================================================================
@pytest.mark.parametrize(
    "name, device", [("bogus", "cpu"), ("bogus", "gpu"), ("fast", "tpu"), ("", "cpu")]
)
def test_an_unknown_engine_is_refused_with_the_known_ones(name, device):
    known = "allowed is one of fast on cpu, fast on gpu, stock on cpu, stock on gpu$"
    with pytest.raises(ConfigError, match=f"^engine.name={name} on device={device}: {known}"):
        engines.create(name, Masks(0), device)
    with pytest.raises(ConfigError, match=f"^engine.name={name} on device={device}: {known}"):
        engines.compiles(name, device)


@pytest.mark.parametrize("name", ["fast", "stock"])
def test_an_engine_is_the_one_of_its_name(name):
    assert engines.create(name, Masks(0), "cpu").name == name


def test_the_names_that_a_command_is_checked_with_are_those_of_the_tables():
    assert set(schema.ENGINES) == {name for name, _ in engines.ENGINES}
