"""Whether a verdict depends on a choice that could as well have been made otherwise."""

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from analysis.decide import metrics, verdicts
from analysis.decide.claims import decide
from analysis.decide.decision import Decision
from analysis.decide.evidence import By, fewest_seeds
from analysis.decide.fair import gate
from analysis.decide.fair.choice import Choice
from analysis.decide.judging import judged
from analysis.decide.verdicts import Bounds
from analysis.design import contrasts
from analysis.design.contrasts import Contrast
from analysis.statistics import intervals
from runner.record import Claim, Reduction, parse_reduction

#: How many last epochs are averaged in place of the last one, and how far a threshold is moved.
_N_LAST, _THRESHOLD_STEP = 3, 0.01


@dataclass(frozen=True)
class Multiverse:
    """The verdict of each choice, the declared choice first."""

    verdicts: dict[str, str]
    #: Of a claim that gives each side its own best level: the verdict where both have the same one,
    #: by the level (`lr=0.001`). It is another question, and so no choice.
    at_fixed: dict[str, str] = field(default_factory=dict)

    @property
    def n_hold(self) -> int:
        """At how many fixed levels the claim holds."""
        return sum(given in verdicts.HOLDS for given in self.at_fixed.values())

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
    turn, the best levels chosen anew, where the seeds that remain are enough for the test. A claim
    that was not tested has one verdict.
    """
    by_choice = {"as declared": decision.verdict}
    if decision.bounds is None or decision.contrast is None:
        return Multiverse(by_choice)
    claim, contrast = decision.claim, decision.contrast
    runs = decision.compared(runs)
    lengths = epochs.loc[epochs["run_key"].isin(runs.index)].groupby("run_key")["epoch"].max()
    numbers, _ = metrics.numbers_of(claim, runs, epochs, [contrast])
    for choice, metric in _other_metrics(parse_reduction(claim.metric), lengths):
        other = replace(claim, metric=str(metric))
        try:
            others, _ = metrics.numbers_of(other, runs, epochs, [contrast])
        except contrasts.NotTestable:
            by_choice[choice] = verdicts.NOT_TESTABLE
        else:
            by_choice[choice] = _verdict(decision, other, others, decision.choice, epochs)
    # A pooled error is that of the average, which is no answer where it depends on the setting; and
    # its interval holds for one number of seeds alone.
    is_plain = decision.by is not By.SHARE and decision.choice is None and decision.fixed is None
    has_error = is_plain and bool(np.isfinite(decision.both_sides).all())
    if len(contrast.cells) > 2 and has_error and decision.verdict != verdicts.DEPENDS:
        by_choice["error pooled over the cells"] = _by_pooled_error(decision, contrast, numbers)
    if len(numbers) > _n_needed(decision):
        for seed in numbers.index:
            others, rest = numbers.drop(seed), None
            if decision.choice:
                rest = decision.choice.without(int(seed))
                others, _ = metrics.numbers_of(claim, rest.runs, epochs, [contrast])
            by_choice[f"without seed {seed}"] = _verdict(decision, claim, others, rest, epochs)
    return Multiverse(by_choice, _at_fixed(decision, epochs))


def _n_needed(decision: Decision) -> int:
    """With fewer seeds than its test needs, no verdict can be the same."""
    assert decision.levels
    if decision.by is not By.MEDIAN:
        return verdicts.MIN_SEEDS
    return fewest_seeds(decision.levels.interval, decision.fixed is not None)


def _at_fixed(decision: Decision, epochs: pd.DataFrame) -> dict[str, str]:
    """The verdict with both sides at the same level, at each that the sides chose from."""
    choice, levels = decision.choice, decision.levels
    if choice is None or levels is None:
        return {}
    claim = replace(decision.claim, best_over=[], chosen_on=None)
    return {
        fixed.name: decide(
            claim, choice.at(fixed.at), epochs, choice.arms.cells, levels.interval
        ).verdict
        for fixed in choice.fixed
    }


def _other_metrics(metric: Reduction, lengths: pd.Series) -> list[tuple[str, Reduction]]:
    if metric.kind == "final" and lengths.min() > _N_LAST:
        return [(f"mean of the last {_N_LAST} epochs", replace(metric, kind="last", k=_N_LAST))]
    if metric.kind == "last" and metric.k > 1:
        return [("the last epoch alone", replace(metric, kind="final", k=1))]
    if metric.kind == "epochs_to" and metric.threshold is not None:
        moved = [round(metric.threshold + step, 10) for step in (-_THRESHOLD_STEP, _THRESHOLD_STEP)]
        return [(f"threshold {value:g}", replace(metric, threshold=value)) for value in moved]
    return []


def _verdict(
    decision: Decision,
    claim: Claim,
    numbers: pd.DataFrame,
    choice: Choice | None,
    epochs: pd.DataFrame,
) -> str:
    """The verdict from other numbers, by the mean or the median, and at the levels, as declared."""
    assert decision.levels and decision.contrast
    contrast, levels, any_looks = decision.contrast, decision.levels, decision.fixed is not None
    seen = gate.seen(
        claim, contrast, numbers, choice, epochs, levels.interval, decision.by, any_looks
    )
    return _censored(decision, judged(claim, contrast, numbers, seen, levels).verdict)


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
    may_be_small = not decision.settings or decision.verdict in verdicts.SMALL
    given = verdicts.verdict(both, claim.direction, claim.margin, is_established, may_be_small)
    return _censored(decision, given)


def _censored(decision: Decision, given: str) -> str:
    return verdicts.with_censoring(given) if decision.n_censored else given
