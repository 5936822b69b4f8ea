"""`python -m analysis.look SWEEP_KEY NUMBER`: what a look of a sweep decides, as JSON.

For the process that trains a sweep of `sweep.seeds=until_decided`: `decided` is the verdict, and
`words` the answer, of each claim that this look decides; `cells` are those of the claims that stay
open. A look that was decided before is said as it is recorded.
"""

import argparse
import json
import sys

from analysis.decide import looks, verdicts
from analysis.decide.study import prepared
from analysis.read import runs
from analysis.report import answers
from runner.errors import RunnerError, StoreError, printable
from runner.state.root import Root
from runner.tracking.store import arguments


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m analysis.look", description=__doc__)
    parser.add_argument("sweep", help="a sweep's key")
    parser.add_argument("number", type=int, help="which look it is, from 1")
    arguments.add(parser)
    given = parser.parse_args()
    try:
        uri = given.uri or runs.local_uri(Root.of(given.root).path)
        print(json.dumps(look(uri, given.experiment, given.sweep, given.number)))
    except RunnerError as error:
        print(f"analysis: {printable(str(error))}", file=sys.stderr)
        sys.exit(error.exit_code)


def look(uri: str, experiment: str, key: str, number: int) -> dict[str, object]:
    """What a look of a sweep decides, or has decided.

    Raises
    ------
    StoreError
        When no such look was planned, or the store holds no such sweep.
    """
    sweep = runs.read(uri, experiment, key)
    if not 1 <= number <= len(sweep.planned.looks):
        n = len(sweep.planned.looks)
        raise StoreError(f"look {number} of {key}: the sweep has {n} that were planned")
    cells, epochs = prepared(sweep)
    decisions = looks.decide_look(sweep, number, sweep.runs, epochs, cells)
    recorded = sweep.planned.looks[number - 1].decided
    seen = {d.name: d.verdict for d in decisions if d.verdict != verdicts.INCONCLUSIVE}
    decided = dict(seen if recorded is None else recorded)
    still = [decision for decision in decisions if decision.name not in decided]
    return {
        "decided": decided,
        "words": {name: answers.WORDS[given] for name, given in decided.items()},
        "cells": looks.cells_of_open(still, cells),
    }


if __name__ == "__main__":
    main()
