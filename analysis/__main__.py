"""`python -m analysis [SWEEP]`: what a sweep's claims earned, on the terminal and as a report."""

import gc

# pandas, SciPy and matplotlib make hundreds of thousands of objects that live to the end. Searching
# them for garbage, during the imports and afterwards, takes a tenth of a report's time.
gc.disable()

import argparse  # noqa: E402
import io  # noqa: E402
import os  # noqa: E402
import shutil  # noqa: E402
import sys  # noqa: E402
import textwrap  # noqa: E402
from pathlib import Path  # noqa: E402

import pandas as pd  # noqa: E402

from analysis.decide.study import Study, study  # noqa: E402
from analysis.read import runs  # noqa: E402
from analysis.report import answers, sentences, write  # noqa: E402
from runner.errors import RunnerError, printable  # noqa: E402
from runner.record import FAILED  # noqa: E402
from runner.state.root import Root  # noqa: E402
from runner.system import files, streams  # noqa: E402
from runner.tracking.store import arguments  # noqa: E402

gc.freeze()
gc.enable()

#: Lines are not longer, however wide the terminal is.
_WIDEST = 100


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m analysis", description=__doc__)
    parser.add_argument(
        "sweep",
        nargs="?",
        help="a sweep's name, the start of its key, or its run id (default: the latest)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        help="folder of the report (default: reports/<sweep key> under the root)",
    )
    parser.add_argument(
        "--details",
        action="store_true",
        help="the verdicts with intervals, p values and other ways to compute them",
    )
    arguments.add(parser)
    given = parser.parse_args()
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal without a minus sign shows its name instead of `?`.
        sys.stdout.reconfigure(errors="namereplace")
    streams.outlast_readers()
    try:
        code = analyse(
            Root.of(given.root), given.uri, given.experiment, given.sweep, given.out, given.details
        )
    except RunnerError as error:
        print(f"analysis: {printable(str(error))}", file=sys.stderr)
        sys.exit(error.exit_code)
    except OSError as error:
        # Python must not try again at exit what could not be printed.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print(f"analysis: {printable(str(error))}", file=sys.stderr)
        sys.exit(1)
    sys.exit(code)


def analyse(
    root: Root,
    uri: str | None,
    experiment: str,
    sweep: str | None,
    out: Path | None = None,
    with_details: bool = False,
) -> int:
    """Decide the claims of a sweep, write the report and print the verdicts.

    Returns
    -------
    int
        The exit code: 1 when a run of the sweep failed, else 0.
    """
    decided = study(runs.read(uri or runs.local_uri(root.path), experiment, sweep), runs.correct)
    name, key = decided.sweep.name, decided.sweep.key
    address = write.write(decided, out or root.reports / key[:16], _published(name))
    said = lines(decided, with_details, width=min(shutil.get_terminal_size().columns, _WIDEST))
    more = "" if with_details else " (python -m analysis --details says all numbers here)"
    print("\n".join([*said, "", printable(f"Report: {address}") + more]), flush=True)
    return 1 if decided.states.get(FAILED) else 0


def lines(decided: Study, with_details: bool, width: int) -> list[str]:
    """The answers, a word and a line or two each; or the verdicts in sentences with all numbers."""
    sweep, answered = decided.sweep, []
    text = [
        f"{sweep.name} ({sweep.key[:8]}): {sentences.counted(decided)}",
        sentences.declared(decided),
    ]
    for decision in decided.decisions:
        marks = sentences.marks(decided, decision)
        answered.append((answers.answer(decided, decision), marks))
        if with_details:
            claim = sentences.claim_text(decided, decision)
            text += ["", claim.headline + "".join(f" [{mark}]" for mark in marks)]
            text += [f"  {line}" for line in (claim.finding, *claim.details)]
    if not with_details:
        text = [line for long in text for line in textwrap.wrap(long, width)]
        text += answers.lines(answered, width)
    under = f"Under: {sentences.conditions(decided)}."
    if with_details:
        under = f"{under} {sentences.test_reads(decided)}".rstrip()
    text += ["", *([under] if with_details else textwrap.wrap(under, width))]
    return [printable(line) for line in text]


def _published(name: str) -> pd.DataFrame | None:
    """The published curves, for the sweep that repeats them."""
    path = files.values_folder() / "sweeps" / "published_curves.csv"
    return pd.read_csv(path) if name == "published" and path.is_file() else None


if __name__ == "__main__":
    main()
