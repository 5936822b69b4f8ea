"""What a claim earned, with all that is told of it."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from analysis.decide import verdicts
from analysis.decide.evidence import By
from analysis.decide.fair.choice import Choice
from analysis.decide.judging import Levels
from analysis.decide.settings import Setting
from analysis.decide.verdicts import Bounds
from analysis.design.contrasts import Contrast
from analysis.design.luck import Luck
from analysis.design.within_seed import Array
from analysis.statistics.intervals import Interval
from runner.record import Claim


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
    #: The two sides within each seed, as `evidence.sides` gives them, shape (n_seeds, 2).
    both_sides: Array = field(default_factory=lambda: np.empty((0, 2)))
    bounds: Bounds | None = None
    #: The interval for a fixed number of seeds, beside bounds that hold for any number of looks.
    fixed: Interval | None = None
    #: At which planned look it was decided, from 1, or is open; None in a sweep of fixed seeds.
    look: int | None = None
    #: What is judged, and the luck that says so.
    by: By = By.MEAN
    luck: Luck = field(default_factory=Luck)
    #: The interval over new test images too, where the answer to each image is known.
    new_images: Interval | None = None
    #: Of the direction of this contrast: by the t test or the sign test, and by the sign-flip test.
    p: float = float("nan")
    p_sign_flip: float = float("nan")
    #: Of the direction of the claim, adjusted over all claims of the sweep that could be tested.
    p_holm: float = float("nan")
    #: What p values were compared with.
    levels: Levels | None = None
    #: The contrast at each setting of the other knobs that move; empty where none moves.
    settings: list[Setting] = field(default_factory=list)
    #: That the contrast is the same at all of them, adjusted over the claims.
    p_same: float = 1.0
    #: Of a slope over three levels or more: how far each level lies off the straight line. All
    #: levels share the claim's alpha.
    misfits: list[tuple[Any, Interval]] = field(default_factory=list)
    #: The knobs on which the answer depends.
    depends_on: list[str] = field(default_factory=list)
    #: The other contrasts of a winner; the contrast above is the one with the closest rival.
    rivals: list["Decision"] = field(default_factory=list)
    #: How many runs never reached the threshold of `epochs_to`.
    n_censored: int = 0
    #: The best levels of the sides, where the claim gives each its own.
    choice: Choice | None = None
    #: How many of the runs compared diverged; they are worse than any number.
    n_diverged: int = 0

    @property
    def by_median(self) -> bool:
        return self.by is By.MEDIAN

    @property
    def interval(self) -> Interval:
        """The interval from which the verdict was read: of equivalence the narrower one."""
        assert self.bounds
        is_small = self.verdict == verdicts.EQUIVALENT
        return self.bounds.equivalence if is_small else self.bounds.interval

    def compared(self, runs: pd.DataFrame) -> pd.DataFrame:
        """Those of a sweep's runs that the contrast compares, by its cells."""
        assert self.contrast
        runs = self.choice.runs if self.choice else runs
        return runs[runs["cell_key"].isin(self.contrast.cells)]

    @property
    def trained(self) -> list[str]:
        """The cells of the sweep that the contrast needs."""
        assert self.contrast
        cells = self.contrast.cells
        return self.choice.arms.trained(cells) if self.choice else cells
