"""Whether a verdict depends on a choice that could as well have been made otherwise."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from analysis.decide import claims, verdicts
from analysis.decide.claims import Decision
from analysis.decide.verdicts import Bounds
from analysis.design import contrasts
from analysis.statistics import intervals
from runner.record import Reduction, parse_reduction

#: How many last epochs are averaged in place of the last one, and how far a threshold is moved.
_N_LAST, _THRESHOLD_STEP = 3, 0.01


@dataclass(frozen=True)
class Multiverse:
    """The verdict of each choice, the declared choice first."""

    verdicts: dict[str, str]

    @property
    def n_agree(self) -> int:
        """How many choices give the verdict of the declared one, itself included."""
        given = list(self.verdicts.values())
        return given.count(given[0])

    @property
    def flips(self) -> dict[str, str]:
        """The choices that give another verdict."""
        declared = next(iter(self.verdicts.values()))
        return {choice: given for choice, given in self.verdicts.items() if given != declared}


def multiverse(decision: Decision, runs: pd.DataFrame, epochs: pd.DataFrame) -> Multiverse:
    """The claim decided by other choices.

    These are: the mean of the last three epochs in place of the last epoch and the other way round;
    the threshold a point lower and higher; the error pooled over the cells; each seed left out in
    turn. A claim that was not tested has one verdict.
    """
    by_choice = {"as declared": decision.verdict}
    if decision.bounds is None or decision.contrast is None:
        return Multiverse(by_choice)
    claim, contrast = decision.claim, decision.contrast
    n_epochs = int(epochs.groupby("run_key")["epoch"].max().min())
    for choice, metric in _other_metrics(parse_reduction(claim.metric), n_epochs):
        other = replace(claim, metric=str(metric))
        try:
            numbers, _ = claims.numbers_of(other, runs, epochs, [contrast])
        except contrasts.NotTestable:
            by_choice[choice] = verdicts.NOT_TESTABLE
        else:
            by_choice[choice] = _by_t(decision, contrasts.per_seed(numbers, contrast.weights))
    if len(contrast.cells) > 2:
        numbers, _ = claims.numbers_of(claim, runs, epochs, [contrast])
        by_choice["error pooled over the cells"] = _by_pooled_error(decision, numbers)
    if len(decision.per_seed) > 2:
        for seed in decision.per_seed.index:
            others = decision.per_seed.drop(seed).to_numpy()
            by_choice[f"without seed {seed}"] = _by_t(decision, others)
    return Multiverse(by_choice)


def _other_metrics(metric: Reduction, n_epochs: int) -> list[tuple[str, Reduction]]:
    if metric.kind == "final" and n_epochs > _N_LAST:
        return [(f"mean of the last {_N_LAST} epochs", replace(metric, kind="last", k=_N_LAST))]
    if metric.kind == "last" and metric.k > 1:
        return [("the last epoch alone", replace(metric, kind="final", k=1))]
    if metric.kind == "epochs_to" and metric.threshold is not None:
        moved = [round(metric.threshold + step, 10) for step in (-_THRESHOLD_STEP, _THRESHOLD_STEP)]
        return [(f"threshold {value:g}", replace(metric, threshold=value)) for value in moved]
    return []


def _by_t(decision: Decision, differences: contrasts.Array) -> str:
    """The verdict by the t interval of other per-seed differences."""
    if intervals.constant(differences):
        return verdicts.NOT_TESTABLE
    level, narrower = _levels(decision)
    t_interval = intervals.t_interval
    return _verdict(
        decision, Bounds(t_interval(differences, level), t_interval(differences, narrower))
    )


def _by_pooled_error(decision: Decision, numbers: pd.DataFrame) -> str:
    """The verdict where all cells share one variance of the error."""
    assert decision.contrast
    weights = np.array(list(decision.contrast.weights.values()))
    values = numbers[decision.contrast.cells].to_numpy(float)
    level, narrower = _levels(decision)
    pooled = intervals.pooled_interval
    return _verdict(
        decision, Bounds(pooled(values, weights, level), pooled(values, weights, narrower))
    )


def _levels(decision: Decision) -> tuple[float, float]:
    assert decision.bounds
    return decision.bounds.interval.level, decision.bounds.equivalence.level


def _verdict(decision: Decision, bounds: Bounds) -> str:
    given = verdicts.verdict(bounds, decision.claim.direction, decision.claim.margin)
    return verdicts.with_censoring(given) if decision.n_censored else given
