"""`make chaos`: kill sweeps again and again; the table of what was lost, and exit code 1 if
anything was."""

import argparse
import json
import operator
import shutil
import signal
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import reduce
from pathlib import Path

from commands import make_store

from chaos.figures import table
from chaos.harness import Harness
from chaos.subjects import PlainScript, Runner
from runner.state.root import Root


def main():
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument(
        "--seed", type=int, default=0, help="of what is killed when (default: %(default)s)"
    )
    parser.add_argument(
        "--peer", action="store_true", help="the plain Hydra and MLflow script as well"
    )
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    arguments = parser.parse_args()
    # A shell without job control starts `make chaos &` with SIGINT ignored. Commands would inherit
    # that, and a Ctrl-C before they handle it would not stop them.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    print(f"seed {arguments.seed}, in {folder}", flush=True)
    make_store(folder)
    subjects = [Runner, PlainScript] if arguments.peer else [Runner]
    all_figures = [
        under_fire(subject, folder, arguments.seed, arguments.kills) for subject in subjects
    ]
    print(table(all_figures))
    if arguments.out:
        content = [vars(figures) for figures in all_figures]
        arguments.out.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    violations = [violation for figures in all_figures for violation in figures.violations]
    for violation in violations:
        print(f"VIOLATION: {violation}", file=sys.stderr)
    if violations:
        print(f"what is left of the last sweep is in {folder}")
    else:
        shutil.rmtree(folder)
        print("nothing was lost")
    sys.exit(bool(violations))


def under_fire(subject, folder, seed, n_kills):
    """The figures of two harnesses side by side, each with half of the kills: a start is busy on
    one core."""
    # Once each in the short tier, five times in that of 600 kills.
    points = [*subject.points] * max(1, n_kills // 120)
    # Each costs a compilation.
    n_cold = max(1, n_kills // 60) if subject.resumes else 0

    def half(number):
        place = folder / f"{subject.__name__.lower()} {number}"
        place.mkdir()
        kills = n_kills // 2 + n_kills % 2 * number
        return Harness(
            subject(Root(folder).database),
            place,
            2 * seed + number,
            kills,
            points[number::2],
            n_cold,
        ).run()

    with ThreadPoolExecutor(2) as pool:
        figures = reduce(operator.add, pool.map(half, range(2)))
    figures.seed = seed
    return figures


if __name__ == "__main__":
    main()
