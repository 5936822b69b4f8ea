"""Configurations for tests: the defaults of conf/, with some knobs changed by dotted name."""

import copy
import functools

import hydra
from hydra.core.global_hydra import GlobalHydra

from runner.app import compose
from runner.config import parts
from runner.config.checks import checked
from runner.config.schema import GROUPS, options


@functools.cache
def _composed(*typed):
    if GlobalHydra.instance().is_initialized():  # by a fixture of tests/support/composing.py
        return checked(hydra.compose("config", list(typed)))
    return compose(*typed)


def configured(knobs=None, **top):
    """The default configuration on the digits data, with `knobs` by dotted name, files of groups
    (`model="mlp"`, or an import path of one's own) and others (`seed=3`) by name."""
    values = {**(knobs or {}), **top}
    chosen = {"data": "digits"} | {name: values.pop(name) for name in GROUPS if name in values}
    own = {section: target for section, target in chosen.items() if "." in target}
    files = [f"{group}={file}" for group, file in chosen.items() if group not in own]
    config = copy.deepcopy(_composed(*files))
    for section, target in own.items():
        section_of_its_own(config, section, target)
    for name, value in values.items():
        set_knob(config, name, value)
    return config


def section_of_its_own(config, section, target, **arguments):
    """Name what makes a section by its import path, as a user's file of conf/ does."""
    named = {parts.TARGET: target, parts.SECTIONS[section].label: target.rpartition(".")[2]}
    names = [*options(section), *(["lr"] if section == "optimizer" else [])]
    kept = {name: getattr(config, section)[name] for name in names}
    setattr(config, section, named | kept | arguments)


def set_knob(config, name, value):
    """Change a knob of a configuration, by its dotted name."""
    *places, knob = name.split(".")
    section = config
    for place in places:
        section = section[place] if isinstance(section, dict) else getattr(section, place)
    if isinstance(section, dict):
        assert knob in section, f"there is no knob {name}"
        section[knob] = value
    else:
        assert hasattr(section, knob), f"there is no knob {name}"
        setattr(section, knob, value)
