"""Calls to a tracking store: made again, and in words what came of one that failed."""

import errno
import http.client
import re
import time
import urllib.error
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from filelock import Timeout

from runner.errors import RunnerError, StoreError, without_password
from runner.state.root import Root
from runner.system.files import NO_INODES, lacks_inodes, no_room
from runner.tracking.store import sqlite

_WAITS_S = (0.5, 2.0)
T = TypeVar("T")


def insist(call: Callable[[], T], uri: str) -> T:
    """Make a call that may be repeated, up to three times within seconds.

    Raises
    ------
    StoreError
        When it fails each time, in one line without passwords.
    """
    for wait_s in (*_WAITS_S, None):
        try:
            return call()
        except RunnerError:
            raise
        except Exception as error:
            if wait_s is None:
                is_full = _found_no_inode(_origin(error), Path(uri).parent)
                why = NO_INODES if is_full else in_short(error)
                raise StoreError(f"tracking store {without_password(uri)}: {why}") from error
            time.sleep(wait_s)
    raise AssertionError


#: The codes by which MLflow says that the same call may succeed later. Any other code is a refusal.
_OUTAGES = (
    "INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE", "WORKSPACE_TEMPORARILY_UNAVAILABLE",
    "SERVICE_UNDER_MAINTENANCE", "DEADLINE_EXCEEDED", "REQUEST_LIMIT_EXCEEDED",
    "RESOURCE_EXHAUSTED", "ABORTED", "CANCELLED",
)  # fmt: skip
#: What the standard library raises where a server cannot be reached.
_UNREACHED = (ConnectionError, TimeoutError, urllib.error.URLError, http.client.HTTPException)


def failure(error: Exception, root: Root | None = None) -> str:
    """What came of a call that failed: only what may pass by itself is called an outage.

    Parameters
    ----------
    root
        Whose file system is looked at where SQLite cannot say why it opens no file.
    """
    why, cause = in_short(error), _origin(error)
    if isinstance(cause, RunnerError):  # a sentence of ours
        return why
    number = getattr(cause, "errno", None)
    if NO_INODES in why or (root and _found_no_inode(cause, root.path)):
        return f"the store's file system takes no more files ({NO_INODES})"
    if sqlite.is_locked(error) or isinstance(error, Timeout) or "database is locked" in why:
        return f"the store is kept locked by another process ({why})"
    if "disk is full" in why or number in (errno.ENOSPC, errno.EDQUOT):
        return f"the store's disk is full ({why})"
    if number and isinstance(cause, OSError) and cause.filename:
        return f"{cause.filename} cannot be used ({cause.strerror})"
    if _is_refusal(error):
        return f"the store refuses it ({why})"
    if isinstance(cause, _UNREACHED) or _is_outage(error, cause):
        return f"the store went away ({why})"
    return f"it could not be recorded ({type(cause).__name__}: {why})"


def _origin(error: BaseException) -> BaseException:
    """The error that MLflow and SQLAlchemy wrapped."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _found_no_inode(cause: BaseException, folder: Path) -> bool:
    """Whether SQLite could make no file beside its own for that reason, which it does not tell."""
    is_closed = getattr(cause, "sqlite_errorname", "") == "SQLITE_CANTOPEN"
    return is_closed and folder.is_dir() and lacks_inodes(folder)


def _is_refusal(error: Exception) -> bool:
    code = getattr(error, "error_code", None)
    if isinstance(code, str):
        return code not in _OUTAGES
    # The client of MLflow's artifacts raises an error of the package requests.
    status = getattr(getattr(error, "response", None), "status_code", 0)
    return 400 <= status < 500 and status != 429


def _is_outage(error: Exception, cause: BaseException) -> bool:
    # MLflow says INTERNAL_ERROR of an error in its own code, too, and wraps that.
    if getattr(error, "error_code", None) in _OUTAGES:
        return cause is error or _is_of_database(cause)
    return hasattr(error, "response") or _is_of_database(cause)


def _is_of_database(error: BaseException) -> bool:
    """Whether a driver says that its database does not work now: PEP 249 has the name."""
    return any(base.__name__ == "OperationalError" for base in type(error).__mro__)


def in_short(error: Exception) -> str:
    """An error in one line, without passwords, SQLAlchemy's advice and the SQL that it quotes."""
    if isinstance(error, OSError) and error.filename:
        error = no_room(error, Path(error.filename))
    text = " ".join(without_password(str(error)).split()).partition(" [SQL")[0]
    return re.sub(r" ?\((raised as a result of|Background on this error)[^()]*\) ?", "", text)[:400]
