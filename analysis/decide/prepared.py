"""What a claim is decided from: its contrasts, their numbers, and the luck that these show."""

from dataclasses import dataclass, replace

import pandas as pd

from analysis.decide import evidence, metrics
from analysis.decide.fair import gate
from analysis.decide.fair.choice import Choice
from analysis.design import contrasts, within_seed
from analysis.design.cells import Cells
from analysis.design.contrasts import Contrast, NotTestable
from analysis.design.luck import Luck, sides_of, skewed, typical_ratios, unevenness
from runner.record import DIVERGED, Claim


@dataclass(frozen=True)
class Prepared:
    """A claim that can be decided, before anything is tested."""

    claim: Claim
    contrasts: list[Contrast]
    #: Of the cells that take part, seeds x cells.
    numbers: pd.DataFrame
    n_censored: int
    choice: Choice | None
    n_diverged: int
    #: Behind each contrast.
    luck: list[Luck]


def prepared(claim: Claim, runs: pd.DataFrame, epochs: pd.DataFrame, cells: Cells) -> Prepared:
    """A claim by itself: its luck is not known yet beside other claims.

    Raises
    ------
    NotTestable
        When the runs cannot decide the claim.
    """
    compared, choice, taken = gate.passed(claim, runs, epochs, cells)
    numbers, n_censored = metrics.numbers_of(claim, taken, epochs, compared)
    uneven = _unevenness_of_all(claim, taken, epochs, cells) if claim.at and not choice else None
    if uneven is None:
        uneven = _unevenness(numbers, compared)
    is_skewed = evidence.asked(claim) is None and skewed(
        metrics.of_all_cells(claim, runs, epochs, list(numbers.index))
    )
    members = {cell for contrast in compared for cell in contrast.cells}
    states = taken.loc[taken["cell_key"].isin(members), "state"]
    return Prepared(
        claim,
        compared,
        numbers,
        n_censored,
        choice,
        n_diverged=int((states == DIVERGED).sum()),
        luck=[Luck(ratio, is_skewed=is_skewed) for ratio in uneven],
    )


def beside_each_other(claims: dict[str, Prepared]) -> dict[str, Prepared]:
    """Claims whose luck is known from all contrasts of a sweep that share a side, too."""
    ratios = iter(
        typical_ratios([
            sides_of(of.numbers, contrast.weights, of.claim.metric)
            for of in claims.values()
            for contrast in of.contrasts
        ])
    )  # fmt: skip
    return {
        name: replace(of, luck=[replace(luck, beside=next(ratios)) for luck in of.luck])
        for name, of in claims.items()
    }


def _unevenness_of_all(
    claim: Claim, runs: pd.DataFrame, epochs: pd.DataFrame, cells: Cells
) -> list[float] | None:
    """The unevenness of luck at all settings, of a claim about one of them.

    Few seeds of one cell a side tell little of luck, and more of its cells tell more. None where
    the cells at the other settings cannot be compared.
    """
    claim = replace(claim, at={})
    try:
        compared = contrasts.contrasts_of(claim, cells)
        numbers, _ = metrics.numbers_of(claim, runs, epochs, compared)
    except NotTestable:
        return None
    return _unevenness(numbers, compared)


def _unevenness(numbers: pd.DataFrame, compared: list[Contrast]) -> list[float]:
    return [
        unevenness(*within_seed.cells_and_weights(numbers, contrast.weights))
        for contrast in compared
    ]
