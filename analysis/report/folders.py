"""A folder that is replaced whole: whoever looks, or is left after a crash, sees the old one or the new one."""

import contextlib
import ctypes
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from runner.faults import crash_point
from runner.files import sync_folder

#: The call by which two names change places in one step, its AT_FDCWD, and its flag (renameat2(2), renameatx_np(2)).
_SWAPS = {"linux": ("renameat2", -100, 2), "darwin": ("renameatx_np", -2, 2)}


@contextlib.contextmanager
def replaced(folder: Path) -> Iterator[Path]:
    """Yield an empty folder beside it, to be filled; at the end of the block it takes the folder's name.

    After an exception, or when the process is killed at any moment, the folder is what it was. What killed processes
    left beside it is removed.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{folder.name}."
    _remove_left(folder.parent, prefix)
    beside = Path(tempfile.mkdtemp(prefix=prefix, suffix=".tmp", dir=folder.parent))
    try:
        with _held(beside):
            beside.chmod(0o755)
            yield beside
            for path in (*beside.rglob("*"), beside):
                _flush(path)
            crash_point("report_before_rename")
            if folder.exists():
                _exchange(beside, folder)
            else:
                beside.rename(folder)
            sync_folder(folder.parent)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[None]:
    """The folder locked, for as long as its maker lives; OSError when another one has it."""
    if sys.platform == "win32":
        yield
        return
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def _remove_left(parent: Path, prefix: str) -> None:
    if sys.platform == "win32":  # where no folder can be locked, whether one is still being filled is not known
        return
    for path in parent.glob("*"):
        if path.name.startswith(prefix) and path.name.endswith(".tmp") and path.is_dir():
            # One that is locked is being filled by another process; one that has gone has taken its name.
            with contextlib.suppress(OSError), _held(path):
                shutil.rmtree(path, ignore_errors=True)


def _flush(path: Path) -> None:
    if path.is_dir():
        sync_folder(path)
    else:
        with open(path, "rb+") as file:
            os.fsync(file.fileno())


def _exchange(one: Path, other: Path) -> None:
    """Both names change places in one step; where the system cannot, in two, between which neither is there."""
    if not _swapped(one, other):
        aside = one.with_name(one.name + ".old.tmp")
        other.rename(aside)
        one.rename(other)
        aside.rename(one)


def _swapped(one: Path, other: Path) -> bool:
    name, here, flag = _SWAPS.get(sys.platform, ("", 0, 0))
    function = getattr(ctypes.CDLL(None), name, None) if name else None
    return function is not None and function(here, os.fsencode(one), here, os.fsencode(other), ctypes.c_uint(flag)) == 0
