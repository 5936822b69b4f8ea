"""What a sweep that is planned can tell of each claim, from the luck of like runs in the store."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pandas as pd

from analysis.decide import evidence, metrics
from analysis.decide.beside.more_seeds import ENOUGH
from analysis.decide.looks import alpha_of
from analysis.decide.verdicts import MIN_SEEDS
from analysis.design import contrasts
from analysis.design.cells import Cells, as_key, bearing_knobs, cells_of_sweep
from analysis.design.contrasts import Contrast, NotTestable
from analysis.design.luck import luck_of
from analysis.read.runs import Sweep
from analysis.statistics import power
from analysis.statistics.intervals import spread
from runner.record import DONE, Claim

#: Runs of other data or of another network are not alike: their luck is of another size.
_NEVER_DIFFERS = ("data.", "model.kind", "model._target_")


@dataclass(frozen=True)
class Like:
    """A sweep of the store that tells how much a contrast varies over the seeds."""

    name: str
    n_seeds: int
    #: The knobs that have other values there, each with these.
    differs: dict[str, list[object]]


@dataclass(frozen=True)
class Foreseen:
    """What a planned sweep can tell of a claim."""

    claim: Claim
    n_seeds: int
    #: The cells that its contrasts use.
    cells: list[str] = field(default_factory=list)
    #: Why no number of seeds decides it; empty otherwise.
    reason: str = ""
    #: None where no runs like these have been trained.
    like: Like | None = None
    #: Whether the median would be judged, as their luck is uneven; it takes `fewest` seeds then.
    by_median: bool = False
    fewest: int = 0
    #: The difference that these seeds find in four sweeps of five, in the metric's units.
    detectable: float = float("nan")
    #: The seeds that find the margin in four sweeps of five; None for very many, or no margin.
    n_for_margin: int | None = None


#: The sweep of a store with its runs and epochs, by its run id.
Read = Callable[[str], Sweep]


def foresee(planned: Sweep, others: list[Sweep], read: Read) -> list[Foreseen]:
    """What the sweep can tell of each of its claims.

    Parameters
    ----------
    planned
        A sweep of which nothing need be trained.
    others
        Those of the store as they were planned, the latest first.
    read
        Reads the runs and epochs of one of them.
    """
    # Of seeds that come in looks, those of the first are planned.
    first = 1 if planned.planned.looks else None
    alpha = alpha_of(first) / max(1, len(planned.claims))
    here, there = _Cells.of(planned), [_Cells.of(other) for other in others]
    read = functools.cache(read)
    return [_foreseen(claim, here, there, read, alpha) for claim in planned.claims.values()]


@dataclass(frozen=True)
class _Cells:
    """A sweep as it was planned, with its cells, which all claims share."""

    sweep: Sweep
    cells: Cells
    n_seeds: int

    @classmethod
    def of(cls, sweep: Sweep) -> "_Cells":
        n_seeds = int(sweep.runs.groupby("cell_key")["seed"].nunique().max())
        return cls(sweep, cells_of_sweep(sweep), n_seeds)


def _foreseen(
    claim: Claim, planned: _Cells, others: list[_Cells], read: Read, alpha: float
) -> Foreseen:
    n_seeds = planned.n_seeds
    try:
        compared = contrasts.contrasts_of(claim, planned.cells)
    except NotTestable as error:
        return Foreseen(claim, n_seeds, reason=str(error))
    used = list(dict.fromkeys(cell for contrast in compared for cell in contrast.cells))
    found = Foreseen(claim, n_seeds, used)
    for other, differs in _alike(claim, planned, used, others):
        try:
            numbers, there = _numbers(claim, read(other.run_id))
        except NotTestable:
            continue
        like = Like(other.name, len(numbers), differs)
        return _from_luck(replace(found, like=like), numbers, there, alpha)
    return found


def _alike(
    claim: Claim, planned: _Cells, used: list[str], others: list[_Cells]
) -> list[tuple[Sweep, dict[str, list[object]]]]:
    """The sweeps that compare the same levels, in the order in which they are to be asked.

    Those with the fewest other differences come first, and of these those with most seeds.
    """
    found: list[tuple[Sweep, dict[str, list[object]]]] = []
    here = _values(planned.sweep, used) if others else {}
    for other in others:
        try:
            compared = contrasts.contrasts_of(claim, other.cells)
        except NotTestable:
            continue
        there = _values(other.sweep, [cell for contrast in compared for cell in contrast.cells])
        differs = {
            knob: list(there.get(knob, {}).values())
            for knob in {**here, **there}
            if here.get(knob, {}).keys() != there.get(knob, {}).keys()
        }
        is_other = any(knob.startswith(_NEVER_DIFFERS) for knob in differs)
        if claim.knob not in differs and not is_other:
            found.append((other.sweep, differs))
    return sorted(found, key=lambda each: (len(each[1]), -each[0].runs["seed"].nunique()))


def _values(sweep: Sweep, used: list[str]) -> dict[str, dict[str, object]]:
    """The values that each knob has in some cells, by `as_key`."""
    runs = sweep.runs.drop_duplicates("cell_key")
    runs = runs[runs["cell_key"].isin(used)]
    idle = list(runs["without_effect"])
    return {
        knob: {
            as_key(value): value
            for value, nothing in zip(runs[knob], idle, strict=True)
            if knob not in nothing
        }
        for knob in bearing_knobs(sweep)
    }


def _numbers(claim: Claim, sweep: Sweep) -> tuple[pd.DataFrame, list[Contrast]]:
    """The claim's metric, seeds x cells, of the seeds whose runs are all done."""
    compared = contrasts.contrasts_of(claim, cells_of_sweep(sweep))
    runs = sweep.runs[
        sweep.runs["cell_key"].isin({cell for contrast in compared for cell in contrast.cells})
    ]
    undone = set(runs.loc[runs["state"] != DONE, "seed"])
    runs = runs[~runs["seed"].isin(undone)]
    if runs["seed"].nunique() < MIN_SEEDS:
        raise NotTestable("too few seeds are done")
    epochs = sweep.epochs[sweep.epochs["run_key"].isin(runs.index)]
    numbers, _ = metrics.numbers_of(claim, runs, epochs, compared)
    return numbers, compared


def _from_luck(
    found: Foreseen, numbers: pd.DataFrame, compared: list[Contrast], alpha: float
) -> Foreseen:
    """What is found by seeds whose luck is that of some runs, in the contrast that varies most."""
    weights = [contrast.weights for contrast in compared]
    seen = [
        evidence.evidence_on(numbers, of, alpha, luck=luck)
        for of, luck in zip(weights, luck_of(numbers, *weights), strict=True)
    ]
    if any(of.by_median for of in seen):
        return replace(found, by_median=True, fewest=evidence.fewest_seeds(alpha))
    sd = max(spread(of.differences) for of in seen)
    spreads, margin = power.likely_spreads(sd, len(numbers)), found.claim.margin
    return replace(
        found,
        detectable=power.detectable(spreads, found.n_seeds, alpha, ENOUGH),
        n_for_margin=power.seeds_to_find(margin, spreads, alpha, ENOUGH) if margin else None,
    )
