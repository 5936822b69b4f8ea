"""What a planned sweep can tell, for `plan=true`: the process that `runner.display.ahead` asks."""

import contextlib
from pathlib import Path
from typing import Any

from analysis.decide.beside.planned import Foreseen, Like, foresee
from analysis.read import runs
from analysis.report import answers, words
from analysis.report.numbers import amount
from runner.errors import StoreError, printable
from runner.record import as_text, parse_reduction, short
from runner.system import apart
from runner.system.language import Said, joined, say
from runner.words.columns import wrapped

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
    language: str,
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
    language
        In which it is said.
    """
    store = uri or runs.local_uri(root)
    others = []
    with contextlib.suppress(StoreError):  # there is none yet
        others = runs.all_planned(store, experiment)
    planned = runs.planned(plan)
    found = foresee(planned, others, lambda run_id: runs.read(store, experiment, run_id))
    to, text = words.speaking(language), []
    for foreseen in found:
        text += wrapped(printable(to(answers.sentence_of(foreseen.claim))), width)
        text += wrapped(printable(to(told(foreseen, minutes))), width, "  ", "  ")
    return text


def told(of: Foreseen, minutes: dict[str, float]) -> Said:
    """What a claim of a plan can come to."""
    if of.reason:
        return say("Cannot be decided: {reason}.", reason=of.reason)
    return joined(" ", [_cells(of, minutes), _chances(of)])


def _cells(of: Foreseen, minutes: dict[str, float]) -> Said:
    seeds = say("{n} seed" if of.n_seeds == 1 else "{n} seeds", n=of.n_seeds)
    known = [minutes[cell] for cell in of.cells if cell in minutes]
    if not known:
        return say("{n} cells, {seeds}.", n=len(of.cells), seeds=seeds)
    total = f"{sum(known):.1f}"
    return say("{n} cells, {seeds}, {min} min.", n=len(of.cells), seeds=seeds, min=total)


def _chances(of: Foreseen) -> Said:
    metric, margin = parse_reduction(of.claim.metric), of.claim.margin
    if of.n_seeds < 2:
        return say("One seed says nothing of others.")
    if of.like is None:
        return say("How small a difference they find is known once they are trained.")
    there = _luck(of.like)
    if of.by_median:
        return say(
            "In {there} luck was uneven: at least {fewest} seeds tell a direction, and these are"
            " {n}.",
            there=there,
            fewest=of.fewest,
            n=of.n_seeds,
        )
    finds = say(
        "In four sweeps of five they find {found} or more, with the luck of {there}",
        found=amount(of.detectable, metric),
        there=there,
    )
    if not margin:
        return say("{finds}.", finds=finds)
    matter = amount(margin, metric)
    if of.detectable <= margin:
        return say("{finds}; {margin} matter.", finds=finds, margin=matter)
    if of.n_for_margin and of.n_for_margin <= _MOST_SEEDS:
        found = "{finds}; {margin} matter, which {n} seeds find."
        return say(found, finds=finds, margin=matter, n=of.n_for_margin)
    lost = "{finds}; {margin} matter, which {n} seeds do not find."
    return say(lost, finds=finds, margin=matter, n=_MOST_SEEDS)


def _luck(like: Like) -> Said:
    """The sweep whose luck is taken, and the knobs that had other values there."""
    told = [
        f"{short(knob)}={','.join(map(as_text, values)) or 'none'}"
        for knob, values in like.differs.items()
    ]
    listed = say(" ".join(told[:_N_KNOBS]))
    if not told:
        return say("{name} ({n} seeds)", name=like.name, n=like.n_seeds)
    if len(told) > _N_KNOBS:
        listed = say("{knobs} and {n} others", knobs=listed, n=len(told) - _N_KNOBS)
    there = "{name} ({n} seeds, there {knobs})"
    return say(there, name=like.name, n=like.n_seeds, knobs=listed)


if __name__ == "__main__":
    main()
