"""Each declared claim decided: the contrast within seed, its interval, its verdict and what that rests on."""

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
from runner.record import Claim, short

#: Shared by all claims of a sweep.
ALPHA = 0.05


@dataclass(frozen=True)
class Interaction:
    """How a contrast changes with another knob."""

    knob: str
    #: Each level of that knob, with the mean simple effect's interval there.
    effects: list[tuple[Any, Interval]]
    #: The contrast's change against the first level, one interval for each of the others.
    changes: list[Interval]


@dataclass(frozen=True)
class Decision:
    """A claim and what it earned."""

    name: str
    claim: Claim
    verdict: str
    #: Why it is not testable; empty otherwise.
    reason: str = ""
    contrast: Contrast | None = None
    #: The contrast within each seed, in the metric's units, by seed.
    per_seed: pd.Series = field(default_factory=lambda: pd.Series(dtype=float))
    bounds: Bounds | None = None
    #: At the usual level, for pictures and tables: 1 - alpha for this claim alone.
    plain: Interval | None = None
    #: The same over new test images too, where the bits of each image are known.
    new_images: Interval | None = None
    p_t: float = float("nan")
    p_exact: float = float("nan")
    #: Adjusted over all claims of the sweep that could be tested.
    p_holm: float = float("nan")
    interactions: list[Interaction] = field(default_factory=list)
    #: Of a slope over three levels or more: how far each level lies off the line, all levels sharing the claim's alpha.
    misfits: list[tuple[Any, Interval]] = field(default_factory=list)
    #: The knobs on which the answer depends.
    depends_on: list[str] = field(default_factory=list)
    #: The other contrasts of a winner, the closest rival left out.
    rivals: list["Decision"] = field(default_factory=list)
    #: How many of the runs never reached the threshold of `epochs_to`.
    n_censored: int = 0


def decide_all(
    claims: dict[str, Claim], runs: pd.DataFrame, epochs: pd.DataFrame, cells: Cells, alpha: float = ALPHA
) -> list[Decision]:
    """Every claim of a sweep decided, in the order declared.

    Parameters
    ----------
    runs, epochs, cells
        The sweep's runs (one row a planned run, index run_key), their epochs, and its cells.
    alpha
        The share of sweeps without any effect in which one claim or more may be called supported.
    """
    decided = [decide(name, claim, runs, epochs, cells, alpha / len(claims)) for name, claim in claims.items()]
    tested = [i for i, one in enumerate(decided) if one.bounds]
    for i, p in zip(tested, p_values.holm(np.array([decided[i].p_t for i in tested])), strict=True):
        decided[i] = replace(decided[i], p_holm=float(p))
    return decided


def decide(name: str, claim: Claim, runs: pd.DataFrame, epochs: pd.DataFrame, cells: Cells, alpha: float) -> Decision:
    """One claim decided, with `alpha` of its own."""
    try:
        compared = contrasts.contrasts_of(claim, cells)
        for contrast in compared:
            reason = confounds.refusal(runs, contrast.cells, claim.knob)
            if reason:
                raise NotTestable(reason)
        numbers, n_censored = numbers_of(claim, runs, epochs, compared)
        each = [_decide(name, claim, contrast, numbers, alpha) for contrast in compared]
        if claim.slope:
            each = [replace(one, misfits=_misfits(one, cells.levels(claim.knob), numbers, alpha)) for one in each]
    except NotTestable as error:
        return Decision(name, claim, verdicts.NOT_TESTABLE, reason=str(error))
    # A winner's claim stands or falls with the closest rival.
    weakest = verdicts.weakest([one.verdict for one in each])
    closest = min((one for one in each if one.verdict == weakest), key=lambda one: _oriented_low(one))
    verdict = verdicts.with_censoring(closest.verdict) if n_censored else closest.verdict
    rivals = [one for one in each if one is not closest]
    return replace(closest, verdict=verdict, rivals=rivals, n_censored=n_censored)


def numbers_of(
    claim: Claim, runs: pd.DataFrame, epochs: pd.DataFrame, compared: list[Contrast]
) -> tuple[pd.DataFrame, int]:
    """The claim's metric as a table of seeds x cells, and how many of its numbers are censored.

    Raises
    ------
    NotTestable
        When this version does not know the metric, or a run of the contrasts did not record it or has
        no finite number of it.
    """
    members = runs[runs["cell_key"].isin({cell for contrast in compared for cell in contrast.cells})]
    curves = epochs[epochs["run_key"].isin(members.index)]
    try:
        absent = metrics.not_recorded(claim, curves, members.index)
    except ValueError as error:
        raise NotTestable(f"this version does not know the claim's metric ({error})") from error
    for curve, keys in absent.items():
        names = confounds.named(runs.loc[keys, "name"])
        raise NotTestable(
            f"{curve} was not recorded in {len(keys)} of {len(members)} runs ({names}): the version that"
            " trained them did not have it; the same command with another runner.root trains them with"
            " this version"
        )
    numbers = metrics.of_claim(claim, curves)
    values = numbers["value"]
    infinite = [key for key in members.index if not np.isfinite(values.get(key, np.nan))]
    if infinite:
        raise NotTestable(f"{claim.metric} is not a finite number in {confounds.named(runs.loc[infinite, 'name'])}")
    return contrasts.table(members, values), int(numbers["censored"].sum())


def _decide(name: str, claim: Claim, contrast: Contrast, numbers: pd.DataFrame, alpha: float) -> Decision:
    d = contrasts.per_seed(numbers, contrast.weights)
    if intervals.constant(d):
        raise NotTestable(
            f"saturated: {contrast.label} is {d[0]:.4g} in each of {len(d)} seeds, so nothing says how far it varies"
        )
    bounds = Bounds(intervals.t_interval(d, 1 - alpha), intervals.t_interval(d, 1 - 2 * alpha))
    interactions = _interactions(contrast, numbers, alpha)
    verdict = verdicts.verdict(bounds, claim.direction, claim.margin)
    return Decision(
        name,
        claim,
        verdict,
        contrast=contrast,
        per_seed=pd.Series(d, index=numbers.index),
        bounds=bounds,
        plain=intervals.t_interval(d, 1 - ALPHA),
        p_t=p_values.t_p(d),
        p_exact=p_values.sign_flip_p(d),
        interactions=interactions,
        depends_on=[short(one.knob) for one in interactions if depends(one, verdict, claim.margin)],
    )


def _interactions(contrast: Contrast, numbers: pd.DataFrame, alpha: float) -> list[Interaction]:
    found = []
    for knob in contrast.simples[0].at:
        levels = contrast.levels_of(knob)
        if len(levels) < 2:
            continue
        effects = [contrasts.per_seed(numbers, contrast.at_level(knob, level)) for level in levels]
        found.append(
            Interaction(
                knob,
                [(level, intervals.t_interval(d, 1 - alpha)) for level, d in zip(levels, effects, strict=True)],
                [intervals.t_interval(d - effects[0], 1 - alpha) for d in effects[1:]],
            )
        )
    return found


def _misfits(decision: Decision, levels: list[Any], numbers: pd.DataFrame, alpha: float) -> list[tuple[Any, Interval]]:
    assert decision.contrast
    off = contrasts.off_the_line(decision.contrast, levels)
    return [
        (level, intervals.t_interval(contrasts.per_seed(numbers, weights), 1 - alpha / len(off)))
        for level, weights in off
    ]


def depends(interaction: Interaction, verdict: str, margin: float) -> bool:
    """Whether a claim's answer depends on the other knob.

    It does when the change of the contrast is established to be larger than the margin, or when the verdict names a
    direction and the simple effects do not all have it.
    """
    large = any(change.low > margin or change.high < -margin for change in interaction.changes)
    signs = {bool(effect.estimate > 0) for _, effect in interaction.effects}
    return large or (verdict in verdicts.DIRECTIONAL and len(signs) > 1)


def _oriented_low(decision: Decision) -> float:
    assert decision.bounds
    interval = decision.bounds.interval
    return -interval.high if decision.claim.direction == "less" else interval.low
