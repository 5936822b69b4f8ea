"""A tracking store in a SQL database, read by four queries for any number of runs."""

import contextlib
import sqlite3
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from analysis.read.store import Row, StoredRun, no_experiment
from runner.errors import StoreError, without_password
from runner.state.root import ARTIFACTS
from runner.tracking.store import schema, sqlite

#: Of millions: one at a time takes half as long again, ten thousand are collected as garbage.
_ROWS_A_FETCH = 500


class Database:
    """An experiment in a database of MLflow's."""

    def __init__(
        self, connection: Connection, experiment_id: int, folder: Path | None = None
    ) -> None:
        self._connection, self._experiment_id = connection, experiment_id
        #: Where the database's file lies, if it is one.
        self._folder = folder

    def tagged(self, tag: str) -> list[StoredRun]:
        """As `Store.tagged`."""
        query = text(
            "select r.run_uuid, r.name, r.artifact_uri, r.start_time, r.end_time, t.key, t.value"
            " from runs r join tags t on t.run_uuid = r.run_uuid"
            " where r.experiment_id = :experiment and r.lifecycle_stage = 'active'"
            " and t.run_uuid in (select run_uuid from tags where key = :tag)"
        )
        runs: dict[str, StoredRun] = {}
        values = {"experiment": self._experiment_id, "tag": tag}
        for *run, key, value in self._connection.execute(query, values):
            runs.setdefault(run[0], StoredRun(*run)).tags[key] = value
        return [replace(run, artifact_uri=self._place(run.artifact_uri)) for run in runs.values()]

    def rows(self, runs: Collection[StoredRun]) -> Iterable[Row]:
        """As `Store.rows`: all of the experiment, because a query can name only so many runs."""
        query = text(
            "select m.run_uuid, m.key, m.step, m.timestamp, m.value, m.is_nan"
            " from metrics m join runs r on r.run_uuid = m.run_uuid"
            " where r.experiment_id = :experiment and r.lifecycle_stage = 'active'"
        )
        found = self._connection.execute(query, {"experiment": self._experiment_id})
        for part in found.partitions(_ROWS_A_FETCH):
            for run_id, metric, step, time_ms, value, is_nan in part:
                yield run_id, metric, step, time_ms, np.nan if is_nan else value

    def artifact(self, run: StoredRun, name: str) -> bytes:
        """As `Store.artifact`, from folders of this machine."""
        return local_artifact(run.artifact_uri, name, self._folder).read_bytes()

    def _place(self, artifact_uri: str) -> str:
        """Where a run's artifacts are: in a store with its root, below the root.

        The address that MLflow recorded is absolute, and wrong once the root was moved or copied.
        """
        _, kept, below = artifact_uri.rpartition(f"/{ARTIFACTS}/")
        is_here = kept and self._folder is not None and (self._folder / ARTIFACTS).is_dir()
        return f"{ARTIFACTS}/{below}" if is_here else artifact_uri


def local_artifact(artifact_uri: str, name: str, folder: Path | None = None) -> Path:
    """The path of an artifact on this machine; OSError for one on another machine.

    Parameters
    ----------
    folder
        That of the database, where the address is one below it.
    """
    parts = urlsplit(artifact_uri)
    if folder is not None and artifact_uri.startswith(f"{ARTIFACTS}/"):
        return folder / unquote(artifact_uri) / name
    if parts.scheme not in ("", "file"):
        raise FileNotFoundError(f"{artifact_uri} is on another machine")
    return Path(unquote(parts.path) if parts.scheme else artifact_uri) / name


@contextlib.contextmanager
def opened(uri: str, experiment: str) -> Iterator[Database]:
    """An experiment by name, for as long as the block lasts.

    Raises
    ------
    StoreError
        When there is no database of MLflow's or no such experiment, and for any error of the
        database within the block.
    """
    try:
        with _connected(uri) as connection:
            query = text("select experiment_id from experiments where name = :name")
            row = connection.execute(query, {"name": experiment}).fetchone()
            if row is None:
                raise no_experiment(uri, experiment)
            url = make_url(uri)
            is_file = url.get_backend_name() == "sqlite" and url.database
            folder = Path(url.database or "").resolve().parent if is_file else None
            yield Database(connection, row[0], folder)
    except (SQLAlchemyError, sqlite3.Error) as error:
        if sqlite.is_locked(error):
            raise StoreError(f"{without_password(uri)} {sqlite.LOCKED}") from error
        why = " ".join(str(error).split())[:200]
        raise StoreError(
            f"not a usable MLflow store: {without_password(uri)} ({why}); it is left as it is"
        ) from error


@contextlib.contextmanager
def _connected(uri: str) -> Iterator[Connection]:
    if make_url(uri).get_backend_name() == "sqlite":
        path = Path(make_url(uri).database or "").resolve()
        if not path.is_file():
            raise StoreError(
                f"{path}: there is no tracking store yet; train a sweep first, or give --root"
            )
        schema.check(path)
        engine = create_engine("sqlite://", creator=lambda: sqlite.to_read(path))
    else:
        engine = create_engine(uri)
    with contextlib.closing(engine.connect()) as connection:
        yield connection
    engine.dispose()
