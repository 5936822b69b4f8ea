"""What a look of a sweep decides: the process that `runner.work.looking` asks."""

from pathlib import Path

from analysis.decide import looks, verdicts
from analysis.decide.study import prepared
from analysis.read import runs
from analysis.report import answers, words
from runner.errors import RunnerError, StoreError, printable
from runner.system import apart
from runner.system.language import joined


def main() -> None:
    """Write what the look decides, or why it cannot be decided, as `refused`."""
    with apart.answering() as (question, write):
        try:
            write(look(**question))
        except RunnerError as error:
            to = words.speaking(question["language"])
            write({"refused": printable(to(str(error)))})


def look(
    root: Path, uri: str | None, experiment: str, key: str, number: int, language: str
) -> dict[str, object]:
    """What a look of a sweep decides, or has decided; looks are numbered from 1.

    Returns
    -------
    dict
        `decided` is the verdict, and `answers` what a reader is told, of each claim that the look
        decides; `cells` are those of the claims that stay open. A look that was decided before is
        said as it is recorded.

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
    decided, to = dict(seen if recorded is None else recorded), words.speaking(language)
    still = [decision for decision in decisions if decision.name not in decided]
    return {
        "decided": decided,
        "answers": {
            name: to(joined(": ", [answers.WORDS[given], answers.sentence_of(sweep.claims[name])]))
            for name, given in decided.items()
        },
        "cells": looks.cells_of_open(still, cells),
    }


if __name__ == "__main__":
    main()
