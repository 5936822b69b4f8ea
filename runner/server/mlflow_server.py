"""How MLflow's server is started: hardened, on this machine's loopback address alone."""

import os
import socket
import sys
import urllib.request

from runner.errors import ConfigError

#: What MLflow's server reads. No telemetry is sent, and no queue of jobs is started beside it.
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "PYTHONWARNINGS": "ignore",  # of MLflow's own dependencies
}


def command(uri: str, artifacts: str, port: int) -> list[str]:
    """The server's command line. The exact list of hosts protects it from DNS rebinding.

    Parameters
    ----------
    uri
        Of the database, without a password: every user of the machine can read a command line.
    artifacts
        A folder, or an address such as `s3://bucket/folder`, to which the server writes itself.
    """
    hosts = f"localhost:{port},127.0.0.1:{port}"
    return [
        *(sys.executable, "-m", "mlflow", "server"),
        *("--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        *("--allowed-hosts", hosts, "--x-frame-options", "DENY"),
        # A line for each request would bury the addresses.
        *("--uvicorn-opts", "--log-level=warning"),
        *("--backend-store-uri", uri, "--artifacts-destination", artifacts),
    ]


def check_port(port: int, option: str = "--port") -> None:
    """Refuse a port that cannot be served on, before its address is shown.

    Raises
    ------
    ConfigError
    """
    if not 1 <= port <= 65535:
        raise ConfigError(f"{option}={port}: allowed is an integer from 1 to 65535")
    try:
        bound_port(port)
    except OSError as error:
        why = f"cannot be served on ({os.strerror(error.errno or 0)})"
        raise ConfigError(f"{option}={port}: {why}; give another one") from error


def bound_port(port: int) -> int:
    """The number of a port that can be served on now; for 0 that of any that is free.

    Raises
    ------
    OSError
        When it cannot be.
    """
    with socket.socket() as tried:
        # As the server does: a port whose last connections are still closing is free.
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        tried.bind(("127.0.0.1", port))
        return int(tried.getsockname()[1])


def answers(port: int) -> bool:
    """Whether the server takes requests yet."""
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
    except OSError:
        return False
    return True
