"""Each declared claim decided: the contrast within seed, its interval, its verdict."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from analysis.decide import metrics, verdicts
from analysis.decide.verdicts import Bounds
from analysis.design import confounds, contrasts
from analysis.design.cells import Cells
from analysis.design.contrasts import Contrast, NotTestable
from analysis.statistics import intervals, p_values
from analysis.statistics.intervals import Interval
from runner.record import METRICS, Claim, short

#: Shared by all claims of a sweep.
ALPHA = 0.05


@dataclass(frozen=True)
class Interaction:
    """How a contrast changes with another knob."""

    knob: str
    #: Each level of that knob, with the interval of the mean simple effect there.
    effects: list[tuple[Any, Interval]]
    #: The interval of the contrast's change from the first level, one for each other level.
    changes: list[Interval]


@dataclass(frozen=True)
class Decision:
    """A claim and what it earned."""

    claim: Claim
    verdict: str
    #: Of the claim in its sweep.
    name: str = ""
    #: Why it is not testable; empty otherwise.
    reason: str = ""
    contrast: Contrast | None = None
    #: The contrast within each seed, in the metric's units, by seed.
    per_seed: pd.Series = field(default_factory=lambda: pd.Series(dtype=float))
    bounds: Bounds | None = None
    #: The interval over new test images too, where the answer to each image is known.
    new_images: Interval | None = None
    p_t: float = float("nan")
    p_exact: float = float("nan")
    #: Adjusted over all claims of the sweep that could be tested.
    p_holm: float = float("nan")
    interactions: list[Interaction] = field(default_factory=list)
    #: Of a slope over three levels or more: how far each level lies off the straight line. All
    #: levels share the claim's alpha.
    misfits: list[tuple[Any, Interval]] = field(default_factory=list)
    #: The knobs on which the answer depends.
    depends_on: list[str] = field(default_factory=list)
    #: The other contrasts of a winner; the contrast above is the one with the closest rival.
    rivals: list["Decision"] = field(default_factory=list)
    #: How many runs never reached the threshold of `epochs_to`.
    n_censored: int = 0


def decide_all(
    claims: dict[str, Claim],
    runs: pd.DataFrame,
    epochs: pd.DataFrame,
    cells: Cells,
    alpha: float = ALPHA,
) -> list[Decision]:
    """Every claim of a sweep decided, in the order declared.

    Parameters
    ----------
    runs, epochs, cells
        The sweep's runs (one row a planned run, index run_key), their epochs, and its cells.
    alpha
        The share of sweeps without any effect in which one claim or more may be called supported.
    """
    share = alpha / len(claims) if claims else alpha
    decisions = [
        replace(decide(claim, runs, epochs, cells, share), name=name)
        for name, claim in claims.items()
    ]
    tested = [place for place, decision in enumerate(decisions) if decision.bounds]
    adjusted = p_values.holm(np.array([decisions[place].p_t for place in tested]))
    for place, p in zip(tested, adjusted, strict=True):
        decisions[place] = replace(decisions[place], p_holm=float(p))
    return decisions


def decide(
    claim: Claim, runs: pd.DataFrame, epochs: pd.DataFrame, cells: Cells, alpha: float
) -> Decision:
    """One claim decided, with `alpha` of its own."""
    try:
        compared = contrasts.contrasts_of(claim, cells)
        for contrast in compared:
            reason = confounds.refusal(runs, contrast.compared, cells.moved_by(claim.knob))
            if reason:
                raise NotTestable(reason)
        numbers, n_censored = numbers_of(claim, runs, epochs, compared)
        decisions = [_decide(claim, contrast, numbers, alpha) for contrast in compared]
        if claim.slope:
            levels = cells.levels(claim.knob)
            decisions = [replace(d, misfits=_misfits(d, levels, numbers, alpha)) for d in decisions]
    except NotTestable as error:
        return Decision(claim, verdicts.NOT_TESTABLE, reason=str(error))
    # A winner stands or falls with its closest rival.
    weakest = verdicts.weakest([decision.verdict for decision in decisions])
    candidates = [decision for decision in decisions if decision.verdict == weakest]
    closest = min(candidates, key=_oriented_low)
    verdict = verdicts.with_censoring(closest.verdict) if n_censored else closest.verdict
    rivals = [decision for decision in decisions if decision is not closest]
    return replace(closest, verdict=verdict, rivals=rivals, n_censored=n_censored)


def numbers_of(
    claim: Claim, runs: pd.DataFrame, epochs: pd.DataFrame, compared: list[Contrast]
) -> tuple[pd.DataFrame, int]:
    """The claim's metric as a table of seeds x cells, and how many of its numbers are censored.

    Raises
    ------
    NotTestable
        When this version does not know the metric, or a run of the contrasts did not record it or
        has no finite number of it.
    """
    members = runs[
        runs["cell_key"].isin({cell for contrast in compared for cell in contrast.cells})
    ]
    curves = epochs[epochs["run_key"].isin(members.index)]
    try:
        absent = metrics.not_recorded(claim, curves, members.index)
    except ValueError as error:
        raise NotTestable(f"this version does not know the claim's metric ({error})") from error
    for curve, keys in absent.items():
        names = confounds.named(runs.loc[keys, "name"])
        why = "they were trained without it"
        if curve in METRICS:
            why = (
                "the version that trained them did not have it; the same command with another"
                " runner.root trains them with this version"
            )
        raise NotTestable(
            f"{curve} was not recorded in {len(keys)} of {len(members)} runs ({names}): {why}"
        )
    numbers = metrics.of_claim(claim, curves)
    values = numbers["value"]
    infinite = [key for key in members.index if not np.isfinite(values.get(key, np.nan))]
    if infinite:
        names = confounds.named(runs.loc[infinite, "name"])
        raise NotTestable(f"{claim.metric} is not a finite number in {names}")
    return contrasts.table(members, values), int(numbers["censored"].sum())


def _decide(claim: Claim, contrast: Contrast, numbers: pd.DataFrame, alpha: float) -> Decision:
    d = contrasts.per_seed(numbers, contrast.weights)
    if intervals.constant(d):
        raise NotTestable(
            f"saturated: {contrast.label} is {d[0]:.4g} in each of {len(d)} seeds, so its variation"
            " over"
            " seeds cannot be estimated"
        )
    bounds = Bounds(intervals.t_interval(d, 1 - alpha), intervals.t_interval(d, 1 - 2 * alpha))
    interactions = _interactions(contrast, numbers, alpha)
    verdict = verdicts.verdict(bounds, claim.direction, claim.margin)
    dependent = [i.knob for i in interactions if depends(i, verdict, claim.margin)]
    return Decision(
        claim,
        verdict,
        contrast=contrast,
        per_seed=pd.Series(d, index=numbers.index),
        bounds=bounds,
        p_t=p_values.t_p(d),
        p_exact=p_values.sign_flip_p(d),
        interactions=interactions,
        depends_on=[short(knob) for knob in dependent],
    )


def _interactions(contrast: Contrast, numbers: pd.DataFrame, alpha: float) -> list[Interaction]:
    """How the contrast changes with each other knob that has several levels."""
    interactions = []
    for knob in contrast.simples[0].at:
        levels = contrast.levels_of(knob)
        if len(levels) < 2:
            continue
        per_level = [
            contrasts.per_seed(numbers, contrast.at_level(knob, level)) for level in levels
        ]
        effects = [intervals.t_interval(d, 1 - alpha) for d in per_level]
        changes = [intervals.t_interval(d - per_level[0], 1 - alpha) for d in per_level[1:]]
        interactions.append(Interaction(knob, list(zip(levels, effects, strict=True)), changes))
    return interactions


def _misfits(
    decision: Decision, levels: list[Any], numbers: pd.DataFrame, alpha: float
) -> list[tuple[Any, Interval]]:
    assert decision.contrast
    off = contrasts.off_the_line(decision.contrast, levels)
    return [
        (level, intervals.t_interval(contrasts.per_seed(numbers, weights), 1 - alpha / len(off)))
        for level, weights in off
    ]


def depends(interaction: Interaction, verdict: str, margin: float) -> bool:
    """Whether a claim's answer depends on the other knob.

    It does when the change of the contrast is established to be larger than the margin, or when the
    verdict names a direction and not all simple effects have it.
    """
    large = any(change.low > margin or change.high < -margin for change in interaction.changes)
    signs = {bool(effect.estimate > 0) for _, effect in interaction.effects}
    return large or (verdict in verdicts.DIRECTIONAL and len(signs) > 1)


def _oriented_low(decision: Decision) -> float:
    """The end of the interval that is nearest to refuting the claim."""
    assert decision.bounds
    interval = decision.bounds.interval
    return -interval.high if decision.claim.direction == "less" else interval.low
