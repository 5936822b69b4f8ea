"""Which program this is, on a host: two that differ anywhere do not work together."""

import functools
import hashlib
from pathlib import Path

from runner import __version__
from runner.system.files import PACKAGE

_SOURCES = (".py", ".cu", ".cuh", ".h")


@functools.cache
def name(package: Path = PACKAGE) -> str:
    """`0.1.0 (1a2b3c4d)`: the version, and the hash of all sources of the package."""
    digest = hashlib.sha256()
    for file in sorted(file for file in package.rglob("*") if file.suffix in _SOURCES):
        content = file.read_bytes()
        digest.update(f"{file.relative_to(package).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return f"{__version__} ({digest.hexdigest()[:8]})"


def is_other(launcher: str, host: str, theirs: str) -> str:
    """What is said of a host whose program is another one; empty where it is this one."""
    if theirs == name():
        return ""
    return (
        f"hydra/launcher={launcher}: {host} has version {theirs} of this program, here is {name()};"
        " install the same there"
    )
