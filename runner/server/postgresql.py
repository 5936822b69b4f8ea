"""A PostgreSQL cluster in a folder: made whole or not at all, on the loopback address alone.

Its superuser cannot log in. The role `mlflow` owns the database `mlflow` and has a password, which
lies in a file of libpq's kind (`.pgpass`), so that no command line and no address holds it.
"""

import contextlib
import os
import pwd
import re
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from runner.errors import ConfigError, RunnerError
from runner.server.foreground import running

#: Where Debian keeps the programs of each version; elsewhere they are on the PATH.
_DEBIAN = Path("/usr/lib/postgresql")
#: The account of Debian's package. PostgreSQL refuses to run as root.
_ACCOUNT = "postgres"
#: Whoever reaches the port from this machine has to know the password; nobody else is let in.
_WHO_MAY = "host mlflow mlflow 127.0.0.1/32 scram-sha-256\n"
#: What PostgreSQL says while killed processes are not gone yet, and for how long they may be there.
_HELD, _FREE_S = "already exists|still in use", 10.0
_ROLE = """
set password_encryption = 'scram-sha-256'
create role mlflow login password '{password}'
create database mlflow owner mlflow
"""


class Cluster:
    """PostgreSQL's files below a folder of this program's.

    Parameters
    ----------
    folder
        Of `postgresql/` (the cluster, which belongs to the account that runs PostgreSQL),
        `postgresql.log` and `pgpass`.
    """

    def __init__(self, folder: Path) -> None:
        self.log, self._password_file = folder / "postgresql.log", folder / "pgpass"
        self._folder = folder / "postgresql"
        self._data = self._folder / "data"
        self._programs, self.version = _programs(self._data / "PG_VERSION")
        self._as_account = _account()

    def uri(self, port: int) -> str:
        """The database's address, for SQLAlchemy and for PostgreSQL's own programs, which has the
        name of the password's file."""
        # Both decode %20, and only one of them a plus.
        return f"postgresql://mlflow@127.0.0.1:{port}/mlflow?passfile={quote(str(self._password_file))}"

    @contextlib.contextmanager
    def serve(self, port: int) -> Iterator[subprocess.Popen[bytes]]:
        """Run PostgreSQL in the block, made first where there is none; it takes connections.

        Raises
        ------
        RunnerError
            When it cannot be made, or ends before it takes connections.
        """
        if not self._data.exists():
            self._make()
        line = [self._program("postgres"), "-D", str(self._data), "-p", str(port)]
        line += ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
        ready = [self._program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
        deadline = time.monotonic() + _FREE_S
        with open(self.log, "ab") as log:
            options = {"stdout": log, "stderr": log, "cwd": "/", **self._as_account}
            while True:
                # SIGINT ends it at once and in order, SIGTERM waits for whoever is connected.
                with running(line, signal.SIGINT, **options) as server:
                    # After a crash it first brings itself in order, however long that takes.
                    while server.poll() is None and subprocess.run(ready, check=False).returncode:
                        time.sleep(0.05)
                    if server.poll() is None:
                        yield server
                        return
                why = _last_line(self.log)
                if not re.search(_HELD, why) or time.monotonic() > deadline:
                    raise RunnerError(f"PostgreSQL does not start: {why}; {self.log}")
                time.sleep(0.5)

    def _make(self) -> None:
        """Make the cluster beside its place and rename it: one that was killed half-way is made
        again."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        if user := self._as_account.get("user"):
            shutil.chown(self._folder, user)
        beside, password = self._folder / "data.tmp", secrets.token_hex(24)
        shutil.rmtree(beside, ignore_errors=True)
        initdb = [self._program("initdb"), "-D", str(beside), "--auth=reject", "--data-checksums"]
        self._call([*initdb, "--username=postgres", "--encoding=UTF8", "--locale=C"])
        (beside / "pg_hba.conf").write_text(_WHO_MAY)
        single = [self._program("postgres"), "--single", "-D", str(beside), "postgres"]
        self._call(single, _ROLE.format(password=password).strip() + "\n")
        self._password_file.unlink(missing_ok=True)
        descriptor = os.open(self._password_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w", encoding="ascii") as file:
            file.write(f"127.0.0.1:*:mlflow:mlflow:{password}\n")
        os.rename(beside, self._data)

    def _call(self, words: list[str], typed: str = "") -> None:
        ended = subprocess.run(
            words, input=typed, text=True, cwd="/", stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, check=False, **self._as_account,
        )  # fmt: skip
        if ended.returncode or "ERROR:" in ended.stdout:
            lines = [line.strip() for line in ended.stdout.splitlines() if "error:" in line.lower()]
            why = lines[0] if lines else f"{Path(words[0]).name} ended with {ended.returncode}"
            account = f"; for root it runs as the account {_ACCOUNT}, which has to reach the folder"
            raise ConfigError(
                f"no PostgreSQL cluster can be made in {self._folder}: {why}"
                + (account if self._as_account else "")
            )

    def _program(self, name: str) -> str:
        return str(self._programs / name)


def _programs(made_by: Path) -> tuple[Path, str]:
    """The folder of PostgreSQL's programs, and their version: that which made the cluster.

    Parameters
    ----------
    made_by
        The file in which a cluster holds its version.
    """
    found = {}
    on_path = shutil.which("initdb")
    places = [Path(on_path).resolve().parent] if on_path else []
    for folder in [*places, *_DEBIAN.glob("*/bin")]:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            told = subprocess.run([folder / "postgres", "-V"], capture_output=True, text=True)
            if told_version := re.search(r"\) (\d+)", told.stdout):
                found[told_version[1]] = folder
    if not found:
        raise ConfigError(
            "PostgreSQL is not installed; install it (Debian, Ubuntu: apt-get install"
            " postgresql), or put the folder of its initdb on the PATH"
        )
    version = made_by.read_text().strip() if made_by.exists() else max(found, key=int)
    if version not in found:
        there = ", ".join(sorted(found, key=int))
        raise ConfigError(
            f"{made_by.parent}: made by PostgreSQL {version}, and here is {there}; install"
            f" {version}, or upgrade the cluster with pg_upgrade"
        )
    return found[version], version


def _account() -> dict[str, Any]:
    """As whom PostgreSQL is started, for `subprocess`: as whoever types, or for root as another."""
    if os.geteuid() != 0:
        return {}
    try:
        account = pwd.getpwnam(_ACCOUNT)
    except KeyError:
        raise ConfigError(
            f"PostgreSQL does not run as root, and there is no account {_ACCOUNT}; type the"
            " command as another user"
        ) from None
    return {"user": account.pw_name, "group": account.pw_gid, "extra_groups": []}


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    told = [line.partition("FATAL:")[2].strip() for line in lines if "FATAL:" in line]
    return told[-1] if told else (lines or ["no word of why"])[-1]
