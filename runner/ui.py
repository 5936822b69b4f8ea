"""`python -m runner.ui`: MLflow's pages on this machine's loopback address, hardened."""

import sys
from collections.abc import Callable

from runner import words
from runner.archive.describe import describe
from runner.errors import RunnerError, StoreError, without_password
from runner.record import UI_PORT
from runner.server import mlflow_server
from runner.server.foreground import running, until_asked_to_end
from runner.state.root import Root
from runner.system import streams
from runner.system.command import parser_of
from runner.system.language import say
from runner.tracking import mlflow_view as view
from runner.tracking.store import address, arguments, calls
from runner.tracking.store import mlflow_store as store
from runner.words.columns import padded

_COMMAND = "runner.ui"


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
        words.complain(str(error), _COMMAND)
        sys.exit(error.exit_code)
    words.tell(say("MLflow, on this machine only; Ctrl-C ends it"))
    uri = address.sqlite_uri(root.database)
    server = mlflow_server.command(uri, str(root.artifacts), given.port)
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


def _serve(line: list[str], meanwhile: Callable[[], None]) -> int:
    """Run the server, which takes seconds to start, until it is asked to end; its exit code."""
    with until_asked_to_end(), running(line, environment=mlflow_server.ENVIRONMENT) as server:
        meanwhile()
        return server.wait()
    return 0


if __name__ == "__main__":
    main()
