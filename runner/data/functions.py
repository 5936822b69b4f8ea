"""Functions by import path, one's own above all: found, called, and named in an error."""

import contextlib
import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from runner.errors import ConfigError, DataError, RunnerError, short_text
from runner.system import user_code

Function = Callable[..., Any]


def find(key: str, target: str) -> Function:
    """The function that a key of a configuration names, such as `mine.load`.

    Raises
    ------
    ConfigError
        When there is none, or its module cannot be imported: with file and line.
    """
    where = f"{key}={short_text(target)}"
    try:
        function = user_code.find(target)
    except user_code.NotFound as error:
        raise ConfigError(f"{where}: {error}") from None
    try:
        inspect.signature(function)
    except (TypeError, ValueError):  # no function, or one whose arguments cannot be known
        kind = type(function).__name__
        raise ConfigError(f"{where}: of type {kind}; allowed is a function") from None
    return function  # type: ignore[no-any-return]


def name_of(function: Function) -> str:
    """`mine.load (mine.py:12)`: the function with the line of its definition."""
    name = f"{function.__module__}.{getattr(function, '__qualname__', type(function).__name__)}"
    defined = inspect.unwrap(function)
    try:
        line = inspect.getsourcelines(defined)[1]
        return f"{name} ({user_code.place(inspect.getfile(defined), line)})"
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
        raise DataError(f"{name_of(function)} raised {user_code.raised(error)}") from error
