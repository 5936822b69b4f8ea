"""Whether a verdict depends on a choice that could as well have been made otherwise."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from analysis.decide import metrics, verdicts
from analysis.decide.claims import Decision
from analysis.decide.evidence import evidence_on, fewest_seeds
from analysis.decide.judging import judged
from analysis.decide.verdicts import Bounds
from analysis.design import contrasts
from analysis.design.contrasts import Contrast
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
    turn, where those that remain are enough for the test. A claim that was not tested has one
    verdict.
    """
    by_choice = {"as declared": decision.verdict}
    if decision.bounds is None or decision.contrast is None:
        return Multiverse(by_choice)
    claim, contrast = decision.claim, decision.contrast
    n_epochs = int(epochs.groupby("run_key")["epoch"].max().min())
    numbers, _ = metrics.numbers_of(claim, runs, epochs, [contrast])
    for choice, metric in _other_metrics(parse_reduction(claim.metric), n_epochs):
        other = replace(claim, metric=str(metric))
        try:
            others, _ = metrics.numbers_of(other, runs, epochs, [contrast])
        except contrasts.NotTestable:
            by_choice[choice] = verdicts.NOT_TESTABLE
        else:
            by_choice[choice] = _verdict(decision, contrast, others)
    # A pooled error is that of the average, which is no answer where it depends on the setting; and
    # its interval holds for one number of seeds alone.
    is_average = len(contrast.cells) > 2 and decision.verdict != verdicts.DEPENDS
    if is_average and decision.fixed is None:
        by_choice["error pooled over the cells"] = _by_pooled_error(decision, contrast, numbers)
    if len(numbers) > _n_needed(decision):
        for seed in numbers.index:
            by_choice[f"without seed {seed}"] = _verdict(decision, contrast, numbers.drop(seed))
    return Multiverse(by_choice)


def _n_needed(decision: Decision) -> int:
    """With fewer seeds than its test needs, no verdict can be the same."""
    assert decision.levels
    if not decision.by_median:
        return verdicts.MIN_SEEDS
    return fewest_seeds(decision.levels.interval, decision.fixed is not None)


def _other_metrics(metric: Reduction, n_epochs: int) -> list[tuple[str, Reduction]]:
    if metric.kind == "final" and n_epochs > _N_LAST:
        return [(f"mean of the last {_N_LAST} epochs", replace(metric, kind="last", k=_N_LAST))]
    if metric.kind == "last" and metric.k > 1:
        return [("the last epoch alone", replace(metric, kind="final", k=1))]
    if metric.kind == "epochs_to" and metric.threshold is not None:
        moved = [round(metric.threshold + step, 10) for step in (-_THRESHOLD_STEP, _THRESHOLD_STEP)]
        return [(f"threshold {value:g}", replace(metric, threshold=value)) for value in moved]
    return []


def _verdict(decision: Decision, contrast: Contrast, numbers: pd.DataFrame) -> str:
    """The verdict from other numbers, by the mean or the median, and at the levels, as declared."""
    assert decision.levels
    alpha, any_looks = decision.levels.interval, decision.fixed is not None
    seen = evidence_on(numbers, contrast.weights, alpha, decision.by_median, any_looks)
    return _censored(
        decision, judged(decision.claim, contrast, numbers, seen, decision.levels).verdict
    )


def _by_pooled_error(decision: Decision, contrast: Contrast, numbers: pd.DataFrame) -> str:
    """The verdict where all cells share one variance of the error."""
    assert decision.levels
    weights, alpha = np.array(list(contrast.weights.values())), decision.levels.interval
    values = numbers[contrast.cells].to_numpy(float)
    both = Bounds(
        intervals.pooled_interval(values, weights, 1 - alpha),
        intervals.pooled_interval(values, weights, 1 - 2 * alpha),
    )
    is_established = both.interval.p <= decision.levels.direction
    claim = decision.claim
    return _censored(
        decision, verdicts.verdict(both, claim.direction, claim.margin, is_established)
    )


def _censored(decision: Decision, given: str) -> str:
    return verdicts.with_censoring(given) if decision.n_censored else given
