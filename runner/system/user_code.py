"""Which line of a user's own file something comes from."""

import functools
import inspect
import sysconfig
from pathlib import Path
from types import TracebackType

from runner.system.files import PACKAGE

_LIBRARIES = tuple(
    sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")
)


@functools.cache
def is_users(file: str) -> bool:
    """Whether a source is the user's: neither this package's, nor Python's, nor installed."""
    path = Path(file)
    if not path.is_file() or path.is_relative_to(PACKAGE):
        return False
    is_installed = {"site-packages", "dist-packages"} & set(path.parts)
    return not is_installed and not any(path.is_relative_to(folder) for folder in _LIBRARIES)


def place(file: str, line: int) -> str:
    """A line of a file in words: `mine.py:12`."""
    return f"{Path(file).name}:{line}"


def place_of_error(traceback: TracebackType | None) -> str | None:
    """The innermost line of the user's own that an error went through; None where there is none."""
    found = None
    while traceback:
        file = traceback.tb_frame.f_code.co_filename
        if is_users(file):
            found = place(file, traceback.tb_lineno)
        traceback = traceback.tb_next
    return found


def place_of_text(defined: type, text: str) -> str | None:
    """The first line of a class that has this text, else its first; None for no user's class."""
    try:
        file, (lines, first) = inspect.getsourcefile(defined), inspect.getsourcelines(defined)
    except (OSError, TypeError):
        return None
    if not file or not is_users(file):
        return None
    return place(file, first + next((i for i, line in enumerate(lines) if text in line), 0))
