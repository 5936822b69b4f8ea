"""What more seeds would do for an inconclusive claim: how likely they decide it, and their cost."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.decide.decision import Decision
from analysis.decide.evidence import By, fewest_seeds
from analysis.decide.verdicts import INCONCLUSIVE
from analysis.design.within_seed import Array
from analysis.statistics import anytime, power
from analysis.statistics.intervals import Interval
from runner.record import DONE, seconds_spent

#: The chance at which a number of seeds is offered, and the most that are.
ENOUGH, MOST = 0.8, 100


@dataclass(frozen=True)
class MoreSeeds:
    """A number of new seeds, and the chances that they decide the claim."""

    #: None where no number up to `MOST` decides it with the chance `ENOUGH`.
    n_new: int | None
    #: Wall-clock minutes of the new seeds for all cells of the contrast, with the speed and the
    #: workers of the runs that there are.
    minutes: float
    #: The chance where the true difference is what was seen, the margin, or nothing; nan where the
    #: median is judged.
    if_as_seen: float
    if_margin: float
    if_none: float
    #: The smallest difference that the seeds there are find in four sweeps of five, in the metric's
    #: units.
    smallest_difference: float


def more_seeds(decision: Decision, runs: pd.DataFrame, epochs: pd.DataFrame) -> MoreSeeds | None:
    """What more seeds would do; None for a claim that is decided.

    The number is the smallest that decides with the chance `ENOUGH` where the true difference is
    what was seen or, where that is within the margin, nothing. Where looks are planned it is
    that of the next look, which doubles the seeds and may spend half as much.
    """
    if decision.verdict != INCONCLUSIVE or decision.bounds is None or decision.contrast is None:
        return None
    assert decision.levels
    members = runs[runs["cell_key"].isin(decision.trained)]
    seconds = epochs.assign(s=seconds_spent(epochs)).groupby("run_key")["s"].sum()
    by_cell = seconds.reindex(members.index).groupby(members["cell_key"])
    minutes_a_seed = float(by_cell.median().sum()) / n_workers(runs, seconds) / 60
    d, any_looks = decision.per_seed.to_numpy(float), decision.fixed is not None
    of = [decision.levels.direction, decision.levels.interval]
    direction, interval = [level / 2 for level in of] if decision.look else of
    n = len(d)
    sd = float(d.std(ddof=1)) if np.isfinite(d).all() else math.nan
    smallest = sd * power.smallest_detectable(n, decision.levels.interval, ENOUGH)
    if decision.by is not By.MEAN:
        n_new = fewest_seeds(max(direction, interval), any_looks) - n
        if decision.look and n_new > 0:
            n_new = n * 2 ** math.ceil(math.log2((n + n_new) / n)) - n  # looks double
        offered = n_new if n_new > 0 else None
        unknown = float("nan")
        minutes = (offered or 0) * minutes_a_seed
        return MoreSeeds(offered, minutes, unknown, unknown, unknown, float(smallest))
    at_settings = [setting.interval for setting in decision.settings]
    ahead = Ahead(d, direction, interval, decision.claim.margin, any_looks, at_settings)
    offered = n if decision.look else ahead.fewest()
    if_as_seen, if_margin, if_none = (ahead.chance(of, offered or MOST) for of in ahead.truths)
    minutes = (offered or 0) * minutes_a_seed
    return MoreSeeds(offered, minutes, if_as_seen, if_margin, if_none, float(smallest))


@dataclass(frozen=True)
class _Seen:
    """What columns of seeds have shown; as sweeps that are made up, a row of columns each."""

    means: Array
    #: The standard errors of the means.
    se: Array


class Ahead:
    """The chances that new seeds decide an undecided claim, given the seeds that there are.

    The new seeds' mean is that of a truth which is named. Their spread is not known but for the
    seeds there are, and these have shown more than there is, on average: had they shown less, the
    claim would be decided. Its likelihood is therefore divided by the chance that such a sweep is
    undecided (inference after selection, Fithian, Sun and Taylor 2014), and its median is taken.
    A chance averaged over all likely spreads is too small where nearly all sweeps are decided and
    too large where hardly any are (benchmarks/README.md, "What more seeds would do"). A single
    chance that averages over what the truth may be would rest on how large effects are elsewhere.

    Parameters
    ----------
    seeds
        The contrast within each seed that there is, shape (n_seeds,).
    direction, interval
        What the p of the direction is compared with, and the alpha of the intervals.
    margin
        In the units of the seeds.
    for_any_looks
        Whether the verdict will read the intervals of anytime.py.
    at_settings
        The contrast at each setting of the other knobs, at each of which it has to be too small to
        matter; the truth is the same at all of them.
    """

    _N_DRAWS = 4000
    #: Spreads that are tried, in units of the one that was seen.
    _RATIOS = np.geomspace(0.25, 4, 41)

    def __init__(
        self, seeds: np.ndarray[tuple[int], np.dtype[np.float64]], direction: float,
        interval: float, margin: float, for_any_looks: bool = False,
        at_settings: Sequence[Interval] = (),
    ) -> None:  # fmt: skip
        self._n = len(seeds)
        self._direction, self._interval, self._margin = direction, interval, margin
        self._for_any_looks = for_any_looks
        mean = float(seeds.mean())
        #: The true differences that are named: what was seen, the margin, and none.
        self.truths = (mean, math.copysign(margin, mean), 0.0)
        average = _Seen(np.array([mean]), np.array([seeds.std(ddof=1) / math.sqrt(self._n)]))
        self._seen = [average]
        if at_settings:
            means, se = zip(*((of.estimate, of.se) for of in at_settings), strict=True)
            self._seen.append(_Seen(np.array(means), np.array(se)))
        self._sds = self._likely_sds()

    def chance(self, truth: float, n_new: int) -> float:
        """The chance that `n_new` more seeds decide the claim, whichever way, at a true mean."""
        draws = np.random.default_rng(0)
        both = [
            self._with_new(seen, _made_up(draws, self._N_DRAWS, truth, sd, n_new), n_new)
            for seen, sd in zip(self._seen, self._sds, strict=True)
        ]
        return float(self._decided(both, self._n + n_new).mean())

    def _with_new(self, seen: _Seen, new: _Seen, n_new: int) -> _Seen:
        """Seeds that were seen together with new ones."""
        n = self._n + n_new
        mean = (self._n * seen.means + n_new * new.means) / n
        within = sum(of.se**2 * k * (k - 1) for of, k in ((seen, self._n), (new, n_new)))
        between = self._n * n_new / n * (new.means - seen.means) ** 2
        return _Seen(mean, np.sqrt((within + between) / (n - 1) / n))

    def _decided(self, of: list[_Seen], n: int) -> NDArray[np.bool_]:
        """Which sweeps of n seeds are decided, by their average and, if any, their settings."""
        if self._for_any_looks:
            beyond, within = (anytime.multiple(n, a) for a in (self._direction, self._interval))
        else:
            beyond = power.t_quantile(1 - self._direction / 2, n - 1)
            within = power.t_quantile(1 - self._interval, n - 1)
        average, settings = of[0], of[-1]
        # Of so few seeds that no interval has ends, none is decided: infinity times 0 is nan.
        with np.errstate(invalid="ignore"):
            has_direction = (np.abs(average.means) > beyond * average.se).all(axis=1)
            is_small = (np.abs(settings.means) + within * settings.se < self._margin).all(axis=1)
        return np.asarray(has_direction | is_small)

    def _likely_sds(self) -> list[Array]:
        """The standard deviations of the columns, as the class says."""
        known = [
            power.moderated(of.se**2 * self._n * (self._n - 1), self._n - 1) for of in self._seen
        ]
        draws = np.random.default_rng(1)
        mean = self.truths[0]
        noise = [_made_up(draws, self._N_DRAWS // 2, 0.0, sd, self._n) for sd, _ in known]
        undecided = []
        for ratio in self._RATIOS:
            sweeps = [_Seen(mean + ratio * of.means, ratio * of.se) for of in noise]
            undecided.append(1 - self._decided(sweeps, self._n).mean())
        # None that is undecided of so many means a chance below one in so many.
        log_undecided = np.log(np.maximum(undecided, 2 / self._N_DRAWS))
        sds = []
        for sd, df in known:
            logs = -df * np.log(self._RATIOS) - df / (2 * self._RATIOS**2) - log_undecided
            weights = np.exp(logs - logs.max())
            below = np.cumsum(weights) - weights / 2
            sds.append(sd * np.interp(weights.sum() / 2, below, self._RATIOS))
        return sds

    def fewest(self) -> int | None:
        """The fewest new seeds that decide with the chance `ENOUGH`; None above `MOST`.

        The true mean is what was seen or, where that is within the margin, nothing.
        """
        seen, margin, none = self.truths
        truth = seen if abs(seen) > abs(margin) else none
        if self.chance(truth, MOST) < ENOUGH:
            return None
        low, high = 0, MOST
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self.chance(truth, middle) >= ENOUGH else (middle, high)
        return high


def _made_up(draws: np.random.Generator, n_sweeps: int, mean: float, sd: Array, n: int) -> _Seen:
    """Sweeps of n seeds, whose columns have one mean and each its own standard deviation."""
    shape = (n_sweeps, len(sd))
    variances = draws.chisquare(n - 1, shape) / (n - 1) if n > 1 else np.zeros(shape)
    means = mean + sd / math.sqrt(n) * draws.standard_normal(shape)
    return _Seen(means, sd * np.sqrt(variances / n))


def n_workers(runs: pd.DataFrame, seconds: pd.Series) -> int:
    """How many runs were trained at a time, from when they began and ended; at least 1.

    Parameters
    ----------
    seconds
        What each run spent on training and evaluation, by run_key.
    """
    ended = runs[(runs["state"] == DONE) & runs["end_ms"].notna()]
    wall_s = float(ended["end_ms"].max() - ended["start_ms"].min()) / 1000 if len(ended) else 0.0
    return max(1, round(float(seconds.reindex(ended.index).sum()) / wall_s)) if wall_s > 0 else 1
