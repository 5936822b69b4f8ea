"""What a planned sweep can tell, for `plan=true`: the process that `runner.display.ahead` asks."""

import contextlib
import textwrap
from pathlib import Path
from typing import Any

from analysis.decide.beside.planned import Foreseen, foresee
from analysis.read import runs
from analysis.report.numbers import amount
from runner.errors import StoreError, printable
from runner.record import as_text, parse_reduction, short
from runner.system import apart

#: More seeds than these are not worth naming, and no more differing knobs are named.
_MOST_SEEDS, _N_KNOBS = 100, 3


def main() -> None:
    """Write a line of text for each line to be printed."""
    with apart.answering() as (question, write):
        for line in lines(**question):
            write({"line": line})


def lines(
    plan: dict[str, Any],
    root: Path,
    uri: str | None,
    experiment: str,
    minutes: dict[str, float],
    width: int,
) -> list[str]:
    """What each claim of a plan can come to, wrapped.

    Parameters
    ----------
    plan
        The content of its file.
    minutes
        That each cell's untrained seeds will take, by cell key; empty where that is not known.
    width
        Columns of the terminal.
    """
    store = uri or runs.local_uri(root)
    others = []
    with contextlib.suppress(StoreError):  # there is none yet
        others = runs.all_planned(store, experiment)
    planned = runs.planned(plan)
    found = foresee(planned, others, lambda run_id: runs.read(store, experiment, run_id))
    text = []
    for foreseen in found:
        text += textwrap.wrap(printable(foreseen.claim.says), width)
        for sentence in _sentences(foreseen, minutes):
            text += textwrap.wrap(
                printable(sentence), width, initial_indent="  ", subsequent_indent="  "
            )
    return text


def _sentences(of: Foreseen, minutes: dict[str, float]) -> list[str]:
    if of.reason:
        return [f"Cannot be decided: {of.reason}."]
    return [f"{_cells(of, minutes)}. {_chances(of)}"]


def _cells(of: Foreseen, minutes: dict[str, float]) -> str:
    cells = f"{len(of.cells)} cells, {of.n_seeds} seed{'s' * (of.n_seeds != 1)}"
    known = [minutes[cell] for cell in of.cells if cell in minutes]
    return f"{cells}, {sum(known):.1f} min" if known else cells


def _chances(of: Foreseen) -> str:
    metric, margin = parse_reduction(of.claim.metric), of.claim.margin
    if of.n_seeds < 2:
        return "One seed says nothing of others."
    if of.like is None:
        return "How small a difference they find is known once they are trained."
    there = f"{of.like.name} ({of.like.n_seeds} seeds{_differs(of)})"
    if of.by_median:
        return (
            f"In {there} luck was uneven: at least {of.fewest} seeds tell a direction, and these"
            f" are {of.n_seeds}."
        )
    found = amount(of.detectable, metric)
    finds = f"In four sweeps of five they find {found} or more, with the luck of {there}"
    if not margin:
        return f"{finds}."
    matter = f"{amount(margin, metric)} matter"
    if of.detectable <= margin:
        return f"{finds}; {matter}."
    n = of.n_for_margin
    needed = f"{n} seeds find" if n and n <= _MOST_SEEDS else f"{_MOST_SEEDS} seeds do not find"
    return f"{finds}; {matter}, which {needed}."


def _differs(of: Foreseen) -> str:
    """The knobs that had other values in the sweep whose luck is taken."""
    assert of.like
    told = [
        f"{short(knob)}={','.join(map(as_text, values)) or 'none'}"
        for knob, values in of.like.differs.items()
    ]
    if not told:
        return ""
    more = f" and {len(told) - _N_KNOBS} others" if len(told) > _N_KNOBS else ""
    return f", there {' '.join(told[:_N_KNOBS])}{more}"


if __name__ == "__main__":
    main()
