"""An MLflow store: its client, the store itself where there is none yet, its experiment."""

import contextlib
import gc
import logging
import os
import sqlite3
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from runner import words
from runner.errors import StoreError, without_password
from runner.state.root import Root
from runner.system.faults import crash_point
from runner.system.files import sync_folder
from runner.tracking.store import address, sqlite
from runner.tracking.store.calls import in_short

if TYPE_CHECKING:
    from mlflow import MlflowClient

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


def check(uri: str | None, root: Root, experiment: str) -> None:
    """Refuse a store that cannot work, as `address.check`; without MLflow, and writing nothing.

    Raises
    ------
    StoreError
        Also where the experiment was deleted, as far as that is seen in a local file.
    """
    address.check(uri, root)
    file = address.sqlite_file(uri, root)
    found = local_experiment(file, experiment) if file and file.exists() else None
    if found and found[1] != "active":
        raise _deleted(experiment, found[0])


def is_at_hand(uri: str | None, root: Root) -> bool:
    """Whether it is a file that is there: `check` then sees whatever may be wrong with it."""
    file = address.sqlite_file(uri, root)
    return file is not None and file.exists()


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
        raise _unusable(root.database, error, f"cannot be written to ({error})") from error
    if told:
        words.complain(told)


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
        raise _deleted(name, found.experiment_id)
    return str(found.experiment_id)


def _deleted(name: str, number: object) -> StoreError:
    return StoreError(
        f"tracking.experiment={name} was deleted in MLflow; restore it"
        f" (mlflow experiments restore -x {number}) or give another name"
    )


def local_experiment(path: Path, name: str) -> tuple[int, str] | None:
    """The number and the stage of a SQLite store's experiment, read without MLflow."""
    question = "select experiment_id, lifecycle_stage from experiments where name = ?"
    try:
        with contextlib.closing(sqlite.to_read(path)) as file:
            found: tuple[int, str] | None = file.execute(question, (name,)).fetchone()
    except sqlite3.Error as error:
        raise _unusable(path, error, f"cannot be read ({error})") from error
    return found


def _unusable(path: Path, error: sqlite3.Error, otherwise: str) -> StoreError:
    return StoreError(f"{path} {sqlite.LOCKED if sqlite.is_locked(error) else otherwise}")


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
    if (found := local_experiment(path, name)) is None:
        raise StoreError(
            f"{path}: there is no experiment {name}; train something first, or give --experiment"
        )
    return found[0]


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
