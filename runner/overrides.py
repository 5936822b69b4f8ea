"""What may be typed after `python -m runner`: looked at before Hydra composes, so that a mistake gets one line."""

import shlex
from collections.abc import Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from runner.config import ALLOWED, GROUPS, OPEN_PREFIXES, unknown_key
from runner.errors import ConfigError

COMMAND = "python -m runner"


def parse(overrides: Sequence[str]) -> list[Override]:
    """Hydra's reading of the overrides.

    Raises
    ------
    ConfigError
        For one that is not `KEY=VALUE`.
    """
    try:
        return OverridesParser.create().parse_overrides(list(overrides))
    except HydraException as error:
        raise ConfigError(" ".join(str(error).split())) from error


def check(overrides: Sequence[str], multirun: bool) -> None:
    """Refuse what Hydra would accept in silence or refuse in riddles.

    Raises
    ------
    ConfigError
        Unknown keys, additions and deletions, a key given twice, a sweep or a list of values without `-m`.
    """
    seen: dict[str, str] = {}
    for override in parse(overrides):
        key = override.key_or_group
        typed = override.input_line or key
        if key in seen:
            raise ConfigError(f"{key}: given twice ({seen[key]} and {typed}); give it once")
        seen[key] = typed
        if key == "hydra" or key.startswith(("hydra.", "hydra/")):
            continue
        if not _is_known(key):
            raise ConfigError(unknown_key(key))
        if override.is_delete():
            raise ConfigError(f"{typed}: a knob cannot be removed; give it a value")
        if override.is_add() or override.is_force_add():
            if not key.startswith(OPEN_PREFIXES):
                raise ConfigError(f"{typed}: every knob exists already; write {typed.lstrip('+')}")
            if override.is_force_add() and override.is_sweep_override():
                raise ConfigError(f"{typed}: a list of values cannot be forced; write {typed[1:]}")
        if key.startswith("worker."):
            raise ConfigError(f"{key}: set by the sweeper for its workers, not by hand")
        if key == "sweeps" and override.is_sweep_override():
            raise ConfigError(f"{typed}: one sweep at a time; type them as separate commands")
        if not multirun and key == "sweeps":
            raise ConfigError(f"{typed} is a sweep and needs -m; type: {_command(overrides)}")
        if not multirun and override.is_sweep_override():
            raise ConfigError(f"{typed} is a list of values and needs -m; type: {_command(overrides)}")


def _is_known(key: str) -> bool:
    return (
        key in ALLOWED
        or key in GROUPS
        or key.startswith(OPEN_PREFIXES)
        or any(known.startswith(key + ".") for known in ALLOWED)
    )


def _command(overrides: Sequence[str]) -> str:
    return f"{COMMAND} -m {shlex.join(overrides)}"
