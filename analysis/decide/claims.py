"""Each declared claim decided: the contrast within seed, its interval, its verdict."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from analysis.decide import evidence, settings, verdicts
from analysis.decide.decision import Decision
from analysis.decide.evidence import Evidence
from analysis.decide.fair import gate
from analysis.decide.fair.choice import Choice
from analysis.decide.judging import Levels, judged
from analysis.decide.prepared import Prepared, beside_each_other, prepared
from analysis.design import contrasts, within_seed
from analysis.design.cells import Cells
from analysis.design.contrasts import Contrast, NotTestable
from analysis.statistics import anytime, intervals, p_values
from analysis.statistics.intervals import Interval
from runner.record import Claim, short

#: Shared by all claims of a sweep.
ALPHA = 0.05


@dataclass(frozen=True)
class Compared:
    """One of a claim's contrasts."""

    contrast: Contrast
    evidence: Evidence
    #: That it is the same at all settings of the other knobs.
    p_same: float

    def towards(self, claim: Claim) -> float:
        """The estimate, turned so that the claim says "greater"."""
        estimate = self.evidence.bounds.interval.estimate
        return abs(estimate) if claim.direction == "either" else _turned(claim) * estimate


@dataclass(frozen=True)
class Tested:
    """A claim with all that is computed of it before it is seen beside the others."""

    claim: Claim
    numbers: pd.DataFrame
    n_censored: int
    compared: list[Compared]
    choice: Choice | None = None
    n_diverged: int = 0

    @property
    def p(self) -> float:
        """Of the claim's direction, whichever it is.

        A winner wins where it beats each rival, for which the largest p speaks; it loses where one
        rival beats it, for which the smallest p of those speaks, times the number of rivals.
        """
        lost = [c.evidence.p for c in self.compared if c.towards(self.claim) < 0]
        if lost:
            return min(1.0, len(self.compared) * min(lost))
        return max(c.evidence.p for c in self.compared)

    @property
    def has_settings(self) -> bool:
        """Whether other knobs move, with which a contrast may change."""
        return any(len(c.contrast.simples) > 1 for c in self.compared)

    @property
    def p_same(self) -> float:
        """That each contrast is the same at all settings."""
        return min(1.0, len(self.compared) * min(c.p_same for c in self.compared))


class _Holm:
    """Holm's procedure over the claims, by name."""

    def __init__(self, p: dict[str, float], alpha: float) -> None:
        values = list(p.values())
        self._adjusted = dict(zip(p, p_values.holm(values), strict=True))
        self._levels = dict(zip(p, p_values.holm_levels(values, alpha), strict=True))

    def p(self, name: str) -> float:
        """The adjusted p of a claim; 1 where there is none."""
        return float(self._adjusted.get(name, 1.0))

    def level(self, name: str) -> float:
        """What the claim's own p is compared with; 0 where there is none."""
        return float(self._levels.get(name, 0.0))


def decide_all(
    claims: dict[str, Claim],
    runs: pd.DataFrame,
    epochs: pd.DataFrame,
    cells: Cells,
    alpha: float = ALPHA,
    settled: Mapping[str, str] | None = None,
    for_any_looks: bool = False,
) -> list[Decision]:
    """Every claim of a sweep decided, in the order declared.

    Directions are tested by Holm's procedure over the claims, and so is whether a contrast is the
    same at all settings of the other knobs. Sizes are read from intervals that share alpha evenly.

    Parameters
    ----------
    runs, epochs, cells
        The sweep's runs (one row a planned run, index run_key), their epochs, and its cells.
    alpha
        The share of sweeps without any effect in which one claim or more may be called supported.
    settled
        The verdicts of claims that an earlier look decided. They are not decided again; one whose
        direction was not established keeps its part of alpha.
    for_any_looks
        Whether seeds were added after earlier ones had been seen, and nobody had planned it.
    """
    share = alpha / len(claims) if claims else alpha
    settled = settled or {}
    decisions, testable = {}, {}
    for name, claim in claims.items():
        try:
            testable[name] = prepared(claim, runs, epochs, cells)
        except NotTestable as error:
            if name not in settled:
                decisions[name] = Decision(claim, verdicts.NOT_TESTABLE, name, error.args[0])
    # What an earlier look decided still tells of luck.
    tested = {
        name: _tested(of, epochs, share, for_any_looks)
        for name, of in beside_each_other(testable).items()
        if name not in settled
    }
    beside = {n: given for n, given in settled.items() if given != verdicts.NOT_TESTABLE}
    directions = _Holm(
        {name: test.p for name, test in tested.items()}
        | {n: 1.0 for n, given in beside.items() if given not in verdicts.DIRECTIONAL},
        alpha,
    )
    sameness = _Holm(
        {n: test.p_same for n, test in tested.items() if test.has_settings}
        | {n: 1.0 for n, given in beside.items() if given != verdicts.DEPENDS},
        alpha,
    )
    for name, test in tested.items():
        decision = decided(test, share, directions.level(name), sameness.level(name))
        if test.claim.slope:
            levels = cells.levels(test.claim.knob)
            misfits = _misfits(decision, levels, test.numbers, share, for_any_looks)
            decision = replace(decision, misfits=misfits)
        decisions[name] = replace(
            decision, name=name, p_holm=directions.p(name), p_same=sameness.p(name)
        )
    return [decisions[name] for name in claims if name in decisions]


def decide(
    claim: Claim, runs: pd.DataFrame, epochs: pd.DataFrame, cells: Cells, alpha: float
) -> Decision:
    """One claim decided, with `alpha` of its own."""
    (decision,) = decide_all({"": claim}, runs, epochs, cells, alpha)
    return decision


def _tested(of: Prepared, epochs: pd.DataFrame, alpha: float, for_any_looks: bool) -> Tested:
    by = evidence.asked(of.claim)
    given = of.numbers, of.choice, epochs, alpha, by, for_any_looks
    found = [
        Compared(
            contrast,
            gate.seen(of.claim, contrast, *given, luck),
            settings.heterogeneity_p(contrast, of.numbers, for_any_looks),
        )
        for contrast, luck in zip(of.contrasts, of.luck, strict=True)
    ]
    return Tested(of.claim, of.numbers, of.n_censored, found, of.choice, of.n_diverged)


def decided(test: Tested, alpha: float, direction: float, same: float) -> Decision:
    """The claim's decision: that of the contrast with the closest rival, for a winner.

    Parameters
    ----------
    alpha
        Of its intervals.
    direction, same
        What the claim's `p` and `p_same` are compared with.
    """
    has_lost = any(compared.towards(test.claim) < 0 for compared in test.compared)
    n = len(test.compared)
    decisions = []
    for compared in test.compared:
        is_lost = compared.towards(test.claim) < 0
        # A rival that beats a winner says nothing of those that it beats.
        of_direction = direction / n if is_lost else (0.0 if has_lost else direction)
        decisions.append(_of_contrast(test, compared, Levels(alpha, of_direction, same / n)))
    given = [decision.verdict for decision in decisions]
    candidates = [d for d in decisions if d.verdict == verdicts.weakest(given)]
    closest = min(candidates, key=_oriented_low)
    rivals = [decision for decision in decisions if decision is not closest]
    return replace(
        closest,
        rivals=rivals,
        n_censored=test.n_censored,
        choice=test.choice,
        n_diverged=test.n_diverged,
    )


def _of_contrast(test: Tested, compared: Compared, levels: Levels) -> Decision:
    claim, contrast, seen = test.claim, compared.contrast, compared.evidence
    d = seen.differences
    found = judged(claim, contrast, test.numbers, seen, levels)
    fixed = evidence.bounds(d, levels.interval, seen.by).interval
    return Decision(
        claim,
        verdicts.with_censoring(found.verdict) if test.n_censored else found.verdict,
        contrast=contrast,
        per_seed=pd.Series(d, index=test.numbers.index),
        both_sides=seen.both_sides,
        bounds=found.bounds,
        fixed=fixed if seen.for_any_looks else None,
        by=seen.by,
        luck=seen.luck,
        p=seen.p,
        p_sign_flip=p_values.sign_flip_p(d if np.isfinite(d).all() else p_values.signed_ranks(d)),
        levels=levels,
        settings=found.settings,
        depends_on=[short(knob) for knob in found.depends_on],
    )


def _misfits(
    decision: Decision,
    levels: list[Any],
    numbers: pd.DataFrame,
    alpha: float,
    for_any_looks: bool,
) -> list[tuple[Any, Interval]]:
    assert decision.contrast
    off = contrasts.off_the_line(decision.contrast, levels)
    interval = (anytime if for_any_looks else intervals).t_interval
    return [
        (level, interval(within_seed.per_seed(numbers, weights), 1 - alpha / len(off)))
        for level, weights in off
    ]


def _turned(claim: Claim) -> float:
    return -1.0 if claim.direction == "less" else 1.0


def _oriented_low(decision: Decision) -> float:
    """The end of the interval that is nearest to refuting the claim."""
    assert decision.bounds
    interval = decision.bounds.interval
    return -interval.high if decision.claim.direction == "less" else interval.low
