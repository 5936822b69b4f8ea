"""The kinds of values that a knob may have: for each the words of a message, and a test."""

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Allowed:
    """The values that a knob may have."""

    #: In words, for a message: `an integer from 1 to 4096`.
    text: str
    test: Callable[[Any], bool]
    #: Makes one spelling of what passed the test: 1 is 1.0 where a number is meant.
    cast: Callable[[Any], Any] = lambda value: value


def integer(low: int, high: int, also: int | None = None, text: str = "") -> Allowed:
    """The integers of a closed range, and one more; `text` replaces the usual words."""
    if also is not None:
        text = f"an integer from {low} to {high}, or {also}"
    text = text or f"an integer from {low} to {high}"
    return Allowed(text, lambda v: type(v) is int and (low <= v <= high or v == also))


def number(text: str, test: Callable[[float], bool]) -> Allowed:
    """The finite numbers that pass a test; `text` says which they are."""
    return Allowed(text, lambda v: type(v) in (int, float) and math.isfinite(v) and test(v), float)


def chosen_by(group: str) -> Allowed:
    """The name that comes with a file of conf/."""
    return Allowed(f"what {group}=NAME chooses; it is not typed", is_text)


def one_of(*names: str) -> Allowed:
    """A few texts."""
    return Allowed(f"one of {', '.join(names)}", lambda v: v in names)


def is_text(value: Any) -> bool:
    """Whether the value is a text of a size and a kind that every file and display takes."""
    return isinstance(value, str) and 0 < len(value) <= 500 and value.isprintable()


def _is_blocks(value: Any) -> bool:
    return value is None or (
        isinstance(value, list)
        and 1 <= len(value) <= 8
        and all(isinstance(block, list) and 1 <= len(block) <= 16 for block in value)
        and all(type(n) is int and 1 <= n <= 4096 for block in value for n in block)
    )


def _is_cell(value: Any) -> bool:
    return isinstance(value, dict) and bool(value) and all(isinstance(key, str) for key in value)


def _is_json(value: Any) -> bool:
    try:
        return bool(json.loads(json.dumps(value, allow_nan=False)) == value)
    except (TypeError, ValueError):
        return False


_SCHEMES = re.compile(r"(sqlite|postgresql|mysql|mssql)(\+\w+)?://|https?://")

BOOLEAN = Allowed("true or false", lambda v: type(v) is bool)
TEXT = Allowed("a printable text of 1 to 500 characters", is_text)
TEXT_OR_NULL = Allowed("null or " + TEXT.text, lambda v: v is None or is_text(v))
DICTIONARY = Allowed("a dictionary", lambda v: isinstance(v, dict))
JSON = Allowed(
    "a text, a finite number, true, false, null, or a list or dictionary of these", _is_json
)
COUNT_OR_NULL = Allowed(
    "null or an integer from 1 on", lambda v: v is None or (type(v) is int and v >= 1)
)
POWER_OF_TWO_OR_NULL = Allowed(
    "null or a power of two from 4 to 4096",
    lambda v: v is None or (type(v) is int and 4 <= v <= 4096 and v & (v - 1) == 0),
)
DICTIONARY_OR_NULL = Allowed("null or a dictionary", lambda v: v is None or isinstance(v, dict))
CELLS = Allowed(
    "null or, in a file of sweeps/ alone, a list such as [{model.channels: 1, preset: conv1}]",
    lambda v: v is None or (isinstance(v, list) and bool(v) and all(map(_is_cell, v))),
)
BELOW_ONE = number("a number from 0 to below 1", lambda v: 0 <= v < 1)
_POSITIVE = number("a number above 0", lambda v: v > 0)
POSITIVE_OR_NULL = Allowed(
    "null or " + _POSITIVE.text,
    lambda v: v is None or _POSITIVE.test(v),
    lambda v: None if v is None else float(v),
)
EPOCHS = Allowed(
    "a list of epochs in rising order, such as [10,20]",
    lambda v: (
        isinstance(v, list) and all(type(n) is int and n >= 1 for n in v) and v == sorted(set(v))
    ),
)
_OF_TYPES: dict[str, Allowed] = {
    "bool": BOOLEAN,
    "int": Allowed("an integer", lambda v: type(v) is int),
    "float": number("a finite number", lambda v: True),
    "str": TEXT,
}
BLOCKS = Allowed(
    "null, or 1 to 8 blocks of 1 to 16 channel counts from 1 to 4096, such as [[16,16],[32,32]]",
    _is_blocks,
)
STORE = Allowed(
    "null, sqlite:///FILE, another database, or http(s)://HOST:PORT of a server",
    lambda v: v is None or (is_text(v) and _SCHEMES.match(v) is not None),
)


def of_annotation(annotation: str) -> Allowed:
    """The values that a signature's annotation allows; any plain value where it says no more.

    `int`, `float`, `bool`, `str` and each of them with `| None` are known.
    """
    kind, _, none = annotation.partition(" | ")
    known = _OF_TYPES.get(kind)
    if known is None or none not in ("", "None"):
        return JSON
    if not none:
        return known
    return Allowed(
        f"null or {known.text}",
        lambda v: v is None or known.test(v),
        lambda v: None if v is None else known.cast(v),
    )
