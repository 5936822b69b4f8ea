"""Where a tracking store is, and whether it can be used, before anything is written."""

import contextlib
import os
import re
import sqlite3
import urllib.error
import urllib.request
from pathlib import Path

from runner.errors import StoreError, without_password
from runner.state.root import ARTIFACTS, Root
from runner.system.command import command_of
from runner.system.files import unwritable
from runner.system.mounts import network_file_system
from runner.tracking.store import schema, sqlite
from runner.tracking.store.arguments import URI_VARIABLE

#: How long a server may take to answer before anything is trained, and while a sweep trains; and
#: how long another process may keep a file locked before the store counts as away.
_PROBE_S, _PATIENT_S, _LOCKED_S = 5.0, 10.0, 8.0
#: Where MLflow keeps absolute addresses of artifacts: table and column.
_ADDRESSES = (("experiments", "artifact_location"), ("runs", "artifact_uri"))
#: SQLite checks a file of this size in a fraction of a second.
_SMALL_BYTES = 64 * 2**20


def shown(uri: str | None, root: Root) -> str:
    """Where the store is, without secrets."""
    return without_password(uri) if uri else str(root.database)


def sqlite_file(uri: str | None, root: Root) -> Path | None:
    """The file of a SQLite store, the local one for None; None for a server or another database."""
    if uri is None:
        return root.database
    if re.match(r"sqlite(\+\w+)?:", uri) is None:
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


def check(uri: str | None, root: Root, any_schema: bool = False) -> None:
    """Refuse a store that cannot work, in seconds, before anything is written.

    Parameters
    ----------
    any_schema
        Take a file of another MLflow, too.

    Raises
    ------
    StoreError
        A server that does not answer, a file that is not a store or is one of another MLflow, a
        path that cannot hold one, such as one on a network file system.
    """
    file = sqlite_file(uri, root)
    if file is not None:
        _check_path(file)
        if file.exists():
            (_check_whole if any_schema else check_sqlite)(file)
    elif is_server(uri):
        try:
            _ask(str(uri), _PROBE_S)
        except (OSError, ValueError) as error:
            raise StoreError(
                f"tracking.uri={without_password(str(uri))}{_origin(uri)} cannot be reached"
                f" ({error}); start the server, or give tracking.uri=null for the local store"
            ) from error
    elif re.match(r"(postgresql|mysql|mssql)\b", str(uri)):
        schema.check_database(str(uri))


def put_right(root: Root) -> str | None:
    """Make the local store's addresses those of its root, which may have been moved or copied.

    MLflow records where each run's artifacts are, as an absolute address, and writes there.

    Returns
    -------
    What was put right, for people; None where nothing was.
    """
    here, changed = root.artifacts.as_uri(), []
    with contextlib.closing(sqlite.to_write(root.database)) as store:
        question = "select distinct artifact_location from experiments"
        for (location,) in store.execute(question).fetchall():
            if location == here or not str(location).endswith(f"/{ARTIFACTS}"):
                continue
            with sqlite.transaction(store):
                for table, column in (
                    ("experiments", "artifact_location"),
                    ("runs", "artifact_uri"),
                ):
                    store.execute(
                        f"update {table} set {column} = ? || substr({column}, ?)"
                        f" where {column} = ? or substr({column}, 1, ?) = ?",
                        (here, len(location) + 1, location, len(location) + 1, f"{location}/"),
                    )
            changed.append(location)
    if not changed:
        return None
    return f"{root.database}: its artifacts are in {root.artifacts} now, no longer in {changed[0]}"


def probe(uri: str | None, root: Root) -> None:
    """Raise within seconds when the store cannot be written to; MLflow takes twenty and more.

    Raises
    ------
    OSError, sqlite3.Error
        A server that does not answer, a file that another process keeps locked.
    """
    file = sqlite_file(uri, root)
    if file is not None:
        sqlite.wait_to_write(file, _LOCKED_S)
    elif is_server(uri):
        _ask(str(uri), _PATIENT_S)


def _check_path(path: Path) -> None:
    if "\n" in str(path) or "\r" in str(path):
        raise StoreError(
            f"{str(path)!r}: a store's path cannot hold a line break; give another runner.root"
        )
    if kind := network_file_system(path):
        raise StoreError(
            f"{path} would be SQLite on a network file system ({kind}), whose locks may not hold:"
            " give tracking.uri=http://HOST:PORT of a server"
            f" ({command_of('runner.server')} starts one), or tracking.uri=sqlite:////PATH.db in a"
            " folder of this machine"
        )
    is_closed = path.exists() and not os.access(path, os.W_OK)
    refused = f"{path} cannot be written to" if is_closed else unwritable(path.parent)
    if refused:
        raise StoreError(
            f"the tracking store {path} has to be written to: {refused}; give another one"
        )


def check_sqlite(path: Path) -> None:
    """Refuse a SQLite file that is not a store, is damaged, or is one of another MLflow.

    Raises
    ------
    StoreError
    """
    _check_whole(path)
    schema.check(path)


def _check_whole(path: Path) -> None:
    tables: set[str] = set()
    whole = False
    # Read-only: MLflow itself would put its tables into whatever database it is given.
    try:
        with contextlib.closing(sqlite.to_read(path)) as file:
            tables = {name for (name,) in file.execute("select name from sqlite_master")}
            n_bytes = (
                file.execute("pragma page_count").fetchone()[0]
                * file.execute("pragma page_size").fetchone()[0]
            )
            whole = path.stat().st_size >= n_bytes
            # The check of a small file takes a fraction of a second.
            if whole and n_bytes <= _SMALL_BYTES:
                whole = file.execute("pragma quick_check(1)").fetchone() == ("ok",)
    except sqlite3.Error as error:
        if sqlite.is_locked(error):
            raise StoreError(f"{path} {sqlite.LOCKED}") from error
        whole = False
    if not whole or not {"alembic_version", "experiments", "runs"} <= tables:
        raise schema.unusable(path)


def _origin(uri: str | None) -> str:
    return f" (from {URI_VARIABLE})" if uri == os.environ.get(URI_VARIABLE) else ""


def is_server(uri: str | None) -> bool:
    """Whether it is an MLflow server's address."""
    return uri is not None and uri.startswith(("http://", "https://"))


def _ask(uri: str, seconds: float) -> None:
    # MLflow's own client would try for minutes to reach a server that is not there.
    bare = re.sub(r"//[^/@]*@", "//", uri)
    try:
        urllib.request.urlopen(bare.rstrip("/") + "/health", timeout=seconds).close()
    except urllib.error.HTTPError:
        pass  # it answers; the client finds out whether it lets this user in
