"""`python -m runner.ui`: MLflow's pages on this machine's loopback address, hardened."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable

from runner import words
from runner.archive.describe import describe
from runner.errors import ConfigError, RunnerError, StoreError, without_password
from runner.record import UI_PORT
from runner.state.root import Root
from runner.system import streams
from runner.system.command import parser_of
from runner.system.language import say
from runner.tracking import mlflow_view as view
from runner.tracking.store import address, arguments, calls
from runner.tracking.store import mlflow_store as store
from runner.words.columns import padded
from runner.work.processes import guarded

_COMMAND = "runner.ui"


def command(uri: str, artifacts: str, port: int) -> list[str]:
    """The server's command line. The exact list of hosts protects it from DNS rebinding."""
    hosts = f"localhost:{port},127.0.0.1:{port}"
    return [
        *(sys.executable, "-m", "mlflow", "server"),
        *("--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        *("--allowed-hosts", hosts, "--x-frame-options", "DENY"),
        # A line for each request would bury the addresses.
        *("--uvicorn-opts", "--log-level=warning"),
        *("--backend-store-uri", uri, "--artifacts-destination", artifacts),
    ]


def main() -> None:
    """The command line; runs until Ctrl-C, or until its terminal is closed."""
    parser = parser_of("runner.ui", __doc__)
    arguments.add(parser)
    parser.add_argument("--port", type=int, default=UI_PORT, help="default: %(default)s")
    given = parser.parse_args()
    root = Root.of(given.root)
    streams.outlast_readers()
    if given.uri:
        sys.exit(_elsewhere(given.uri))
    try:
        _check_port(given.port)
        experiment = store.local_experiment_id(given.experiment, root)
        store.tell_put_right(root)
    except RunnerError as error:
        words.complain(str(error), _COMMAND)
        sys.exit(error.exit_code)
    words.tell(say("MLflow, on this machine only; Ctrl-C ends it"))
    uri = address.sqlite_uri(root.database)
    server = command(uri, str(root.artifacts), given.port)
    sys.exit(_serve(server, lambda: _tell_links(root, given.experiment, experiment, given.port)))


def _tell_links(root: Root, name: str, experiment: int, port: int) -> None:
    """Bring what the store says of sweeps in step, and print the addresses of its pages."""
    key = None
    try:
        key = describe(root, name)
    except RunnerError as error:
        words.complain(str(error), _COMMAND)
    except Exception as error:  # MLflow's; the pages are shown all the same
        words.complain(calls.failure(error, root), _COMMAND)
    links = [(say("all sweeps:"), view.page(str(experiment), view.ALL_SWEEPS))]
    if key:
        id = view.view_id(key)
        runs, curves = (view.page(str(experiment), id, charts) for charts in (False, True))
        links.insert(0, (say("their curves by cell:"), curves))
        links.insert(0, (say("the latest sweep's runs:"), runs))
    for text, link in links:
        words.tell(f"{padded(words.said(text), 24)} http://127.0.0.1:{port}/{link}", indent=2)
    words.tell(say("other sweeps: the menu above the list of runs"), indent=2)


def _elsewhere(uri: str) -> int:
    """Say where the pages of another store than the root's are; the exit code."""
    shown = without_password(uri)
    if address.is_server(uri):
        words.tell(say("MLflow has pages of its own: {page}", page=shown))
        return 0
    words.complain(
        f"{shown}: only the local store and a server's are shown; for this one type"
        f" mlflow server --backend-store-uri {shown}",
        _COMMAND,
    )
    return StoreError.exit_code


def _check_port(port: int) -> None:
    """Refuse a port that cannot be served on, before its address is shown.

    Raises
    ------
    ConfigError
    """
    if not 1 <= port <= 65535:
        raise ConfigError(f"--port={port}: allowed is an integer from 1 to 65535")
    with socket.socket() as tried:
        # As the server does: a port whose last connections are still closing is free.
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(("127.0.0.1", port))
        except OSError as error:
            why = f"cannot be served on ({os.strerror(error.errno or 0)})"
            raise ConfigError(f"--port={port}: {why}; give another one") from error


def _serve(line: list[str], meanwhile: Callable[[], None]) -> int:
    """Run the server until it is asked to end; its exit code, 0 when it was.

    It ends with this process, however that ends. It takes seconds to start.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    with guarded():
        environment = os.environ | {
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DO_NOT_TRACK": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "PYTHONWARNINGS": "ignore",  # of MLflow's own dependencies
        }
        # In a session of its own, so that Ctrl-C reaches this process alone, which ends the
        # server's processes in order.
        server = subprocess.Popen(line, env=environment, start_new_session=True)
        try:
            meanwhile()
            return server.wait()
        except KeyboardInterrupt:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait()
            return 0


if __name__ == "__main__":
    main()
