"""`python -m runner.forget SWEEP|RUN`: remove what no other sweep needs, after showing it."""

import sys

from runner.archive.contents import Contents
from runner.archive.forget import Doomed, doomed, forget
from runner.display.progress import count
from runner.errors import ConfigError, RunnerError
from runner.state.root import Root
from runner.sync import sync
from runner.system import streams
from runner.system.command import parser_of
from runner.tracking.mlflow_tracker import MlflowTracker
from runner.tracking.store import address, arguments, calls
from runner.tracking.store import mlflow_store as store


def main() -> None:
    """The command line."""
    streams.outlast_readers()
    parser = parser_of("runner.forget", __doc__)
    parser.add_argument(
        "what", metavar="SWEEP|RUN", help="a sweep's name, or the start of its key or of a run's"
    )
    arguments.add(parser)
    parser.add_argument("--yes", action="store_true", help="do not ask")
    given = parser.parse_args()
    root = Root.of(given.root)
    try:
        found = doomed(Contents(root), given.what)
        _tell(found, root, given.uri)
        if not given.yes and not _agreed():
            print("nothing was removed")
            sys.exit(1)
        tracker = None
        if given.uri or root.database.exists():
            client = store.connect(given.uri, root)
            experiment = store.experiment_id(client, given.experiment, given.uri, root)
            tracker = MlflowTracker(client, experiment, root)
        forget(root, found, tracker, given.uri)
        if found.needed_by and tracker is not None:
            sync(root, given.uri, given.experiment)  # the runs that stay get another parent
    except RunnerError as error:
        print(f"runner.forget: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except (OSError, KeyboardInterrupt) as error:
        why = str(error) or "interrupted"
        print(f"runner.forget: {why}; type it again to finish", file=sys.stderr)
        sys.exit(1)
    except Exception as error:
        print(
            f"runner.forget: {calls.failure(error, root)}; type it again to finish", file=sys.stderr
        )
        sys.exit(1)
    print("forgotten")


def _tell(found: Doomed, root: Root, uri: str | None) -> None:
    for plan in found.plans:
        if not plan.single:
            print(f"the sweep {plan.name} ({plan.sweep_key[:8]}) of {count(len(plan.runs), 'run')}")
    if found.needed_by:
        print(f"  {len(found.staying)} of them stay: {', '.join(found.needed_by)} needs them")
    size = f"{found.n_bytes / 1e6:,.1f} MB in {root.state}"
    print(f"  to be removed: {count(len(found.runs), 'run')}, {size}, and what MLflow has of it")
    print(f"  in {address.shown(uri, root)}, its artifacts too", flush=True)
    if address.is_server(uri):
        print("  (a server keeps deleted runs until mlflow gc is typed there)", flush=True)


def _agreed() -> bool:
    """Ask; without a terminal there is nobody to ask.

    Raises
    ------
    ConfigError
    """
    if not sys.stdin.isatty():
        raise ConfigError("there is no terminal to ask on; give --yes to remove it")
    return input("Remove it for good? [y/N] ").strip().lower() in ("y", "yes")


if __name__ == "__main__":
    main()
