"""SQLite files without MLflow: read as their last whole transaction left them, never written."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

#: Seconds to wait while another process writes.
_WAIT_S = 10
#: The message for a file that `is_locked`.
LOCKED = (
    "is kept locked by another process; wait for its end, or end it, and type the command again"
)


def to_read(path: Path) -> sqlite3.Connection:
    """A connection that cannot write.

    A writer that was killed within a transaction leaves half of it in the file, and SQLite's
    rollback journal beside it. SQLite rolls it back for the next connection that may write, and
    refuses one that may not; so this function first opens the file for writing once.

    Raises
    ------
    sqlite3.Error
        When it is no SQLite file, or needs a rollback and may not be written.
    """
    connection = _connect(path, "ro")
    try:
        connection.execute("select 1 from sqlite_master").fetchone()
    except sqlite3.OperationalError as error:
        connection.close()
        if error.sqlite_errorname != "SQLITE_READONLY_ROLLBACK":
            raise
        with contextlib.closing(_connect(path, "rw")) as writer:
            writer.execute("select 1 from sqlite_master").fetchone()
        return _connect(path, "ro")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def to_write(path: Path) -> sqlite3.Connection:
    """A connection to a file that is there, in which each statement is a transaction of its own."""
    return _connect(path, "rw")


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """What is done in the block is there whole, or not at all."""
    connection.execute("begin immediate")
    try:
        yield
    except BaseException:
        connection.execute("rollback")
        raise
    connection.execute("commit")


def is_locked(error: BaseException | None) -> bool:
    """Whether the error, or one that it wraps, says that another process keeps the file locked."""
    while error is not None:
        if getattr(error, "sqlite_errorname", "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            return True
        error = error.__cause__
    return False


def wait_to_write(path: Path, seconds: float) -> None:
    """Return once no other process is writing, within so many seconds.

    Raises
    ------
    sqlite3.Error
        When another process still is, or it is no SQLite file.
    """
    with contextlib.closing(_connect(path, "rw", seconds)) as connection:
        connection.execute("begin immediate")
        connection.execute("rollback")


def _connect(path: Path, mode: str, seconds: float | None = None) -> sqlite3.Connection:
    wait_s = _WAIT_S if seconds is None else seconds
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=wait_s, isolation_level=None
    )
