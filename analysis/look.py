"""What a look of a sweep decides: the process that `runner.work.looking` asks."""

from pathlib import Path

from analysis.decide import looks, verdicts
from analysis.decide.study import prepared
from analysis.read import runs
from analysis.report import answers
from runner.errors import RunnerError, StoreError, printable
from runner.system import apart


def main() -> None:
    """Write what the look decides, or why it cannot be decided, as `refused`."""
    with apart.answering() as (question, write):
        try:
            write(look(**question))
        except RunnerError as error:
            write({"refused": printable(str(error))})


def look(root: Path, uri: str | None, experiment: str, key: str, number: int) -> dict[str, object]:
    """What a look of a sweep decides, or has decided; looks are numbered from 1.

    Returns
    -------
    dict
        `decided` is the verdict, and `words` the answer, of each claim that the look decides;
        `cells` are those of the claims that stay open. A look that was decided before is said as it
        is recorded.

    Raises
    ------
    StoreError
        When no such look was planned, or the store holds no such sweep.
    """
    sweep = runs.read(uri or runs.local_uri(root), experiment, key)
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
