"""What the tests of configurations and plans share: values changed and read, and grids."""

from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import OmegaConf

from runner.config.schema import leaves
from runner.plan import grid


def with_value(plain, key, value):
    """The configuration with another value of a knob, as Hydra would hand it over."""
    *sections, name = key.split(".")
    changed = whole = {k: dict(v) if isinstance(v, dict) else v for k, v in plain.items()}
    for section in sections:
        changed = changed[section]
    changed[name] = value
    return OmegaConf.create(whole, flags={"allow_objects": True})


def value_of(config, key):
    return dict(leaves(config))[key]


def grid_of(*arguments):
    """The grid of a multirun's overrides."""
    loader = GlobalHydra.instance().config_loader()
    primary = loader.load_configuration("config", list(arguments), RunMode.MULTIRUN)
    return grid.compose(loader, primary, dict(primary.hydra.sweeper.params), list(arguments))


def is_one_line(error):
    return "\n" not in str(error.value) and str(error.value).isprintable()
