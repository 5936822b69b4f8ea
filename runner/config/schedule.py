"""What a learning-rate schedule may say; runner/engine/schedule.py computes the rates from it."""

import math
from collections.abc import Mapping
from typing import Any

#: The keys of each kind, beside `kind` and `warmup_epochs`; None is a warm-up alone.
_KEYS: dict[str | None, set[str]] = {"step": {"at", "factor"}, "cosine": set(), None: set()}


def check(value: Any) -> str | None:
    """What is allowed in place of the value, in words; None where it is a schedule."""
    if value is None:
        return None
    if not isinstance(value, Mapping) or not value:
        return (
            "null, {kind: step, at: [10, 20], factor: 0.1}, {kind: cosine} or {warmup_epochs: 1};"
            " warmup_epochs may stand beside either kind"
        )
    kind = value.get("kind")
    if not (kind is None and "kind" not in value) and kind not in ("step", "cosine"):
        return "as kind: step or cosine"
    needed = _KEYS[kind]
    if not needed <= set(value) <= needed | {"kind", "warmup_epochs"}:
        keys = ", ".join(sorted({str(key) for key in needed | set(value) & {"kind"}}))
        return f"{keys or 'warmup_epochs'}{' and, where wanted, warmup_epochs' if keys else ''}"
    if "at" in needed and not _are_epochs(value["at"]):
        return "as at: a list of epochs from 1, each larger than the one before"
    if "factor" in needed and not (_is_number(value["factor"]) and value["factor"] > 0):
        return "as factor: a number above 0"
    if not (_is_number(value.get("warmup_epochs", 0)) and value.get("warmup_epochs", 0) >= 0):
        return "as warmup_epochs: a number from 0"
    return None


def _are_epochs(value: Any) -> bool:
    return (
        isinstance(value, list | tuple)
        and len(value) > 0
        and all(type(epoch) is int and epoch > 0 for epoch in value)
        and all(first < second for first, second in zip(value, value[1:], strict=False))
    )


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)
