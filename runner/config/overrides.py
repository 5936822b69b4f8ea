"""What may be typed after `python -m runner`: looked at before Hydra composes, so that a mistake gets one line."""

import re
import shlex
from collections.abc import Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, ValueType
from hydra.errors import HydraException

from runner.config.rules import ALLOWED
from runner.config.schema import GROUPS, OPEN_PREFIXES, unknown_key
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
        raise ConfigError(one_line(error)) from error


def one_line(error: Exception) -> str:
    """What Hydra says, without the folders it looked through, with what a knob may be."""
    text = " ".join(str(error).split()).partition(" Config search path:")[0]
    typed = text.removeprefix("Error merging override ").lstrip("+")
    key = typed.partition("=")[0]
    return f"{typed}: allowed is {ALLOWED[key].text}" if key in ALLOWED else text


def check(overrides: Sequence[str], multirun: bool) -> None:
    """Refuse what Hydra would accept in silence or refuse in riddles.

    Raises
    ------
    ConfigError
        Unknown keys, additions and deletions, a key given twice, a sweep or a list of values without `-m`,
        claims, and Hydra's own settings but for the launcher's.
    """
    seen: dict[str, str] = {}
    for override in parse(overrides):
        key = override.key_or_group
        typed = override.input_line or key
        if not key:
            raise ConfigError(f"{typed}: allowed is KEY=VALUE")
        if key in seen:
            raise ConfigError(f"{key}: given twice ({seen[key]} and {typed}); give it once")
        seen[key] = typed
        if key == "hydra" or key.startswith(("hydra.", "hydra/")):
            _check_hydra(typed, key)
            continue
        if key.startswith("claims."):
            raise ConfigError(f"{key}: claims are declared in a file of sweeps/, not on the command line")
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
        _check_value(typed, override)
        if not multirun and key == "sweeps":
            raise ConfigError(f"{typed} is a sweep and needs -m; type: {_command(overrides)}")
        if not multirun and override.is_sweep_override():
            raise ConfigError(f"{typed} is a list of values and needs -m; type: {_command(overrides)}")


def _check_hydra(typed: str, key: str) -> None:
    # The sweeper is the runner's own, and a `_target_` of the user's would be called.
    if key != "hydra/launcher" and not key.startswith("hydra.launcher.") or key.endswith("_target_"):
        raise ConfigError(f"{typed}: of Hydra's own settings only hydra/launcher and hydra.launcher.* may be given")


def _check_value(typed: str, override: Override) -> None:
    if override.value_type in (ValueType.GLOB_CHOICE_SWEEP, ValueType.INTERVAL_SWEEP):
        raise ConfigError(f"{typed}: a sweep needs its values one by one; allowed are a,b,c and range(a,b)")
    if override.key_or_group not in GROUPS:
        return
    names = override.sweep_string_iterator() if override.is_sweep_override() else [override.value()]
    # A dictionary sets knobs of the section that has the group's name.
    if any(not isinstance(n, dict) and not (isinstance(n, str) and re.fullmatch(r"[\w-]+", n)) for n in names):
        place = "sweeps/" if override.key_or_group == "sweeps" else f"conf/{override.key_or_group}/"
        raise ConfigError(f"{typed}: allowed is the name of one file of {place} (python -m runner --help lists them)")


def _is_known(key: str) -> bool:
    return (
        key in ALLOWED
        or key in GROUPS
        or key.startswith(OPEN_PREFIXES)
        or any(known.startswith(key + ".") for known in ALLOWED)
    )


def _command(overrides: Sequence[str]) -> str:
    return f"{COMMAND} -m {shlex.join(overrides)}"
