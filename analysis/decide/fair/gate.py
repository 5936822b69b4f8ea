"""The gate before a claim: its contrasts, and the runs that they compare, where they can be."""

import pandas as pd

from analysis.decide import evidence, metrics
from analysis.decide.evidence import By, Evidence
from analysis.decide.fair.arms import arms_of
from analysis.decide.fair.choice import Choice, choose
from analysis.design import confounds, contrasts
from analysis.design.cells import Cells
from analysis.design.contrasts import Contrast, NotTestable
from analysis.design.luck import Luck
from runner.record import DIVERGED, DONE, Claim


def passed(
    claim: Claim, runs: pd.DataFrame, epochs: pd.DataFrame, cells: Cells
) -> tuple[list[Contrast], Choice | None, pd.DataFrame]:
    """What a claim compares: its contrasts, the best levels of their sides, and the runs by cell.

    Without `best_over` there is no choice, and the runs are those of the sweep. With it each side
    is a cell of its own, and a run that diverged hinders nothing unless it is chosen.

    Raises
    ------
    NotTestable
        When the runs cannot decide the claim.
    """
    moved = cells.moved_by(claim.knob)
    choice = None
    if not claim.best_over:
        compared = contrasts.contrasts_of(claim, cells)
    else:
        arms = arms_of(cells, claim.best_over)
        compared = contrasts.contrasts_of(claim, arms.cells)
        for contrast in compared:
            trained = [arms.trained(simple) for simple in contrast.compared]
            _check(runs, trained, moved, (DONE, DIVERGED))
        choice = choose(claim, arms, compared, runs, epochs)
        runs = choice.runs
    accepted = (DONE, DIVERGED) if claim.takes_diverged else (DONE,)
    for contrast in compared:
        _check(runs, contrast.compared, moved, accepted)
    return compared, choice, runs


def seen(
    claim: Claim,
    contrast: Contrast,
    numbers: pd.DataFrame,
    choice: Choice | None,
    epochs: pd.DataFrame,
    alpha: float,
    by: By | None,
    for_any_looks: bool = False,
    luck: Luck | None = None,
) -> Evidence:
    """The evidence on a contrast by its `numbers`; with a choice also by that over all seeds.

    The parameters are those of `evidence.evidence_on`.
    """
    of, looks = contrast.weights, for_any_looks
    found = evidence.evidence_on(numbers, of, alpha, by, looks, luck)
    if choice is None:
        return found
    at_one_level, _ = metrics.numbers_of(claim, choice.once, epochs, [contrast])
    return found.and_(evidence.evidence_on(at_one_level, of, alpha, found.by, looks))


def _check(
    runs: pd.DataFrame, compared: list[list[str]], moved: list[str], accepted: tuple[str, ...]
) -> None:
    reason = confounds.refusal(runs, compared, moved, accepted)
    if reason:
        raise NotTestable(reason)
