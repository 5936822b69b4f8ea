"""`python -m runner.ui`: MLflow's pages on this machine's loopback address, hardened."""

import sys
from collections.abc import Callable

from runner.archive.describe import describe
from runner.errors import RunnerError, StoreError, without_password
from runner.record import UI_PORT
from runner.server import mlflow_server
from runner.server.foreground import running, until_asked_to_end
from runner.state.root import Root
from runner.system import streams
from runner.system.command import parser_of
from runner.tracking import mlflow_view as view
from runner.tracking.store import address, arguments, calls
from runner.tracking.store import mlflow_store as store


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
        mlflow_server.check_port(given.port)
        experiment = store.local_experiment_id(given.experiment, root)
        store.tell_put_right(root)
    except RunnerError as error:
        print(f"runner.ui: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    print("MLflow, on this machine only; Ctrl-C ends it", flush=True)
    uri = address.sqlite_uri(root.database)
    words = mlflow_server.command(uri, str(root.artifacts), given.port)
    sys.exit(_serve(words, lambda: _tell_links(root, given.experiment, experiment, given.port)))


def _tell_links(root: Root, name: str, experiment: int, port: int) -> None:
    """Bring what the store says of sweeps in step, and print the addresses of its pages."""
    key = None
    try:
        key = describe(root, name)
    except RunnerError as error:
        print(f"runner.ui: {error}", file=sys.stderr)
    except Exception as error:  # MLflow's; the pages are shown all the same
        print(f"runner.ui: {calls.failure(error, root)}", file=sys.stderr)
    links = {"all sweeps": view.page(str(experiment), view.ALL_SWEEPS)}
    if key:
        id = view.view_id(key)
        runs, curves = (view.page(str(experiment), id, charts) for charts in (False, True))
        links = {"the latest sweep's runs": runs, "their curves by cell": curves} | links
    for text, link in links.items():
        print(f"  {text + ':':<24} http://127.0.0.1:{port}/{link}")
    print("  other sweeps: the menu above the list of runs", flush=True)


def _elsewhere(uri: str) -> int:
    """Say where the pages of another store than the root's are; the exit code."""
    shown = without_password(uri)
    if address.is_server(uri):
        print(f"MLflow has pages of its own: {shown}", flush=True)
        return 0
    print(
        f"runner.ui: {shown}: only the local store and a server's are shown; for this one type"
        f" mlflow server --backend-store-uri {shown}",
        file=sys.stderr,
    )
    return StoreError.exit_code


def _serve(words: list[str], meanwhile: Callable[[], None]) -> int:
    """Run the server, which takes seconds to start, until it is asked to end; its exit code."""
    with until_asked_to_end(), running(words, environment=mlflow_server.ENVIRONMENT) as server:
        meanwhile()
        return server.wait()
    return 0


if __name__ == "__main__":
    main()
