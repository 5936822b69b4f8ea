"""An MLflow store: its client, the store itself where there is none yet, its experiment."""

import contextlib
import errno
import gc
import http.client
import logging
import os
import re
import sqlite3
import sys
import time
import urllib.error
import uuid
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from filelock import FileLock, Timeout

from runner.errors import RunnerError, StoreError, without_password
from runner.state.root import Root
from runner.system.faults import crash_point
from runner.system.files import NO_INODES, lacks_inodes, no_room, sync_folder
from runner.tracking.store import address, sqlite

if TYPE_CHECKING:
    from mlflow import MlflowClient

_WAITS_S = (0.5, 2.0)
T = TypeVar("T")

# Set before MLflow is imported. The journal keeps everything, so that a call may give up early. A
# value that is too long is an error and is not silently cut. No telemetry is sent.
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_TRUNCATE_LONG_VALUES": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "GIT_PYTHON_REFRESH": "quiet",
}


def connect(uri: str | None, root: Root, to_read: bool = False) -> "MlflowClient":
    """A client for the store: the local one, created when it is not there, or a server.

    Parameters
    ----------
    to_read
        Leave the addresses in a local store as they are, though its root was moved.

    Raises
    ------
    StoreError
        When it cannot be used, in seconds, before anything is trained.
    """
    before_import()
    address.check(uri, root)
    file = address.sqlite_file(uri, root)
    if file is None:
        assert uri is not None
        return client_of(uri)
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        _create(file)
    elif uri is None and not to_read:
        tell_put_right(root)
    return client_of(address.sqlite_uri(file))


def before_import() -> None:
    """Set what MLflow reads when it is imported, and quiet it."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    # Not what somebody asked for by PYTHONWARNINGS=error: warnings between packages.
    warnings.filterwarnings("ignore", module="mlflow|sqlalchemy|alembic")
    # MLflow logs many lines about a store that is away; the display says it in one.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    for noisy in ("alembic", "mlflow.store.tracking.sqlalchemy_store"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def tell_put_right(root: Root) -> None:
    """Put the local store's addresses right after its root was moved, and say so in a line.

    Raises
    ------
    StoreError
        When the store is kept locked.
    """
    try:
        told = address.put_right(root)
    except sqlite3.Error as error:
        why = sqlite.LOCKED if sqlite.is_locked(error) else f"cannot be written to ({error})"
        raise StoreError(f"{root.database} {why}") from error
    if told:
        print(f"runner: {told}", file=sys.stderr, flush=True)


def experiment_id(client: "MlflowClient", name: str, uri: str | None, root: Root) -> str:
    """The MLflow experiment of that name, created when it is not there."""
    from mlflow.exceptions import MlflowException

    def find() -> Any:
        return client.get_experiment_by_name(name)

    found = find()
    if found is None:
        location = root.artifacts.as_uri() if address.sqlite_file(uri, root) else None
        try:
            return str(client.create_experiment(name, artifact_location=location))
        except MlflowException:  # another process was first
            found = find()
            if found is None:
                raise
    if found.lifecycle_stage != "active":
        raise StoreError(
            f"tracking.experiment={name} was deleted in MLflow; restore it"
            f" (mlflow experiments restore -x {found.experiment_id}) or give another name"
        )
    return str(found.experiment_id)


def local_experiment_id(name: str, root: Root) -> int:
    """The number of an experiment of the local store, read without MLflow.

    Raises
    ------
    StoreError
        When there is no such store or experiment.
    """
    path = root.database
    if not path.exists():
        raise StoreError(f"{path}: there is no tracking store yet; train something first")
    address.check_sqlite(path)
    with contextlib.closing(sqlite.to_read(path)) as file:
        found = file.execute(
            "select experiment_id from experiments where name = ?", (name,)
        ).fetchone()
    if found is None:
        raise StoreError(
            f"{path}: there is no experiment {name}; train something first, or give --experiment"
        )
    return int(found[0])


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


def client_of(uri: str) -> "MlflowClient":
    """A client for a store that was checked; StoreError when it does not take the first call."""
    try:
        # MLflow makes hundreds of thousands of objects that live to the end. Collecting garbage
        # among them, while they are made and at exit, takes half as long as the import.
        gc.disable()
        try:
            from mlflow import MlflowClient

            client = MlflowClient(tracking_uri=uri)
        finally:
            gc.enable()
            gc.freeze()
        client.search_experiments(max_results=1)
    except Exception as error:
        raise StoreError(f"tracking store {without_password(uri)}: {in_short(error)}") from error
    return client


def close(client: "MlflowClient") -> None:
    """Close a client's connections to a SQLite file, which then may be renamed."""
    client._tracking_client.store.engine.dispose()


def locked(path: Path) -> FileLock:
    """The lock under which a SQLite store is made or replaced."""
    return FileLock(str(path.with_name(path.name + ".lock")))


def tidy(path: Path) -> None:
    """Remove what a process that was killed left of a store; the caller holds the lock."""
    for left in path.parent.iterdir():
        if left.name.startswith(f".{path.name}.") and ".tmp" in left.name:
            left.unlink(missing_ok=True)


@contextlib.contextmanager
def made_beside(path: Path) -> Iterator[Path]:
    """Yield a private file's name; the file becomes the store at the end of the block.

    The caller holds the lock. SQLite's connections must be closed before the file gets its name.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        yield beside
        with open(beside, "rb+") as file:
            os.fsync(file.fileno())
        os.rename(beside, path)
    finally:
        for suffix in ("", "-journal", "-wal", "-shm"):
            beside.with_name(beside.name + suffix).unlink(missing_ok=True)
    sync_folder(path.parent)


def _create(path: Path) -> None:
    """Migrate a private file and rename it, so that no process sees a store that is half made.

    MLflow migrates in place: two processes at once, or one that is killed, break the file for good.
    """
    with locked(path):
        if path.exists():
            return
        tidy(path)
        with made_beside(path) as beside:
            client = client_of(address.sqlite_uri(beside))
            crash_point("store_init_half")
            close(client)
