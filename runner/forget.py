"""`python -m runner.forget SWEEP|RUN`: remove what no other sweep needs, after showing it."""

import sys

from runner import words
from runner.archive.contents import Contents
from runner.archive.forget import Doomed, doomed, forget
from runner.display.progress import count
from runner.errors import ConfigError, RunnerError
from runner.state.root import Root
from runner.sync import sync
from runner.system import streams
from runner.system.command import parser_of
from runner.system.language import say
from runner.tracking.mlflow_tracker import MlflowTracker
from runner.tracking.store import address, arguments, calls
from runner.tracking.store import mlflow_store as store

_COMMAND = "runner.forget"


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
            words.tell(say("nothing was removed"))
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
        words.complain(str(error), _COMMAND)
        sys.exit(error.exit_code)
    except (OSError, KeyboardInterrupt) as error:
        why = str(error) or say("interrupted")
        words.complain(say("{why}; type it again to finish", why=why), _COMMAND)
        sys.exit(1)
    except Exception as error:
        words.complain(f"{calls.failure(error, root)}; type it again to finish", _COMMAND)
        sys.exit(1)
    words.tell(say("forgotten"))


def _tell(found: Doomed, root: Root, uri: str | None) -> None:
    for plan in found.plans:
        if not plan.single:
            name, runs = f"{plan.name} ({plan.sweep_key[:8]})", count(len(plan.runs), "run")
            words.tell(say("the sweep {name} of {runs}", name=name, runs=runs))
    if found.needed_by:
        needed_by = ", ".join(found.needed_by)
        stay = "{n} of them stay: {sweeps} needs them"
        words.tell(say(stay, n=len(found.staying), sweeps=needed_by), indent=2)
    size = say("{mb} MB in {folder}", mb=f"{found.n_bytes / 1e6:,.1f}", folder=root.state)
    removed = "to be removed: {runs}, {size}, and what MLflow has of it"
    words.tell(say(removed, runs=count(len(found.runs), "run"), size=size), indent=2)
    words.tell(say("in {store}, its artifacts too", store=address.shown(uri, root)), indent=2)
    if address.is_server(uri):
        kept = "(a server keeps deleted runs until mlflow gc is typed there)"
        words.tell(say(kept), indent=2)


def _agreed() -> bool:
    """Ask; without a terminal there is nobody to ask.

    Raises
    ------
    ConfigError
    """
    if not sys.stdin.isatty():
        raise ConfigError("there is no terminal to ask on; give --yes to remove it")
    return input(words.said(say("Remove it for good? [y/N] "))).strip().lower() in ("y", "yes")


if __name__ == "__main__":
    main()
