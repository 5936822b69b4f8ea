"""The check of a composed configuration, whole, before anything runs."""

import json
from dataclasses import replace
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    MissingMandatoryValue,
    OmegaConfBaseException,
)

from runner.config import parts
from runner.config.declared import check_claims, check_metrics
from runner.config.knob import Knob
from runner.config.schema import (
    KNOBS,
    Config,
    knob_of,
    knobs_of,
    leaves,
    options,
    recorded,
    unknown_key,
)
from runner.errors import ConfigError, short_text

#: Of a parameter's text in a tracking store.
LONGEST_PARAMETER = 6000


def checked(composed: DictConfig) -> Config:
    """The configuration as plain dataclasses, every key known, every value in its range.

    Raises
    ------
    ConfigError
        Naming the key, what came and what is allowed.
    """
    return check(typed(composed))


def typed(composed: DictConfig) -> Config:
    """The configuration as plain dataclasses, with the types of the schema.

    Merged into a fresh schema first: Hydra's `+key=1` opens what it composed, so only this sees it.

    Raises
    ------
    ConfigError
        For an unknown key, a value of another type, and one that is missing.
    """
    try:
        # Resolved once, by to_object: an escaped `\${x}` in a path is no interpolation.
        values = OmegaConf.to_container(composed)
        assert isinstance(values, dict)
        values.pop("hydra", None)
        config = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(Config), values))
    except OmegaConfBaseException as error:
        raise from_omegaconf(error) from error
    assert isinstance(config, Config)
    return config


def check(config: Config) -> Config:
    """A typed configuration, checked whole, with each value in the one spelling that it has.

    Raises
    ------
    ConfigError
    """
    config = check_knobs(config)
    check_metrics(config.metrics)
    check_claims(config.claims, config.metrics)
    return config


def check_knobs(config: Config) -> Config:
    """A typed configuration whose claims and metrics were checked, with its knobs checked, too.

    Raises
    ------
    ConfigError
    """
    config = replace(config)
    for section in parts.SECTIONS:
        setattr(config, section, _part(section, getattr(config, section)))
        for key, value in getattr(config, section).items():
            if isinstance(value, dict):  # before each of its leaves is taken for a knob
                name = f"{section}.{key}"
                check_value(name, value, knob_of(config, name))
    known = knobs_of(config)
    for key, value in leaves(config):
        _check_option(key, value)
        check_value(key, value, known[key])
    for section in parts.SECTIONS:
        setattr(config, section, _cast(getattr(config, section), known, section))
    schedule = config.optimizer["schedule"]
    if schedule["kind"] == "step" and not schedule["at"]:
        raise ConfigError(
            "optimizer.schedule.at=[]: allowed with optimizer.schedule.kind=step is a list of one"
            " epoch or more, such as [10,20]"
        )
    for key, value in recorded(config).items():
        # Found before a run is trained that could never be stored.
        if len(text := json.dumps(value)) > LONGEST_PARAMETER:
            raise ConfigError(
                f"{key}={short_text(value)}: has {len(text)} characters, and MLflow takes"
                f" {LONGEST_PARAMETER}"
            )
    return config


def _part(section: str, values: dict[str, Any]) -> dict[str, Any]:
    """A section that names what makes it, checked: options first, as the schema has them."""
    named = parts.check(section, values, options(section))
    first = [name.partition(".")[2] for name in KNOBS if name.startswith(f"{section}.")]
    order = [parts.TARGET, *(key.partition(".")[0] for key in first), *named]
    return {key: named[key] for key in dict.fromkeys(order) if key in named}


def _cast(values: dict[str, Any], known: dict[str, Knob], prefix: str) -> dict[str, Any]:
    """The values in the one spelling that each has."""
    found = {}
    for key, value in values.items():
        name = f"{prefix}.{key}"
        if name in known:
            found[key] = known[name].allowed.cast(value)
        else:
            found[key] = _cast(value, known, name) if isinstance(value, dict) else value
    return found


def _check_option(key: str, value: object) -> None:
    """Refuse a value in place of the knobs of a section, such as `optimizer.schedule=null`."""
    section, _, rest = key.partition(".")
    is_option = section in parts.SECTIONS and rest.partition(".")[0] in options(section)
    if is_option and key not in KNOBS:
        if inner := [name for name in KNOBS if name.startswith(f"{key}.")]:
            raise ConfigError(f"{key}={short_text(value)}: allowed are {', '.join(inner)}")
        raise ConfigError(unknown_key(key))


def check_value(key: str, value: object, knob: Knob | None = None) -> None:
    """Refuse a value that a knob may not have.

    Parameters
    ----------
    knob
        What is known of it; by default what the schema says.

    Raises
    ------
    ConfigError
        Naming the knob, what came and what is allowed.
    """
    knob = knob or KNOBS[key]
    if not knob.allowed.test(value):
        origin = f" (from {knob.variable})" if knob.is_from_variable(value) else ""
        raise ConfigError(f"{key}={short_text(value)}{origin}: allowed is {knob.allowed.text}")


def from_omegaconf(error: OmegaConfBaseException) -> ConfigError:
    """One line for what OmegaConf refused: the key, what came, what is allowed."""
    # `model.blocks[0][1]` is part of the knob `model.blocks`.
    key = (error.full_key or "").partition("[")[0]
    first_line = " ".join(str(error.msg or error).splitlines()[0].split())
    if isinstance(error, (ConfigKeyError, ConfigAttributeError)):
        if key.startswith("sweep.around."):
            # Hydra adds no key to a dictionary that a file gives.
            return ConfigError(f"{key}: the sweep's file gives sweep.around; name the level there")
        return ConfigError(_not_in_part(error) or unknown_key(key))
    allowed = KNOBS[key].allowed.text if key in KNOBS else ""
    if isinstance(error, MissingMandatoryValue):
        return ConfigError(f"{key}: has no value; allowed is {allowed or 'a value'}")
    allowed = allowed and f"; allowed is {allowed}"
    return ConfigError(f"{key}: {first_line}{allowed}" if key else first_line)


def _not_in_part(error: OmegaConfBaseException) -> str | None:
    """The message for a key that the chosen file of a section that names its part does not list."""
    section, _, key = str(error.full_key).partition(".")
    chosen = error.parent_node
    if section not in parts.SECTIONS or not isinstance(chosen, DictConfig) or "." in key:
        return None
    values = OmegaConf.to_container(chosen, resolve=False)
    if not isinstance(values, dict) or parts.TARGET not in values:
        return None
    return parts.not_listed(section, {str(k): v for k, v in values.items()}, key, options(section))
