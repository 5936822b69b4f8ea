"""Loopback MLflow servers that can be started, killed and started again."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys

from commands import descendants, environment, free_port, is_alive, status_of, until

from runner.server.postgresql import Cluster
from runner.state.root import Root
from runner.tracking.store import address


class Server:
    """A server over a SQLite file; it says what it has to say in a file of its own."""

    def __init__(self, database, log, artifacts):
        self.database, self.log, self.process = database, log, None
        port = free_port()
        self.uri = f"http://127.0.0.1:{port}"
        options = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
        options += ["--backend-store-uri", address.sqlite_uri(database), *artifacts]
        self.line = [sys.executable, "-m", "mlflow", "server", *options]

    def begin(self):
        quiet = environment(
            MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false",
            MLFLOW_DISABLE_TELEMETRY="true",
            DO_NOT_TRACK="true",
        )
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.line,
                env=quiet,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until(lambda: status_of(self.uri + "/health") == 200, seconds=300)

    def kill(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


#: What tests leave in a server's database.
EMPTY = """
truncate runs, datasets, inputs, input_tags, experiment_tags cascade;
delete from experiments where experiment_id <> 0
"""


class LabServer:
    """`python -m runner.server` in a folder, which can be killed and started again."""

    def __init__(self, root):
        root.mkdir()
        self.root, self.log, self.process = root, root / "log", None
        port, database_port = free_port(), free_port()
        self.uri = f"http://127.0.0.1:{port}"
        self.database = Cluster(Root(root).server).uri(database_port)
        words = ("--root", root, "--port", str(port), "--database-port", str(database_port))
        self.line = [sys.executable, "-m", "runner.server", *words]

    @property
    def artifacts(self):
        return Root(self.root).server / "artifacts"

    def begin(self):
        self.log.write_text("")
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.line, env=environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        until(lambda: "backup:" in self.said or self.process.poll() is not None, seconds=300)
        assert self.process.poll() is None, self.said

    @property
    def said(self):
        return self.log.read_text()

    def processes(self):
        """Those of both servers, and the command itself."""
        return {self.process.pid, *descendants(self.process.pid)}

    def empty(self):
        """Leave a server that runs without runs, whatever a test before did to it."""
        import psycopg

        if self.process.poll() is not None:
            self.begin()
        with psycopg.connect(self.database, autocommit=True) as connection:
            connection.execute(EMPTY)
        shutil.rmtree(self.artifacts, ignore_errors=True)

    def end(self):
        """Ask the command to end; its exit code."""
        below = self.processes()
        self.process.terminate()
        code = self.process.wait(timeout=60)
        until(lambda: not any(map(is_alive, below)))
        return code

    def kill(self):
        """Kill everything at once with -9."""
        below = self.processes()
        for pid in below:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        until(lambda: not any(map(is_alive, below)))
