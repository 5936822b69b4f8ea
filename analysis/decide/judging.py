"""One contrast judged: its verdict on average, and over the settings of the other knobs."""

from dataclasses import dataclass

import pandas as pd

from analysis.decide import settings, verdicts
from analysis.decide.evidence import Evidence
from analysis.decide.settings import Setting
from analysis.decide.verdicts import Bounds
from analysis.design.contrasts import Contrast
from runner.record import Claim


@dataclass(frozen=True)
class Levels:
    """What each p value of a contrast is compared with, from all that was asked of the sweep."""

    #: Of the intervals: the claim's share of alpha.
    interval: float
    #: Of the direction.
    direction: float
    #: Of its being the same at all settings.
    same: float


@dataclass(frozen=True)
class Judged:
    """What a contrast earned."""

    verdict: str
    bounds: Bounds
    settings: list[Setting]
    #: The knobs on which the answer depends.
    depends_on: list[str]


def judged(
    claim: Claim, contrast: Contrast, numbers: pd.DataFrame, seen: Evidence, levels: Levels
) -> Judged:
    """The verdict on a contrast.

    Where it is established to be another one at other settings, no average is an answer: the
    verdict is that of all settings, or that it depends. That it is too small to matter has to hold
    at each of them in any case, since an average hides what turns round.
    """
    by, any_looks = seen.by, seen.for_any_looks
    of = contrast, numbers
    at_settings = settings.settings_of(claim, *of, levels.interval, by, any_looks)
    at_all = None
    if at_settings:
        at_all = settings.at_all(claim, *of, levels.interval, levels.direction, by, any_looks)
    is_established = seen.p <= levels.direction
    bounds = seen.bounds.with_direction() if is_established else seen.bounds
    may_be_small = at_all is None or at_all in verdicts.SMALL
    verdict = verdicts.verdict(bounds, claim.direction, claim.margin, is_established, may_be_small)
    depends_on: list[str] = []
    if at_all and settings.heterogeneity_p(*of, any_looks) <= levels.same:
        verdict = at_all
        if verdict == verdicts.DEPENDS:
            depends_on = settings.depends_on(*of, levels.interval, any_looks)
    return Judged(verdict, bounds, at_settings, depends_on)
