"""`python -m analysis [SWEEP]`: what a sweep's claims earned, in sentences on the terminal."""

import argparse
import os
import sys
from pathlib import Path

from analysis import runs, sentences
from analysis.study import Study, study
from runner.errors import RunnerError
from runner.files import root_of


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m analysis", description=__doc__)
    parser.add_argument(
        "sweep", nargs="?", help="a sweep's name, the start of its key, or its run id (default: the latest)"
    )
    parser.add_argument("--root", help="folder that holds the local store (default: the checkout, else here)")
    parser.add_argument("--uri", help="tracking store (default: the local one under the root)")
    parser.add_argument("--experiment", default="ablations", help="MLflow experiment (default: %(default)s)")
    arguments = parser.parse_args()
    try:
        code = analyse(root_of(arguments.root), arguments.uri, arguments.experiment, arguments.sweep)
    except RunnerError as error:
        print(f"analysis: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except BrokenPipeError:  # what reads it, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)


def analyse(root: Path, uri: str | None, experiment: str, sweep: str | None) -> int:
    """Read a sweep, decide its claims and print them; the exit code: 1 when a run of it failed."""
    found = study(runs.read(uri or runs.local_uri(root), experiment, sweep), runs.correct)
    print("\n".join(lines(found)), flush=True)
    return 1 if found.states.get("failed") else 0


def lines(found: Study) -> list[str]:
    """The verdicts in sentences, each with its interval and n."""
    n_done, n_runs = found.states.get("done", 0), len(found.sweep.runs)
    rest = ", ".join(f"{n} {state}" for state, n in found.states.items() if state != "done")
    counted = f"{n_done} of {n_runs} runs done" + (f" ({rest})" if rest else "")
    text = [f"{found.sweep.name} ({found.sweep.key[:8]}): {counted}"]
    n_begun = int(found.sweep.runs["start_ms"].notna().sum())
    if found.decisions:
        text.append(f"Its claims were recorded before {found.n_declared_before} of {n_begun} runs began.")
    else:
        text.append("No claim was declared for this sweep.")
    for decision in found.decisions:
        origin = found.sweep.claims_origin.get(decision.name, "declared")
        mark = "" if origin == "declared" else f" [{origin}]"
        text += ["", sentences.headline(decision) + mark, "  " + sentences.finding(decision)]
        text += ["  " + line for line in sentences.details(decision, found.multiverses[decision.name])]
        if decision.name in found.more:
            text.append("  " + sentences.wish(decision, found.more[decision.name]))
    return [*text, "", f"Under: {sentences.conditions(found.cells)}."]


if __name__ == "__main__":
    main()
