"""Which MLflow made a store: its schema's revision beside those of the MLflow installed here.

MLflow's client migrates a store of an older MLflow in place, unasked, and one that is killed then
leaves a store that no MLflow reads. A store does not hold the version of the MLflow that made it,
only the revision of its schema.
"""

import contextlib
import functools
import importlib.util
import re
import shlex
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from runner.errors import StoreError, without_password
from runner.state.root import Root
from runner.system.command import command_of
from runner.tracking.store import sqlite

#: The last revision of MLflow 2, written by 2.22.
_LAST_OF_2 = "0584bdc529eb"
_FIELD = re.compile(r'^(revision|down_revision) = "(\w+)"|^(Create Date): ([\d-]+)', re.MULTILINE)


@dataclass(frozen=True)
class _Migration:
    """A migration of the MLflow installed here."""

    revision: str
    #: The revision that it starts from; "" for the first.
    before: str
    #: When it was written, such as 2024-11-11.
    day: str


def check(path: Path) -> None:
    """Refuse a SQLite store of another MLflow, without importing MLflow.

    Raises
    ------
    StoreError
        In one line with both revisions, this MLflow's version and what to type.
    sqlite3.Error
        When the file cannot be read.
    """
    if (revision := of(path)) == newest():
        return
    upgrade = f"to upgrade a copy and keep the old file beside it, type {_command(path)}"
    raise _refusal(revision, str(path), upgrade)


def check_database(uri: str) -> None:
    """Refuse a database with a store of another MLflow; an empty database passes.

    Raises
    ------
    StoreError
        As `check`, or when the database cannot be read.
    """
    from sqlalchemy import create_engine, inspect, text
    from sqlalchemy.exc import SQLAlchemyError

    shown = without_password(uri)
    try:
        engine = create_engine(uri)
        with contextlib.closing(engine.connect()) as connection:
            if not inspect(connection).has_table("alembic_version"):
                return
            revision = connection.execute(text("select version_num from alembic_version")).scalar()
        engine.dispose()
    except (SQLAlchemyError, ImportError) as error:
        why = " ".join(without_password(str(error)).split())[:200]
        raise StoreError(f"tracking store {shown}: {why}") from error
    if revision != newest():
        raise _refusal(str(revision), shown, "back it up, and type mlflow db upgrade URI")


def of(path: Path) -> str:
    """The revision of a SQLite store's schema.

    Raises
    ------
    StoreError
        When MLflow was killed while it made or migrated the file.
    sqlite3.Error
        When the file cannot be read.
    """
    with contextlib.closing(sqlite.to_read(path)) as file:
        rows = file.execute("select version_num from alembic_version").fetchall()
    if len(rows) != 1:
        raise unusable(path)
    return str(rows[0][0])


def is_known(revision: str) -> bool:
    """Whether the MLflow installed here can upgrade from it, or writes it itself."""
    return revision in _known()


def newest() -> str:
    """The revision that the MLflow installed here writes and reads."""
    known = _known()
    # MLflow sees to it that its migrations form one chain.
    return "".join(known.keys() - {migration.before for migration in known.values()})


def installed() -> str:
    """The MLflow installed here, with its schema."""
    return f"MLflow {version('mlflow')} (schema {_dated(newest())})"


def unusable(path: Path) -> StoreError:
    """The error for a file that is no MLflow store, or no whole one."""
    return StoreError(
        f"not a usable MLflow store: {path}; it is left as it is: move it away or give tracking.uri"
    )


def _command(path: Path) -> str:
    """What to type to upgrade a SQLite store."""
    from sqlalchemy.engine import URL

    upgrade = f"{command_of('runner.sync')} --upgrade-store"
    if path == Root.of(None).database:
        return upgrade
    if path == Root(path.parent).database:
        return f"{upgrade} --root {shlex.quote(str(path.parent))}"
    uri = URL.create("sqlite", database=str(path)).render_as_string(hide_password=False)
    return f"{upgrade} --uri {shlex.quote(uri)}"


def _refusal(revision: str, shown: str, upgrade: str) -> StoreError:
    """The error for a store of another revision."""
    if is_known(revision):
        maker = "MLflow 2 or before" if revision in _up_to(_LAST_OF_2) else "an older MLflow 3"
        next_step = upgrade
    else:
        maker = "a newer MLflow"
        next_step = "install that one again, move the store away, or give another"
    return StoreError(
        f"{shown}: made by {maker} (schema {_dated(revision)}), and here is {installed()};"
        f" it is left as it is; {next_step}"
    )


def _dated(revision: str) -> str:
    known = _known().get(revision)
    return f"{revision} of {known.day}" if known else revision


def _up_to(revision: str) -> set[str]:
    """A revision and all before it."""
    revisions: set[str] = set()
    while migration := _known().get(revision):
        revisions.add(revision)
        revision = migration.before
    return revisions


@functools.cache
def _known() -> dict[str, _Migration]:
    # Read as text within milliseconds: importing MLflow takes seconds, which the analysis spares.
    package = importlib.util.find_spec("mlflow")
    known: dict[str, _Migration] = {}
    for folder in package.submodule_search_locations or () if package else ():
        for file in (Path(folder) / "store" / "db_migrations" / "versions").glob("*.py"):
            found = {a or c: b or d for a, b, c, d in _FIELD.findall(file.read_text("utf-8"))}
            if "revision" in found:
                known[found["revision"]] = _Migration(
                    found["revision"],
                    found.get("down_revision", ""),
                    found.get("Create Date", "unknown date"),
                )
    return known
