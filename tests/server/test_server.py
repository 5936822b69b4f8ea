"""`runner.server`: on the loopback address alone, behind a password, and taken down as one."""

import contextlib
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from commands import environment, query, status_of

from runner.errors import ConfigError
from runner.server import postgresql
from runner.server.postgresql import Cluster
from runner.state.root import Root

pytest_plugins = ("roots", "stores")


def test_without_postgresql_one_line_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(postgresql, "_DEBIAN", tmp_path)
    with pytest.raises(ConfigError, match="not installed; install it .*apt-get install postgres"):
        Cluster(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_cluster_of_another_postgresql_is_left_as_it_is(tmp_path, monkeypatch):
    programs = tmp_path / "15" / "bin"
    programs.mkdir(parents=True)
    for name in ("initdb", "postgres"):
        (programs / name).write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 15.14 (Debian)'\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", "/bin")
    monkeypatch.setattr(postgresql, "_DEBIAN", tmp_path)
    data = tmp_path / "postgresql" / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("13\n")
    with pytest.raises(ConfigError, match=f"{data}: made by PostgreSQL 13, and here is 15; "):
        Cluster(tmp_path)


def ports_of(pids):
    """The addresses on which processes listen, by /proc."""
    sockets = set()
    for pid in pids:
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                sockets.add(descriptor.readlink().name)
    listening = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:
                listening.append(fields[1].split(":")[0])
    return listening


@pytest.mark.server
def test_both_listen_on_the_loopback_address_alone_and_answer_to_its_names_alone(lab_server):
    assert ports_of(lab_server.processes()) == ["0100007F"] * 2
    assert status_of(lab_server.uri) == 200
    assert status_of(lab_server.uri, "evil.example.com") == 403


@pytest.mark.server
def test_the_database_asks_for_a_password_which_stands_in_one_file_of_its_owner(lab_server):
    import psycopg

    assert query(lab_server.database, "select current_user") == [("mlflow",)]
    assert query(lab_server.database, "show is_superuser") == [("off",)]
    address, _, file = lab_server.database.partition("?passfile=")
    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        psycopg.connect(f"{address}?passfile=/dev/null")
    with pytest.raises(psycopg.OperationalError, match="no pg_hba.conf entry"):
        psycopg.connect(address.replace("mlflow@", "postgres@"))
    assert stat.S_IMODE(Path(file).stat().st_mode) == 0o600
    password = Path(file).read_text().strip().rpartition(":")[2]
    assert len(password) == 48
    shown = [Path(f"/proc/{pid}/cmdline").read_text() for pid in lab_server.processes()]
    assert not any(password in text for text in [*shown, lab_server.said])


@pytest.mark.server
def test_a_folder_or_a_port_that_is_served_already_is_refused_in_one_line(lab_server, lab_folder):
    port = lab_server.uri.rpartition(":")[2]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        other = str(free.getsockname()[1])
    server = Root(lab_server.root).server
    for root, number, why in (
        (lab_server.root, other, f"{server} is served already, by another process"),
        (lab_folder / "new", port, f"--port={port}: cannot be served on"),
    ):
        line = [sys.executable, "-m", "runner.server", "--root", root, "--port", number]
        ended = subprocess.run(line, capture_output=True, text=True, env=environment(), timeout=60)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert ended.stderr.startswith(f"runner.server: {why}") and ended.stderr.count("\n") == 1
    assert not (lab_folder / "new").exists()
