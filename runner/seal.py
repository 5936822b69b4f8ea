"""JSON values that prove themselves: each holds the SHA-256 of all the rest of it."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

#: The name of the value that proves the others.
SEAL = "sha256"


def sha256(value: Any) -> str:
    """The hash of a JSON value, 64 hexadecimal digits; the order of an object's names is none."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def sealed(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values with their seal."""
    return {**values, SEAL: sha256(dict(values))}


def is_whole(values: Mapping[str, Any]) -> bool:
    """Whether the values are those that were sealed."""
    return values.get(SEAL) == sha256({name: v for name, v in values.items() if name != SEAL})
