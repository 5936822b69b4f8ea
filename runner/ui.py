"""`python -m runner.ui`: MLflow's pages on this machine's loopback address, hardened."""

import argparse
import os
import subprocess
import sys

from runner import session, store
from runner.errors import RunnerError, StoreError


def command(uri: str, artifacts: str, port: int) -> list[str]:
    """The server's command line. The exact host list is what keeps foreign names from resolving to it."""
    hosts = f"localhost:{port},127.0.0.1:{port}"
    return [
        *(sys.executable, "-m", "mlflow", "server"),
        *("--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        *("--allowed-hosts", hosts, "--x-frame-options", "DENY"),
        *("--backend-store-uri", uri, "--artifacts-destination", artifacts),
    ]


def main() -> None:
    """The command line; runs until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m runner.ui", description=__doc__)
    parser.add_argument("--root", help="folder that holds mlflow.db (default: the checkout, else here)")
    parser.add_argument("--port", type=int, default=5000, help="default: %(default)s")
    arguments = parser.parse_args()
    root = session.root_of(arguments.root)
    try:
        if not store.database(root).exists():
            raise StoreError(f"{store.database(root)}: there is no tracking store yet; train something first")
    except RunnerError as error:
        print(f"runner.ui: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    environment = os.environ | {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    print(f"MLflow: http://127.0.0.1:{arguments.port} (this machine only; Ctrl-C ends it)", flush=True)
    uri = store.sqlite_uri(store.database(root))
    try:
        ended = subprocess.run(command(uri, str(store.artifacts(root)), arguments.port), env=environment)
    except KeyboardInterrupt:
        return
    sys.exit(ended.returncode)


if __name__ == "__main__":
    main()
