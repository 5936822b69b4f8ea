"""The store of an older MLflow becomes one of the MLflow that is installed here.

MLflow migrates in place and step by step: killed in between, the file is of use to no MLflow. So a
copy is migrated, and takes the old file's name once it is whole.
"""

import contextlib
import os
import sqlite3
from pathlib import Path

from runner.errors import RunnerError, StoreError, without_password
from runner.state.root import Root
from runner.system.faults import crash_point
from runner.tracking.store import address, calls, schema, sqlite
from runner.tracking.store import mlflow_store as store

#: Of SQLite's, copied at a time.
_PAGES = 16


def upgrade(uri: str | None, root: Root) -> str:
    """Upgrade a SQLite store, and keep the old file beside it.

    A process that is killed leaves the old store or the new one, and the next call does the rest.
    No other process can write while this lasts. SQLite refuses what a process that had the old file
    open writes afterwards, because the file was renamed.

    Returns
    -------
    What was done, for people.

    Raises
    ------
    StoreError
        When the store is no file, is of a newer MLflow, is kept locked, or cannot be upgraded; it
        is left as it is.
    """
    path = address.sqlite_file(uri, root)
    if path is None:
        raise StoreError(
            f"{without_password(str(uri))}: --upgrade-store takes a SQLite file; back a database"
            " up, and type mlflow db upgrade URI"
        )
    if not path.exists():
        raise StoreError(f"{path}: there is no tracking store yet; train something first")
    address.check(uri, root, any_schema=True)
    try:
        with store.locked(path):
            return _upgrade(path)
    except (sqlite3.Error, OSError) as error:
        locked = sqlite.is_locked(error)
        why = sqlite.LOCKED if locked else f"cannot be upgraded ({error}); it is left as it is"
        raise StoreError(f"{path} {why}") from error


def _upgrade(path: Path) -> str:
    store.tidy(path)
    revision = schema.of(path)
    if revision == schema.newest():
        return f"{path} is a store of {schema.installed()} already; nothing to do"
    if not schema.is_known(revision):
        schema.check(path)
    kept = path.with_name(f"{path.name}.before-{schema.newest()}")
    # A call that was killed may have got so far: then it is this very file.
    if kept.exists() and not kept.samefile(path):
        raise StoreError(
            f"{kept} is there already, from another upgrade; move it away, and type the command"
            " again"
        )
    with contextlib.closing(sqlite.to_write(path)) as old:
        # The log of a store in WAL mode would be taken for one of the new file.
        if old.execute("pragma journal_mode = delete").fetchone() != ("delete",):
            raise StoreError(f"{path} {sqlite.LOCKED}")
        # Others can read, and nobody can write, until the file has its name.
        with sqlite.transaction(old), store.made_beside(path) as beside:
            crash_point("upgrade_locked")
            _copy(path, beside)
            crash_point("upgrade_copied")
            _migrate(path, beside)
            crash_point("upgrade_migrated")
            if not kept.exists():
                os.link(path, kept)
            crash_point("upgrade_kept")
        crash_point("upgrade_renamed")
    return f"{path} is a store of {schema.installed()} now; the old file is kept as {kept}"


def _copy(path: Path, beside: Path) -> None:
    # By SQLite itself: a process that opens and closes a file loses its locks on it.
    with (
        contextlib.closing(sqlite.to_read(path)) as source,
        contextlib.closing(sqlite3.connect(beside)) as copy,
    ):
        source.backup(copy, pages=_PAGES, progress=lambda *_: crash_point("upgrade_copying"))


def _migrate(path: Path, beside: Path) -> None:
    """Migrate the copy as MLflow does, and see that its client takes it."""
    store.before_import()
    uri = address.sqlite_uri(beside)
    try:
        from mlflow.store.db.utils import _upgrade_db
        from sqlalchemy import create_engine

        engine = create_engine(uri)
        try:
            _upgrade_db(engine)  # type: ignore[no-untyped-call]
        finally:
            engine.dispose()
        store.close(store.client_of(uri))
    except RunnerError:
        raise
    except Exception as error:
        raise StoreError(
            f"{path}: MLflow cannot upgrade it ({calls.in_short(error)}); it is left as it is"
        ) from error
