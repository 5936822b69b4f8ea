"""Functions by import path, one's own above all: found, called, and named in an error."""

import contextlib
import importlib
import inspect
import os
import sysconfig
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from runner.errors import ConfigError, DataError, RunnerError, short_text
from runner.system.files import PACKAGE

Function = Callable[..., Any]

#: Folders of code that no user wrote, and frames that have no file.
_NOT_THE_USERS: tuple[str | Path, ...] = (
    PACKAGE,
    *(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")),
    *(f"<frozen importlib.{part}>" for part in ("_bootstrap", "_bootstrap_external")),
)


def find(key: str, target: str) -> Function:
    """The function that a key of a configuration names, such as `mine.load`.

    Raises
    ------
    ConfigError
        When there is none, or its module cannot be imported: with file and line.
    """
    module, _, name = target.rpartition(".")
    where = f"{key}={short_text(target)}"
    if not module:
        raise ConfigError(f"{where}: allowed is MODULE.FUNCTION")
    try:
        imported = importlib.import_module(module)
    except (Exception, SystemExit) as error:
        raise ConfigError(f"{where}: {_said(error)}{_line(error)}") from None
    function = getattr(imported, name, None)
    if function is None:
        raise ConfigError(f"{where}: the module {module} has no {name}")
    try:
        inspect.signature(function)
    except (TypeError, ValueError):  # no function, or one whose arguments cannot be known
        kind = type(function).__name__
        raise ConfigError(f"{where}: of type {kind}; allowed is a function") from None
    return function  # type: ignore[no-any-return]


def name_of(function: Function) -> str:
    """`mine.load (mine.py:12)`: the function with the line of its definition."""
    name = f"{function.__module__}.{getattr(function, '__qualname__', type(function).__name__)}"
    place = inspect.unwrap(function)
    try:
        return f"{name} ({_shown(inspect.getfile(place))}:{inspect.getsourcelines(place)[1]})"
    except (TypeError, OSError):  # compiled, or typed into an interpreter
        return name


def call(function: Function, arguments: Mapping[str, Any]) -> tuple[Any, list[str]]:
    """What a function of data returns, and the texts of the warnings that it gave.

    Raises
    ------
    DataError
        When it takes other arguments, or raises anything: in one line, with the line of its code.
    """
    try:
        inspect.signature(function).bind(**arguments)
    except TypeError as error:
        raise DataError(f"{name_of(function)}: {error}") from None
    with warnings.catch_warnings(record=True) as given, in_one_line(function):
        warnings.simplefilter("always")
        returned = function(**arguments)
    # Only what is meant for users: libraries tell each other of deprecations.
    return returned, [str(w.message) for w in given if issubclass(w.category, UserWarning)]


@contextlib.contextmanager
def in_one_line(function: Function) -> Iterator[None]:
    """Turn whatever the function raises in the block into a DataError with the line of its code."""
    try:
        yield
    except RunnerError:
        raise
    except (Exception, SystemExit) as error:
        at = _line(error)
        raise DataError(f"{name_of(function)} raised {_said(error)}{at}") from error


def _said(error: BaseException) -> str:
    text = short_text(" ".join(str(error).split()), longest=300)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _line(error: BaseException) -> str:
    """` (mine.py:17)`: the last line of a user's code that led to the error, if any did."""
    if isinstance(error, SyntaxError) and error.filename:
        return f" ({_shown(error.filename)}:{error.lineno})"
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not any(Path(frame.filename).is_relative_to(place) for place in _NOT_THE_USERS)
    ]
    return f" ({_shown(frames[-1].filename)}:{frames[-1].lineno})" if frames else ""


def _shown(file: str) -> str:
    """A path as short as it is clear: relative to the working directory where it is below it."""
    path = Path(os.path.abspath(file))
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
