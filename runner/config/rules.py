"""What each knob may be: the words for a message, and the test."""

import json
import math
import pkgutil
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.config.names import ENGINES, OPTIMIZERS
from runner.data.catalogue import CATALOGUE

_MODELS = Path(__file__).resolve().parent.parent / "models"


@dataclass(frozen=True)
class Allowed:
    """What a knob may be: the words for a message, and the test."""

    text: str
    test: Callable[[Any], bool]


def _integer(low: int, high: int, also: tuple[int, ...] = (), shown: str = "") -> Allowed:
    text = shown or f"an integer from {low} to {high}" + "".join(f", or {a}" for a in also)
    return Allowed(text, lambda v: type(v) is int and (low <= v <= high or v in also))


def _number(text: str, test: Callable[[float], bool]) -> Allowed:
    return Allowed(text, lambda v: type(v) in (int, float) and math.isfinite(v) and test(v))


def _one_of(*names: str) -> Allowed:
    return Allowed("one of " + ", ".join(names), lambda v: v in names)


def is_text(value: Any) -> bool:
    """A text of a size and a kind that every file and display takes."""
    return isinstance(value, str) and 0 < len(value) <= 500 and value.isprintable()


def _is_blocks(value: Any) -> bool:
    return value is None or (
        isinstance(value, list)
        and 1 <= len(value) <= 8
        and all(isinstance(block, list) and 1 <= len(block) <= 16 for block in value)
        and all(type(n) is int and 1 <= n <= 4096 for block in value for n in block)
    )


def _is_json(value: Any) -> bool:
    try:
        return bool(json.loads(json.dumps(value, allow_nan=False)) == value)
    except (TypeError, ValueError):
        return False


_BOOLEAN = Allowed("true or false", lambda v: type(v) is bool)
TEXT = Allowed("a printable text of 1 to 500 characters", is_text)
_TEXT_OR_NULL = Allowed("null or " + TEXT.text, lambda v: v is None or is_text(v))
_SCHEMES = re.compile(r"(sqlite|postgresql|mysql|mssql)(\+\w+)?://|https?://")
_STORE = Allowed(
    "null, sqlite:///FILE, another database, or http(s)://HOST:PORT of a server",
    lambda v: v is None or (is_text(v) and _SCHEMES.match(v) is not None),
)

#: Every knob by its dotted name. A test holds it against the schema and against conf/.
ALLOWED: dict[str, Allowed] = {
    "seed": _integer(0, 2**63 - 1, shown="an integer from 0 to 2^63 - 1"),
    "device": _one_of("auto", "cpu", "gpu"),
    "plan": _BOOLEAN,
    "progress": _BOOLEAN,
    "model.kind": _one_of(*sorted(m.name for m in pkgutil.iter_modules([str(_MODELS)]))),
    "model.channels": _integer(1, 4096),
    "model.blocks": Allowed(
        "null, or 1 to 8 blocks of 1 to 16 channel counts from 1 to 4096, such as [[16,16],[32,32]]", _is_blocks
    ),
    "model.hidden_size": _integer(1, 65536),
    "model.fc_depth": _integer(0, 16),
    "model.dropout": _BOOLEAN,
    "model.dropout_ratio": _number("a number from 0 to below 1", lambda v: 0 <= v < 1),
    "model.options": Allowed("a dictionary of texts, finite numbers, true, false and null", _is_json),
    "data.name": _one_of(*CATALOGUE),
    "data.normalize": _BOOLEAN,
    "data.root": _TEXT_OR_NULL,
    "data.allow_fallback": _BOOLEAN,
    "optimizer.name": _one_of(*OPTIMIZERS),
    "optimizer.lr": _number("a number above 0, at most 100", lambda v: 0 < v <= 100),
    "optimizer.weight_decay": _number("a number from 0 to 1", lambda v: 0 <= v <= 1),
    "optimizer.momentum": _number("a number from 0 to below 1", lambda v: 0 <= v < 1),
    "engine.name": _one_of(*ENGINES),
    "engine.graph": _BOOLEAN,
    "engine.tf32": _BOOLEAN,
    "engine.streams": _integer(1, 64, also=(0,)),
    "train.epochs": _integer(1, 10_000),
    "train.batch_size": _integer(1, 1_000_000, shown="an integer from 1 to the number of training images"),
    "tracking.uri": _STORE,
    "tracking.experiment": TEXT,
    "runner.root": _TEXT_OR_NULL,
    "runner.workers": _integer(1, 1024, also=(-1,)),
    "runner.checkpoint_every_s": _number("a number of seconds from 0 to 86400", lambda v: 0 <= v <= 86400),
    "runner.time_limit_s": _number("a number of seconds up to 1e9, or 0 for no limit", lambda v: 0 <= v <= 1e9),
    "runner.fail_fast": _BOOLEAN,
    "claims": Allowed("a dictionary", lambda v: isinstance(v, dict)),
    "worker.plan": _TEXT_OR_NULL,
    "worker.launch": _TEXT_OR_NULL,
}
