"""What a plan kept as JSON, made records again; what came later has the value of before it."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from runner.config import parts
from runner.config.knobs.sweep_knobs import SweepConfig
from runner.config.schema import KNOBS, Config, options
from runner.record import Claim


def config_from(values: dict[str, Any]) -> Config:
    """The inverse of `dataclasses.asdict`, for a configuration that was checked before it was kept.

    A knob that came later has the value at which everything before it was trained.
    """
    before = _before()
    built: dict[str, Any] = {}
    for part in fields(Config):
        if part.name in parts.SECTIONS:
            value: Any = _part_from(part.name, values[part.name], before.get(part.name, {}))
        elif is_dataclass(part.type):
            section: Any = part.type
            kept = known(section, values.get(part.name, {}))
            value = section(**before.get(part.name, {}) | kept)
        else:
            value = values[part.name] if part.name in values else before[part.name]
        built[part.name] = value
    return Config(**built | {"claims": claims_from(values["claims"])})


def claims_from(values: dict[str, Any]) -> dict[str, Claim]:
    """The claims of a plan by name."""
    return {name: Claim(**known(Claim, claim)) for name, claim in values.items()}


def whole_grid() -> SweepConfig:
    """The section `sweep` of a run, for which it says nothing."""
    return SweepConfig(**_before()["sweep"])


def known(record: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values that a record has a field for; others are those of a program that knew more."""
    names = {part.name for part in fields(record)}
    return {name: value for name, value in values.items() if name in names}


def _before() -> dict[str, Any]:
    """The values at which everything was trained before their knobs existed, nested as they are."""
    found: dict[str, Any] = {}
    for name, knob in KNOBS.items():
        if knob.came_later:
            *places, last = name.split(".")
            part = found
            for place in places:
                part = part.setdefault(place, {})
            part[last] = knob.before
    return found


def _part_from(section: str, values: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """A section that names what makes it; plans of before that named parts that ship alone."""
    target = values.get(parts.TARGET) or parts.target_of(
        section, values[parts.SECTIONS[section].label]
    )
    if target is None:
        return values
    values = {parts.TARGET: target} | values
    if parts.ships(section, values):
        return parts.having(section, target, before | values, options(section))
    return {key: value for key, value in before.items() if key in options(section)} | values
