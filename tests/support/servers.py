"""A loopback MLflow server that can be started, killed and started again."""

import os
import signal
import subprocess
import sys

from commands import environment, free_port, status_of, until

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
