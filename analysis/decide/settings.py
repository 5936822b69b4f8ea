"""Whether a contrast is the same at each setting of the other knobs, and what it is at each."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.decide import verdicts
from analysis.decide.evidence import By, bounds, direction_p, of_column
from analysis.design import within_seed
from analysis.design.cells import level_as_text
from analysis.design.contrasts import Contrast
from analysis.statistics import heterogeneity, p_values
from analysis.statistics.intervals import Interval
from runner.record import Claim, short


@dataclass(frozen=True)
class Setting:
    """A contrast at one setting of the other knobs that move."""

    at: dict[str, Any]
    #: All settings share the alpha of the claim.
    interval: Interval
    verdict: str

    @property
    def name(self) -> str:
        """`channels=1, dropout=true`."""
        levels = (f"{short(knob)}={level_as_text(level)}" for knob, level in self.at.items())
        return ", ".join(levels)


def settings_of(
    claim: Claim,
    contrast: Contrast,
    numbers: pd.DataFrame,
    alpha: float,
    by: By,
    for_any_looks: bool = False,
) -> list[Setting]:
    """The contrast at each setting, with a verdict of its own; empty where no other knob moves.

    Parameters
    ----------
    by
        What is judged of the average; at a setting without spread it is the median.
    """
    if len(contrast.simples) < 2:
        return []
    values = _by_setting(contrast, numbers).T
    judged = [of_column(d, by) for d in values]
    p = p_values.holm([direction_p(*d, for_any_looks) for d in zip(values, judged, strict=True)])
    found = []
    for simple, d, of, p_holm in zip(contrast.simples, values, judged, p, strict=True):
        both = bounds(d, alpha / len(p), of, for_any_looks)
        verdict = verdicts.verdict(both, claim.direction, claim.margin, p_holm <= alpha)
        found.append(Setting(simple.at, both.interval, verdict))
    return found


def at_all(
    claim: Claim,
    contrast: Contrast,
    numbers: pd.DataFrame,
    interval: float,
    direction: float,
    by: By,
    for_any_looks: bool = False,
) -> str:
    """The verdict that all settings have, or DEPENDS where they have not the same.

    That each of them has it needs no adjustment for their number: where one has not, that one alone
    must err (the intersection-union test; Berger 1982).

    Parameters
    ----------
    interval, direction
        The alpha of the intervals, and what the p of a direction is compared with.
    """
    each, estimates = [], []
    for d in _by_setting(contrast, numbers).T:
        of = of_column(d, by)
        both = bounds(d, interval, of, for_any_looks)
        is_established = direction_p(d, of, for_any_looks) <= direction
        each.append(verdicts.verdict(both, claim.direction, claim.margin, is_established))
        estimates.append(both.interval.estimate)
    return verdicts.over_settings(each, estimates)


def heterogeneity_p(
    contrast: Contrast, numbers: pd.DataFrame, for_any_looks: bool = False
) -> float:
    """P of the test that the contrast is the same at all settings; 1 where there is one alone."""
    if len(contrast.simples) < 2:
        return 1.0
    return heterogeneity.heterogeneity_p(_comparable(_by_setting(contrast, numbers)), for_any_looks)


def depends_on(
    contrast: Contrast, numbers: pd.DataFrame, alpha: float, for_any_looks: bool = False
) -> list[str]:
    """The knobs with which a contrast changes, once it is known to differ between settings.

    Those are the knobs with each of which alone it is established to change; where there is none,
    as where it turns round with two of them together, all that move.
    """
    by_knob = {
        knob: _by_level(contrast, numbers, knob)
        for knob in contrast.simples[0].at
        if len(contrast.levels_of(knob)) > 1
    }
    p = p_values.holm(
        [heterogeneity.heterogeneity_p(_comparable(of), for_any_looks) for of in by_knob.values()]
    )
    alone = [knob for knob, p_of_knob in zip(by_knob, p, strict=True) if p_of_knob <= alpha]
    return alone or list(by_knob)


def _by_setting(contrast: Contrast, numbers: pd.DataFrame) -> within_seed.Array:
    """The contrast within each seed at each setting, shape (n_seeds, n_settings)."""
    return np.stack(
        [within_seed.per_seed(numbers, simple.weights) for simple in contrast.simples], axis=1
    )


def _comparable(values: within_seed.Array) -> within_seed.Array:
    """Columns whose means can be compared: the signs alone, where a number is infinite."""
    return values if np.isfinite(values).all() else np.sign(values)


def _by_level(contrast: Contrast, numbers: pd.DataFrame, knob: str) -> within_seed.Array:
    """The mean contrast within each seed at each level of a knob, shape (n_seeds, n_levels)."""
    at_levels = [contrast.at_level(knob, level) for level in contrast.levels_of(knob)]
    return np.stack([within_seed.per_seed(numbers, weights) for weights in at_levels], axis=1)
