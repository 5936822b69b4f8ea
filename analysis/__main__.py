"""`python -m analysis [SWEEP]`: what a sweep's claims earned, in sentences on the terminal and as a report."""

import gc

# pandas, SciPy and matplotlib bring hundreds of thousands of objects that stay to the end: looking through them for
# garbage, while they are made and ever after, takes a tenth of a report's time.
gc.disable()

import argparse  # noqa: E402
import io  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

import pandas as pd  # noqa: E402

from analysis.decide.study import Study, study  # noqa: E402
from analysis.read import runs  # noqa: E402
from analysis.report import sentences  # noqa: E402
from analysis.report import write as report  # noqa: E402
from runner.errors import RunnerError, printable  # noqa: E402
from runner.state.root import Root  # noqa: E402

gc.freeze()
gc.enable()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m analysis", description=__doc__)
    parser.add_argument(
        "sweep", nargs="?", help="a sweep's name, the start of its key, or its run id (default: the latest)"
    )
    parser.add_argument("--out", type=Path, help="folder of the report (default: reports/<sweep key> under the root)")
    parser.add_argument("--root", help="folder that holds the local store (default: the checkout, else here)")
    parser.add_argument("--uri", help="tracking store (default: the local one under the root)")
    parser.add_argument("--experiment", default="ablations", help="MLflow experiment (default: %(default)s)")
    arguments = parser.parse_args()
    if isinstance(sys.stdout, io.TextIOWrapper):  # a minus is no `?` where it cannot be spelled
        sys.stdout.reconfigure(errors="namereplace")
    try:
        code = analyse(Root.of(arguments.root), arguments.uri, arguments.experiment, arguments.sweep, arguments.out)
    except RunnerError as error:
        print(f"analysis: {printable(str(error))}", file=sys.stderr)
        sys.exit(error.exit_code)
    except OSError as error:
        # What could not be printed is not tried again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):  # what reads it, such as `head`, has seen enough
            sys.exit(0)
        print(f"analysis: {printable(str(error))}", file=sys.stderr)
        sys.exit(1)
    sys.exit(code)


def analyse(root: Root, uri: str | None, experiment: str, sweep: str | None, out: Path | None = None) -> int:
    """Read a sweep, decide its claims, write the report and print them; the exit code: 1 when a run of it failed."""
    found = study(runs.read(uri or runs.local_uri(root.path), experiment, sweep), runs.correct)
    address = report.write(found, out or root.reports / found.sweep.key[:16], _published(found.sweep.name))
    print("\n".join([*lines(found), "", printable(f"Report: {address}")]), flush=True)
    return 1 if found.states.get("failed") else 0


def lines(found: Study) -> list[str]:
    """The verdicts in sentences, each with its interval and n."""
    text = [
        f"{found.sweep.name} ({found.sweep.key[:8]}): {sentences.counted(found)}",
        sentences.declared(found),
    ]
    for decision in found.decisions:
        origin = found.sweep.claims_origin.get(decision.name, "declared")
        mark = "" if origin == "declared" else f" [{origin}]"
        told = sentences.claim_text(found, decision)
        text += ["", told.headline + mark, "  " + told.finding]
        text += ["  " + line for line in told.details]
    return [printable(line) for line in (*text, "", f"Under: {sentences.conditions(found)}.")]


def _published(name: str) -> pd.DataFrame | None:
    """The published curves, for the sweep that repeats them; beside the packages, in a wheel inside the runner's."""
    checkout = Path(__file__).resolve().parent.parent
    for folder in (checkout, checkout / "runner"):
        path = folder / "sweeps" / "published_curves.csv"
        if name == "published" and path.is_file():
            return pd.read_csv(path)
    return None


if __name__ == "__main__":
    main()
