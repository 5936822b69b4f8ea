"""`python -m runner.export RUN`: write a trained model as an MLflow model (flavour pyfunc)."""

import argparse
import sys
import warnings
from pathlib import Path

from runner import words
from runner.errors import ConfigError, RunnerError
from runner.state.root import Root
from runner.system import streams
from runner.system.command import parser_of
from runner.system.sources import make_folder_importable
from runner.tracking.store import arguments
from runner.tracking.store.mlflow_store import before_import

_COMMAND = "runner.export"


def main() -> None:
    """The command line."""
    streams.outlast_readers()
    parser = parser_of("runner.export", __doc__)
    parser.add_argument(
        "run", metavar="RUN", help="the start of its key, its name, or its MLflow run id"
    )
    parser.add_argument("--out", type=Path, help="the folder to write (default: exports/KEY8)")
    arguments.add(parser)
    given = parser.parse_args()
    try:
        words.tell(_written(given))
    except RunnerError as error:
        words.complain(str(error), _COMMAND)
        sys.exit(error.exit_code)
    except OSError as error:
        words.complain(str(error), _COMMAND)
        sys.exit(1)


def _written(given: argparse.Namespace) -> str:
    before_import()
    warnings.filterwarnings("ignore", module="mlflow")
    make_folder_importable()
    # Imported here: `--help` does not wait for DeZero and MLflow.
    from runner.export import pyfunc, trained

    description, weights = trained.find(given.run, Root.of(given.root), given.uri)
    folder = given.out or Path("exports") / description.run_key[:8]
    if folder.exists():
        raise ConfigError(f"{folder}: is there already; give --out DIR")
    trained.Trained(description, weights.read_bytes())  # refuses what could not be loaded
    pyfunc.write(description, weights, folder)
    return (
        f"{description.name}: written to {folder}; in Python:\n"
        f"  mlflow.pyfunc.load_model({str(folder)!r}).predict(x)"
    )


if __name__ == "__main__":
    main()
