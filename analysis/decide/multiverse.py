"""Whether a verdict hangs on a choice that could as well have been made otherwise."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from analysis.decide import claims, verdicts
from analysis.decide.claims import Decision
from analysis.decide.verdicts import Bounds
from analysis.design import contrasts
from analysis.statistics import intervals
from runner.record import Reduction, parse_reduction

_LAST = 3
_THRESHOLD_STEP = 0.01


@dataclass(frozen=True)
class Multiverse:
    """The verdicts of all choices: the declared one first."""

    verdicts: dict[str, str]

    @property
    def n_agree(self) -> int:
        """How many come to the declared one's verdict, itself included."""
        found = list(self.verdicts.values())
        return found.count(found[0])

    @property
    def flips(self) -> dict[str, str]:
        """The choices that come to another verdict."""
        declared = next(iter(self.verdicts.values()))
        return {choice: verdict for choice, verdict in self.verdicts.items() if verdict != declared}


def multiverse(decision: Decision, runs: pd.DataFrame, epochs: pd.DataFrame) -> Multiverse:
    """The claim decided again with the last epoch for the mean of the last three and the other way round, the
    threshold a point lower and higher, the error pooled over the cells, and each seed left out in turn.

    Without a decision that could be tested there is one verdict, that one.
    """
    found = {"as declared": decision.verdict}
    if decision.bounds is None or decision.contrast is None:
        return Multiverse(found)
    claim, contrast = decision.claim, decision.contrast
    n_epochs = int(epochs.groupby("run_key")["epoch"].max().min())
    for label, metric in _other_metrics(parse_reduction(claim.metric), n_epochs):
        try:
            numbers, _ = claims.numbers_of(replace(claim, metric=str(metric)), runs, epochs, [contrast])
        except contrasts.NotTestable:
            found[label] = verdicts.NOT_TESTABLE
            continue
        found[label] = _verdict(decision, contrasts.per_seed(numbers, contrast.weights))

    numbers, _ = claims.numbers_of(claim, runs, epochs, [contrast])
    if len(contrast.cells) > 2:
        weights = np.array([contrast.weights[cell] for cell in contrast.cells])
        values = numbers[contrast.cells].to_numpy(float)
        level, narrow = decision.bounds.interval.level, decision.bounds.equivalence.level
        pooled = Bounds(
            intervals.pooled_interval(values, weights, level), intervals.pooled_interval(values, weights, narrow)
        )
        found["error pooled over the cells"] = _judged(decision, pooled)
    if len(decision.per_seed) > 2:
        for seed in decision.per_seed.index:
            found[f"without seed {seed}"] = _verdict(decision, decision.per_seed.drop(seed).to_numpy())
    return Multiverse(found)


def _other_metrics(metric: Reduction, n_epochs: int) -> list[tuple[str, Reduction]]:
    if metric.kind == "final" and n_epochs > _LAST:
        return [(f"mean of the last {_LAST} epochs", replace(metric, kind="last", k=_LAST))]
    if metric.kind == "last" and metric.k > 1:
        return [("the last epoch alone", replace(metric, kind="final", k=1))]
    if metric.kind == "epochs_to" and metric.threshold is not None:
        near = (round(metric.threshold + step, 10) for step in (-_THRESHOLD_STEP, _THRESHOLD_STEP))
        return [(f"threshold {threshold:g}", replace(metric, threshold=threshold)) for threshold in near]
    return []


def _verdict(decision: Decision, values: contrasts.Array) -> str:
    assert decision.bounds
    if intervals.constant(values):
        return verdicts.NOT_TESTABLE
    found = Bounds(
        intervals.t_interval(values, decision.bounds.interval.level),
        intervals.t_interval(values, decision.bounds.equivalence.level),
    )
    return _judged(decision, found)


def _judged(decision: Decision, bounds: Bounds) -> str:
    found = verdicts.verdict(bounds, decision.claim.direction, decision.claim.margin)
    return verdicts.with_censoring(found) if decision.n_censored else found
