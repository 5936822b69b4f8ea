"""A user's own code: found by an import path, and named by file and line in what is told."""

import difflib
import functools
import importlib
import inspect
import os
import sysconfig
from pathlib import Path
from typing import Any

from runner.errors import TimedOut, short_text
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


class NotFound(Exception):
    """An import path names nothing that can be used; its text says why, in one line."""


def find(path: str) -> Any:
    """The class or function that an import path such as `mine.LeNet` names.

    Raises
    ------
    NotFound
        When its module cannot be imported, or does not have it.
    """
    module, _, name = path.rpartition(".")
    if not module:
        raise NotFound("allowed is MODULE.NAME")
    try:
        imported = importlib.import_module(module)
    except TimedOut:
        raise
    except (Exception, SystemExit) as error:
        raise NotFound(raised(error)) from error
    if not hasattr(imported, name):
        near = difflib.get_close_matches(name, vars(imported), n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise NotFound(f"the module {module} has no {name}{hint}")
    return getattr(imported, name)


def raised(error: BaseException) -> str:
    """`ZeroDivisionError: division by zero (mine.py:7)`: one line, with the user's own line."""
    said = error.msg if isinstance(error, SyntaxError) else str(error)
    text = short_text(" ".join(said.split()), longest=300)
    line = place_of_error(error)
    return type(error).__name__ + (f": {text}" if text else "") + (f" ({line})" if line else "")


def place(file: str, line: int | None) -> str:
    """A line of a file in words: `mine.py:12`, as seen from the working directory."""
    path = Path(os.path.abspath(file))
    return f"{path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}:{line}"


def place_of_error(error: BaseException) -> str | None:
    """The innermost line of the user's own that an error went through; None where there is none."""
    if isinstance(error, SyntaxError) and error.filename and is_users(error.filename):
        return place(error.filename, error.lineno)
    found, traceback = None, error.__traceback__
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
