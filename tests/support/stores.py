"""The stores that the tracker's tests run on: a pytest plugin, named by each module that uses it.

The local SQLite file, and in the tier `server` MLflow's server on PostgreSQL, as
`runner.server` starts it.
"""

import contextlib
import os
import sqlite3
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from replays import in_process, writer_of
from servers import LabServer

from runner.errors import ConfigError
from runner.server.postgresql import Cluster
from runner.state.root import Root
from runner.tracking.store import mlflow_store as store


@pytest.fixture(scope="session")
def lab_folder():
    """A folder for servers. For root PostgreSQL runs as another account, which pytest's bars."""
    try:
        Cluster(Path("nowhere"))
    except ConfigError as error:
        pytest.skip(f"no server can be started here: {error}")
    pytest.importorskip("psycopg", reason="psycopg is not installed: pip install 'psycopg[binary]'")
    with tempfile.TemporaryDirectory(prefix="servers-", dir="/tmp") as folder:
        os.chmod(folder, 0o711)
        yield Path(folder)


@pytest.fixture(scope="session")
def lab_server(lab_folder):
    """A server of the session; a test that uses it empties its store first."""
    server = LabServer(lab_folder / "lab")
    server.begin()
    yield server
    assert server.end() == 0


@pytest.fixture(scope="module")
def killed_server(lab_folder):
    """A server that a module's tests may kill; a test that uses it empties its store first."""
    server = LabServer(lab_folder / "killed")
    server.begin()
    yield server
    server.end()


@dataclass(frozen=True)
class Copied:
    """The state of a sweep that is trained, and a store of its own."""

    root: Path
    #: None for the local store.
    uri: str | None
    #: What `commands.query` takes.
    database: Path | str
    #: The folder in which each run has one of its own.
    artifacts: Path

    def sync(self):
        return in_process(self.root, self.uri)

    def client(self):
        return store.connect(self.uri, Root(self.root))

    def writer(self):
        """A writer, with the sweep opened in the store."""
        return writer_of(self.root, self.uri)

    def artifacts_of(self, run_id):
        (folder,) = self.artifacts.glob(f"**/{run_id}/artifacts")
        return folder

    @contextlib.contextmanager
    def changed(self):
        """A connection whose changes are kept."""
        if self.uri:
            import psycopg

            with psycopg.connect(self.database) as connection:
                yield connection
        else:
            with contextlib.closing(sqlite3.connect(self.database)) as connection, connection:
                yield connection


@pytest.fixture(params=["sqlite", pytest.param("server", marks=pytest.mark.server)])
def copied(request, main_job, new_root):
    """The main job's state, and an empty store."""
    root = new_root(state=main_job.root)
    if request.param == "sqlite":
        return Copied(root, None, Root(root).database, Root(root).artifacts)
    server = request.getfixturevalue("lab_server")
    server.empty()
    return Copied(root, server.uri, server.database, server.artifacts)
