"""`python -m runner.sync`: bring MLflow in step with everything that is in state/."""

import argparse
import sys
from pathlib import Path

from runner import plan as plans
from runner import session, store
from runner.errors import RunnerError, StoreBehindError
from runner.tracking import Ledger


def sync(root: Path, uri: str | None, experiment: str) -> int:
    """Replay every sweep's journals into the store; how many runs were looked at.

    Raises
    ------
    StoreError
        When the store cannot be used.
    StoreBehindError
        When it went away on the way.
    """
    client = store.connect(uri, root)
    experiment_id = store.experiment_id(client, experiment, uri, root)
    n_runs = 0
    # The oldest first: a run's parent is the first sweep that it served.
    for path in sorted((root / "state" / "sweeps").glob("*/sweep.json"), key=lambda p: p.stat().st_mtime):
        plan = plans.read(path)
        ledger = Ledger(client, experiment_id, root, plan.runs)
        try:
            ledger.open_sweep(plan)
            ledger.update()
        except RunnerError:
            raise
        except Exception as error:
            why = " ".join(store.shown(str(error)).split())[:200]
            raise StoreBehindError(f"the store went away ({why}); nothing is lost, run it again") from error
        n_runs += len(plan.runs)
    return n_runs


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m runner.sync", description=__doc__)
    parser.add_argument("--root", help="folder that holds state/ (default: the checkout, else here)")
    parser.add_argument("--uri", help="tracking store (default: the local one under the root)")
    parser.add_argument("--experiment", default="ablations", help="MLflow experiment (default: %(default)s)")
    arguments = parser.parse_args()
    try:
        n_runs = sync(session.root_of(arguments.root), arguments.uri, arguments.experiment)
    except RunnerError as error:
        print(f"runner.sync: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    print(f"{n_runs} runs looked at; the store is in step")


if __name__ == "__main__":
    main()
