"""The check of what was typed after `python -m runner`, before Hydra composes anything."""

import itertools
import math
import re
import shlex
from collections.abc import Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import (
    ChoiceSweep,
    Override,
    Quote,
    QuotedString,
    RangeSweep,
    ValueType,
)
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from runner.config import parts
from runner.config.checks import from_omegaconf
from runner.config.schema import GROUPS, KNOBS, Config, knobs_of, leaves, unknown_key
from runner.errors import ConfigError, printable, short_text
from runner.system import limits
from runner.system.command import command_of

#: Of memory that a run's part of a plan takes while it is written; measured.
_RUN_BYTES = 10_000
#: Of what was typed, in a message.
LONGEST_ECHO = 200
#: Of one of Hydra's messages, which may quote all that was typed.
_LONGEST_MESSAGE = 400
#: Knobs that are import paths; as `_target_` they come from files alone.
_CODE_IN_FILES = frozenset(["data.augment"])
#: Of lists and dictionaries in a value.
_DEEPEST = 16


def parse(overrides: Sequence[str]) -> list[Override]:
    """Hydra's reading of the overrides.

    Raises
    ------
    ConfigError
        For one that is not `KEY=VALUE`.
    """
    parser, parsed = OverridesParser.create(), []
    for word in overrides:
        try:
            parsed += parser.parse_overrides([word])
        except HydraException as error:
            raise ConfigError(
                f"{short_text(word, LONGEST_ECHO)}: cannot be read as KEY=VALUE; a text with other"
                """ signs than letters, digits and _-.:/ goes in quotes: "KEY='...'\""""
            ) from error
    return parsed


def one_line(error: Exception) -> str:
    """Hydra's message on one line, without its search path, and with what the knob may be."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OmegaConfBaseException) and cause.full_key:
            return str(from_omegaconf(cause))
        cause = cause.__cause__
    text = printable(" ".join(str(error).split()).partition(" Config search path:")[0])
    typed = text.removeprefix("Error merging override ").lstrip("+")
    key = typed.partition("=")[0]
    typed = short_text(typed, LONGEST_ECHO)
    return (
        f"{typed}: allowed is {KNOBS[key].allowed.text}"
        if key in KNOBS
        else text[:_LONGEST_MESSAGE]
    )


def check(overrides: Sequence[str], multirun: bool) -> None:
    """Refuse overrides that Hydra would accept silently, or refuse without saying what is allowed.

    Raises
    ------
    ConfigError
        For unknown keys, additions and deletions, a key given twice, a sweep or a list of values
        without `-m`, claims, and settings of Hydra's other than the launcher's.
    """
    _check_words(overrides)
    typed_before: dict[str, str] = {}
    for override in parse(overrides):
        key = override.key_or_group
        typed = short_text(override.input_line or key, LONGEST_ECHO)
        if not key:
            raise ConfigError(f"{typed}: allowed is KEY=VALUE")
        if key in typed_before:
            raise ConfigError(f"{key}: given twice ({typed_before[key]} and {typed}); give it once")
        typed_before[key] = typed
        if key == "hydra" or key.startswith(("hydra.", "hydra/")):
            _check_hydra(typed, override)
            if key == "hydra.launcher.n_jobs" and "hydra/launcher=joblib" not in overrides:
                raise ConfigError(f"{typed}: how many workers there are is runner.workers")
            continue
        _check_key(typed, override)
        _check_value(typed, override)
        if not multirun:
            _check_single(typed, override, f"{command_of('runner')} -m {shlex.join(overrides)}")


def check_size(n: int, before: str = "", what: str = "runs") -> None:
    """Refuse more runs than there is memory for their plan.

    Raises
    ------
    ConfigError
    """
    needed, free = n * _RUN_BYTES, limits.free_memory()
    if needed > free:
        raise ConfigError(
            f"{before}{n:,} {what}: the plan of so many runs needs about {needed / 1e9:,.1f} GB of"
            f" memory, and {free / 1e9:,.1f} GB is free; sweep fewer values"
        )


def as_parameters(typed: Sequence[str]) -> list[str]:
    """Overrides of a sweep as those of one job: the sweeper is given them, as a sweep's file does.

    Parameters
    ----------
    typed
        Overrides that `check` has passed.
    """
    fixed, given = [], []
    for word, override in zip(typed, parse(typed), strict=True):
        if not override.is_sweep_override():
            fixed.append(word)
        key = override.key_or_group
        if key != "sweeps" and not key.startswith("hydra"):
            value = QuotedString(word.partition("=")[2], Quote.single)
            given.append(f"{key}:{value.with_quotes()}")
    return [*fixed, f"++hydra.sweeper.params={{{','.join(given)}}}"]


def typed_knobs(config: Config, typed: Sequence[str]) -> dict[str, Any]:
    """The knobs and groups that were typed for a single run, for its name; its seed is no part.

    Parameters
    ----------
    config
        Has the checked values.
    typed
        Overrides that `check` has passed.
    """
    values = dict(leaves(config))
    given = [override.lstrip("+").partition("=")[::2] for override in typed]
    groups = {key: option for key, option in given if key in GROUPS}
    known = knobs_of(config)
    shown = [key for key, _ in given if key in known and known[key].shown]
    return groups | {key: values[key] for key in shown}


def _check_words(words: Sequence[str]) -> None:
    """Refuse slips of typing, and what takes the parser for ever, in words of our own."""
    for word, following in itertools.pairwise([*words, ""]):
        typed = short_text(word, LONGEST_ECHO)
        if word.endswith(",") and following and "=" not in following:
            whole = short_text(word + following, LONGEST_ECHO)
            raise ConfigError(
                f"{typed} {short_text(following)}: a space after the comma: type {whole}"
            )
        if "=" not in word and not word.startswith("~"):
            known = KNOBS.get(word)
            is_switch = known is not None and known.allowed.test(True)
            hint = f"; did you mean {word}=true?" if is_switch else "; allowed is KEY=VALUE"
            raise ConfigError(f"no '=' in {typed!r}{hint}")
        if _depth(word) > _DEEPEST:
            raise ConfigError(f"{typed}: nested more than {_DEEPEST} deep")


def _depth(word: str) -> int:
    """How deep brackets are nested in a word, those in quotes left out."""
    depth = deepest = 0
    for letter in re.sub(r"""'[^']*'|"[^"]*\"""", "", word):
        depth += (letter in "[{(") - (letter in "]})")
        deepest = max(deepest, depth)
    return deepest


def _check_hydra(typed: str, override: Override) -> None:
    """Refuse all but the launcher: the sweeper is ours, and a `_target_` would be called."""
    key = override.key_or_group
    is_launcher = key == "hydra/launcher" or key.startswith("hydra.launcher.")
    if not is_launcher:
        raise ConfigError(
            f"{typed}: of Hydra's own settings only hydra/launcher and hydra.launcher.* may be"
            " given"
        )
    # A `_target_` is called; an interpolation could spell one that is not seen here.
    texts = f"{override.input_line} {override.value()!r}"
    if "_target_" in texts or "${" in texts:
        raise ConfigError(
            f"{typed}: a launcher's settings are plain values, without _target_ and ${{...}}"
        )


def _check_key(typed: str, override: Override) -> None:
    """Refuse keys that are unknown or not set by hand, and any operation but setting a value."""
    key = override.key_or_group
    if key.startswith("claims."):
        raise ConfigError(
            f"{key}: claims are declared in a file of sweeps/, not on the command line"
        )
    if key == "metrics" or key.startswith("metrics."):
        raise ConfigError(
            f"{key}: metrics are named in a file of sweeps/ or conf/, not on the command line"
        )
    if parts.TARGET in f"{override.input_line} {override.value()!r}":
        raise ConfigError(
            f"{typed}: {parts.TARGET} is given in a file of conf/ and not on the command line"
        )
    value = override.value()
    names = [key, *(f"{key}.{inner}" for inner in (value if isinstance(value, dict) else ()))]
    if "sweep.cells" in names:
        raise ConfigError(
            f"{typed}: sweep.cells is given in a file of sweeps/ and not on the command line"
        )
    if key.startswith("sweep.around."):
        knob = key.removeprefix("sweep.around.")
        raise ConfigError(f"{typed}: type 'sweep.around={{{knob}:LEVEL}}', with its quotes")
    if key.partition(".")[0] == "sweep" and override.is_sweep_override():
        raise ConfigError(f"{typed}: says which runs a sweep has and is not swept; give one value")
    if code := _CODE_IN_FILES.intersection(names):
        raise ConfigError(
            f"{typed}: {min(code)} names code, and is given in a file of conf/ and not on the"
            " command line"
        )
    is_section = any(name.startswith(key + ".") for name in KNOBS)
    # Composition knows the knobs of the parts that are chosen.
    is_of_part = key.partition(".")[0] in parts.SECTIONS and not key.endswith(".")
    if not (key in KNOBS or key in GROUPS or is_of_part or is_section):
        raise ConfigError(unknown_key(key))
    if override.is_delete():
        raise ConfigError(f"{typed}: a knob cannot be removed; give it a value")
    if override.is_add() or override.is_force_add():
        raise ConfigError(f"{typed}: every knob exists already; write {typed.lstrip('+')}")
    if key.startswith("worker."):
        raise ConfigError(f"{key}: set by the sweeper for its workers, not by hand")


def _check_value(typed: str, override: Override) -> None:
    """Refuse sweeps that do not list their values, and options that do not name one file."""
    group, is_sweep = override.key_or_group, override.is_sweep_override()
    if group == "sweeps" and is_sweep:
        raise ConfigError(f"{typed}: one sweep at a time; type them as separate commands")
    if override.value_type in (ValueType.GLOB_CHOICE_SWEEP, ValueType.INTERVAL_SWEEP):
        raise ConfigError(
            f"{typed}: a sweep needs its values one by one; allowed are a,b,c and range(a,b)"
        )
    check_size(_n_values(override), f"{typed}: ", "values")
    if group not in GROUPS:
        return
    options = override.sweep_string_iterator() if is_sweep else [override.value()]
    # A dictionary sets knobs of the section that has the group's name.
    named = [option for option in options if not isinstance(option, dict)]
    if any(not isinstance(name, str) or not re.fullmatch(r"[\w-]+", name) for name in named):
        place = "sweeps/" if group == "sweeps" else f"conf/{group}/"
        raise ConfigError(
            f"{typed}: allowed is the name of one file of {place}"
            f" ({command_of('runner')} --help lists them)"
        )


def _n_values(override: Override) -> int:
    """How many values a sweep lists, without listing them."""
    value = override.value()
    if isinstance(value, RangeSweep):
        start, stop, step = value.start, value.stop, value.step
        if start is None or stop is None or not step:
            return 0
        return max(0, math.ceil((stop - start) / step))
    return len(value.list) if isinstance(value, ChoiceSweep) else 1


def _check_single(typed: str, override: Override, command: str) -> None:
    """Refuse what only a multirun can have, with the command that has it."""
    if override.key_or_group == "sweeps":
        raise ConfigError(f"{typed} is a sweep and needs -m; type: {command}")
    if override.key_or_group.partition(".")[0] == "sweep":
        raise ConfigError(f"{typed} is about a sweep and needs -m; type: {command}")
    if override.is_sweep_override():
        raise ConfigError(f"{typed} is a list of values and needs -m; type: {command}")
