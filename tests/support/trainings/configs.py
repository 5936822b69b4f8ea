"""Configurations for tests: the defaults of conf/, with some knobs changed by dotted name."""

import copy
import functools

from runner.app import compose


@functools.cache
def _defaults():
    return compose("data=digits")


def configured(knobs=None, **top):
    """The default configuration on the digits data, with `knobs` by dotted name and others
    (`seed=3`) by name."""
    config = copy.deepcopy(_defaults())
    for name, value in {**(knobs or {}), **top}.items():
        part, _, knob = name.rpartition(".")
        section = getattr(config, part) if part else config
        assert hasattr(section, knob), f"there is no knob {name}"
        setattr(section, knob, value)
    return config
