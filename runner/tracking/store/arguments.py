"""The arguments by which every command finds the root, the tracking store and the experiment."""

import argparse
import os

from runner.errors import without_password

#: MLflow's own variables, which give the defaults; MLflow takes an empty one for one that is unset.
URI_VARIABLE, EXPERIMENT_VARIABLE = "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"


def default_uri() -> str | None:
    """The tracking store that the environment names; None for the local one under the root."""
    return os.environ.get(URI_VARIABLE) or None


def default_experiment() -> str:
    """The experiment that the environment names, or the runner's own."""
    return os.environ.get(EXPERIMENT_VARIABLE) or "ablations"


def add(parser: argparse.ArgumentParser) -> None:
    """Add `--root`, `--uri` and `--experiment`."""
    uri = default_uri()
    shown = without_password(uri).replace("%", "%%") if uri else "the local one under the root"
    parser.add_argument(
        "--root", help="folder of state/ and the local store (default: the checkout, else here)"
    )
    parser.add_argument(
        "--uri", default=uri, help=f"tracking store (default: ${URI_VARIABLE}, now {shown})"
    )
    parser.add_argument(
        "--experiment",
        default=default_experiment(),
        help=f"MLflow experiment (default: ${EXPERIMENT_VARIABLE}, now %(default)s)",
    )


def typed(root: str | None, uri: str | None, experiment: str) -> list[str]:
    """These arguments as a person types them, each where it is not the default."""
    words = ["--root", root] if root else []
    if uri and uri != default_uri():
        words += ["--uri", without_password(uri)]
    if experiment != default_experiment():
        words += ["--experiment", experiment]
    return words


def forget_empty_variables() -> None:
    """Treat an empty variable as one that is unset, for Hydra's `${oc.env:...}` too."""
    for name in (URI_VARIABLE, EXPERIMENT_VARIABLE):
        if not os.environ.get(name, "unset"):
            del os.environ[name]
