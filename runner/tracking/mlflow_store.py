"""The MLflow store: where it is, and a client for it once it is known to work."""

import contextlib
import gc
import logging
import os
import re
import sqlite3
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from filelock import FileLock

from runner.errors import RunnerError, StoreError, without_password
from runner.faults import crash_point
from runner.files import sync_folder, unwritable
from runner.state.root import Root
from runner.tracking import sqlite

if TYPE_CHECKING:
    from mlflow import MlflowClient

#: So long a server may take to answer before anything is trained, and while a sweep is under way; and so long somebody
#: else may keep a file locked before the store counts as away.
_PROBE_S, _PATIENT_S, _LOCKED_S = 5.0, 10.0, 8.0
_SMALL_BYTES = 64 * 2**20
_WAITS_S = (0.5, 2.0)
T = TypeVar("T")

# Set before MLflow is imported. The journal keeps everything, so a call may give up early; what is too long
# is an error and not silently cut; nothing is sent anywhere.
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


def shown(uri: str | None, root: Root) -> str:
    """Where the store is, without secrets."""
    return without_password(uri) if uri else str(root.database)


def sqlite_file(uri: str | None, root: Root) -> Path | None:
    """The file of a SQLite store, the local one when `uri` is None; None for a server or another database."""
    if uri is None:
        return root.database
    if not uri.startswith("sqlite:"):
        return None
    from sqlalchemy.engine import make_url

    name = make_url(uri).database
    if not name:
        raise StoreError(f"tracking.uri={uri}: names no file; write sqlite:////ABSOLUTE/PATH.db")
    return Path(name).resolve()


def sqlite_uri(path: Path) -> str:
    """The SQLAlchemy URL of a SQLite file, right for paths with `?`, `%20`, `#` or spaces too."""
    from sqlalchemy.engine import URL

    return URL.create("sqlite+pysqlite", database=str(path)).render_as_string(hide_password=False)


def check(uri: str | None, root: Root) -> None:
    """Refuse a store that cannot work, in seconds, before anything is written.

    Raises
    ------
    StoreError
        A server that does not answer, a file that is not a store, a path that cannot hold one.
    """
    file = sqlite_file(uri, root)
    if file is not None:
        _check_path(file)
        if file.exists():
            _check_sqlite(file)
    elif _is_server(uri):
        try:
            _ask(str(uri), _PROBE_S)
        except (OSError, ValueError) as error:
            raise StoreError(
                f"tracking.uri={without_password(str(uri))} cannot be reached ({error}); start the server, or leave"
                " tracking.uri out for the local store"
            ) from error


def probe(uri: str | None, root: Root) -> None:
    """Nothing when the store can be written to now; found out in seconds, where MLflow takes twenty and more.

    Raises
    ------
    OSError, sqlite3.Error
        A server that does not answer, a file that somebody else keeps locked.
    """
    file = sqlite_file(uri, root)
    if file is not None:
        sqlite.wait_to_write(file, _LOCKED_S)
    elif _is_server(uri):
        _ask(str(uri), _PATIENT_S)


def connect(uri: str | None, root: Root) -> "MlflowClient":
    """A client for the store: the local one under the root, created when it is not there, or a server.

    Raises
    ------
    StoreError
        When it cannot be used; found out in seconds, before anything is trained.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    check(uri, root)
    file = sqlite_file(uri, root)
    if file is None:
        assert uri is not None
        return _client(uri)
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        _create(file)
    return _client(sqlite_uri(file))


def experiment_id(client: "MlflowClient", name: str, uri: str | None, root: Root) -> str:
    """The MLflow experiment of that name, created when it is not there."""
    from mlflow.exceptions import MlflowException

    def find() -> Any:
        return client.get_experiment_by_name(name)

    found = find()
    if found is None:
        location = root.artifacts.as_uri() if sqlite_file(uri, root) else None
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
    _check_sqlite(path)
    with contextlib.closing(sqlite.to_read(path)) as file:
        found = file.execute("select experiment_id from experiments where name = ?", (name,)).fetchone()
    if found is None:
        raise StoreError(f"{path}: there is no experiment {name}; train something first, or give --experiment")
    return int(found[0])


def insist(call: Callable[[], T], uri: str) -> T:
    """Do something that the store is needed for, and that may be done twice: up to three times within seconds.

    Raises
    ------
    StoreError
        When it will not, in one line and without the password that is in MLflow's own.
    """
    for wait_s in (*_WAITS_S, None):
        try:
            return call()
        except RunnerError:
            raise
        except Exception as error:
            if wait_s is None:
                raise StoreError(f"tracking store {without_password(uri)}: {in_short(error)}") from error
            time.sleep(wait_s)
    raise AssertionError


def in_short(error: Exception) -> str:
    """One line for the display, without passwords, SQLAlchemy's advice, and the statement that it quotes."""
    text = " ".join(without_password(str(error)).split()).partition(" [SQL")[0]
    return re.sub(r" ?\((raised as a result of|Background on this error)[^()]*\) ?", "", text)[:400]


def _client(uri: str) -> "MlflowClient":
    # What MLflow would log of a store that is away, many lines a time, the display says in one.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    for noisy in ("alembic", "mlflow.store.tracking.sqlalchemy_store"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    try:
        # MLflow brings hundreds of thousands of objects that stay to the end: looking through them for garbage
        # while they are made, and once more at exit, takes as long as half of its import.
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


def _create(path: Path) -> None:
    """Migrate a private file and rename it: nobody ever sees a store that is half made.

    MLflow migrates in place; two processes doing so at once, or one that is killed, break the file for good.
    """
    with FileLock(str(path.with_name(path.name + ".lock"))):
        if path.exists():
            return
        # Only the holder of the lock creates: what is half made was left by one that was killed.
        for left in path.parent.iterdir():
            if left.name.startswith(f".{path.name}.") and ".tmp" in left.name:
                left.unlink(missing_ok=True)
        beside = path.with_name(f".{path.name}.{os.getpid()}.{uuid.uuid4().hex[:8]}.tmp")
        try:
            client = _client(sqlite_uri(beside))
            crash_point("store_init_half")
            # SQLite's connections must be closed before the file gets its name.
            client._tracking_client.store.engine.dispose()
            with open(beside, "rb+") as file:
                os.fsync(file.fileno())
            os.rename(beside, path)
        finally:
            for suffix in ("", "-journal", "-wal", "-shm"):
                beside.with_name(beside.name + suffix).unlink(missing_ok=True)
        sync_folder(path.parent)


def _check_path(path: Path) -> None:
    if "\n" in str(path) or "\r" in str(path):
        raise StoreError(f"{str(path)!r}: a store's path cannot hold a line break; give another runner.root")
    is_closed = path.exists() and not os.access(path, os.W_OK)
    refused = f"{path} cannot be written to" if is_closed else unwritable(path.parent)
    if refused:
        raise StoreError(f"the tracking store {path} has to be written to: {refused}; give another one")


def _check_sqlite(path: Path) -> None:
    tables: set[str] = set()
    whole = False
    # Read-only: MLflow itself would put its tables into whatever database it is given.
    try:
        with contextlib.closing(sqlite.to_read(path)) as file:
            tables = {name for (name,) in file.execute("select name from sqlite_master")}
            n_bytes = file.execute("pragma page_count").fetchone()[0] * file.execute("pragma page_size").fetchone()[0]
            whole = path.stat().st_size >= n_bytes
            # Looked through where that takes a fraction of a second.
            if whole and n_bytes <= _SMALL_BYTES:
                whole = file.execute("pragma quick_check(1)").fetchone() == ("ok",)
    except sqlite3.Error as error:
        if sqlite.is_locked(error):
            raise StoreError(f"{path} {sqlite.LOCKED}") from error
        whole = False
    if not whole or not {"alembic_version", "experiments", "runs"} <= tables:
        raise StoreError(f"not a usable MLflow store: {path}; it is left as it is: move it away or give tracking.uri")


def _is_server(uri: str | None) -> bool:
    return uri is not None and uri.startswith(("http://", "https://"))


def _ask(uri: str, seconds: float) -> None:
    # A server that is not there is noticed here in seconds; MLflow's own client would try for minutes.
    bare = re.sub(r"//[^/@]*@", "//", uri)
    try:
        urllib.request.urlopen(bare.rstrip("/") + "/health", timeout=seconds).close()
    except urllib.error.HTTPError:
        pass  # it answers; whether it lets this user in is for the client to say
