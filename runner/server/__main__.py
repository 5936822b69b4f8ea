"""`python -m runner.server`: MLflow's server on a PostgreSQL of its own, for many sweeps."""

import importlib.util
import shlex
import subprocess
import sys
import time
from pathlib import Path

from filelock import FileLock, Timeout

from runner import words
from runner.errors import ConfigError, RunnerError
from runner.record import UI_PORT
from runner.server import mlflow_server
from runner.server.foreground import running, until_asked_to_end
from runner.server.postgresql import Cluster
from runner.state.root import Root
from runner.system import streams
from runner.system.command import command_of, parser_of
from runner.system.files import unwritable
from runner.system.language import say
from runner.tracking.store import schema
from runner.words.columns import padded, width_of

_LOOK_S = 0.2


def main() -> None:
    """The command line; runs until Ctrl-C, or until its terminal is closed."""
    parser = parser_of("runner.server", __doc__)
    parser.add_argument("--root", help="its files lie in server/ there (default: as of a sweep)")
    parser.add_argument("--port", type=int, default=UI_PORT, help="default: %(default)s")
    parser.add_argument(
        "--database-port", type=int, default=0, help="PostgreSQL's (default: any that is free)"
    )
    parser.add_argument(
        "--artifacts",
        help="where files of runs are kept: a folder, or s3://BUCKET/FOLDER (default:"
        " server/artifacts)",
    )
    given = parser.parse_args()
    streams.outlast_readers()
    folder = Root.of(given.root).server
    try:
        with until_asked_to_end():
            _serve(folder, given.port, given.database_port, given.artifacts)
    except RunnerError as error:
        words.complain(str(error), "runner.server")
        sys.exit(error.exit_code)


def _serve(folder: Path, port: int, database_port: int, artifacts: str | None) -> None:
    """Serve until one of the two servers ends by itself.

    Raises
    ------
    RunnerError
        When it does, or when one cannot be started.
    """
    _check_installed("psycopg", "MLflow reaches PostgreSQL", "psycopg[binary]")
    if artifacts and artifacts.startswith("s3:"):
        _check_installed("boto3", f"it writes to {artifacts}", "boto3")
    mlflow_server.check_port(port)
    if database_port:
        mlflow_server.check_port(database_port, "--database-port")
    database_port = mlflow_server.bound_port(database_port)
    if refused := unwritable(folder):
        raise ConfigError(f"{folder}: {refused}; give another --root")
    cluster = Cluster(folder)
    # Others may pass through, as the account that runs PostgreSQL for root has to.
    folder.mkdir(mode=0o711, parents=True, exist_ok=True)
    try:
        lock = FileLock(str(folder / "lock"), timeout=0).acquire()
    except Timeout:
        raise ConfigError(f"{folder} is served already, by another process") from None
    with lock, cluster.serve(database_port) as database:
        uri = cluster.uri(database_port)
        schema.check_database(uri)
        line = mlflow_server.command(uri, artifacts or str(folder / "artifacts"), port)
        with running(line, environment=mlflow_server.ENVIRONMENT) as server:
            while not mlflow_server.answers(port):
                _check(server, database, cluster.log)
                time.sleep(_LOOK_S)
            _tell(cluster.version, port, uri)
            while True:
                _check(server, database, cluster.log)
                time.sleep(_LOOK_S)


def _check(server: subprocess.Popen[bytes], database: subprocess.Popen[bytes], log: Path) -> None:
    """Raise when one of the two has ended by itself."""
    for name, process in ((f"PostgreSQL ({log})", database), ("MLflow's server", server)):
        if process.poll() is not None:
            raise RunnerError(
                f"{name} ended by itself, with exit code {process.returncode}; no run is lost:"
                " type the command again, and runner.sync brings it in step"
            )


def _check_installed(module: str, why: str, package: str) -> None:
    if importlib.util.find_spec(module) is None:
        raise ConfigError(
            f"{module}, by which {why}, is not installed; type pip install '{package}'"
        )


def _tell(version: str, port: int, uri: str) -> None:
    address = f"http://127.0.0.1:{port}"
    head = "MLflow on PostgreSQL {version}, on this machine only; Ctrl-C ends both"
    words.tell(say(head, version=version))
    lines = {
        say("sweep:"): f"{command_of('runner')} -m tracking.uri={address} ...",
        say("report:"): f"{command_of('analysis')} --uri {address}",
        say("pages:"): f"{address}/#/experiments",
        say("backup:"): f"pg_dump -Fc -f mlflow.dump -d {shlex.quote(uri)}",
    }
    width = max(width_of(words.said(label)) for label in lines)
    for label, line in lines.items():
        print(f"  {padded(words.said(label), width)} {line}", flush=True)


if __name__ == "__main__":
    main()
