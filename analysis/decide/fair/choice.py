"""Which level each arm has in each seed: the best one on the validation images of other seeds.

The level for seed s is that with the best mean of `chosen_on` over all seeds but s, so that no
run's luck chooses itself; the run of seed s at that level is then compared by the claim's metric.

Seeds that choose for each other are not independent. Where levels are nearly tied, a test that
takes them for independent has 6 to 16 % false directions. A claim therefore has to hold for a
second choice, too: one level an arm in all seeds, the best over all of them, which has at most 7 %
but prefers an arm with more ties. Both together have at most 5 % up to 8 seeds, and 7 % at 12.
"""

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from analysis.decide import metrics
from analysis.decide.fair.arms import Arms, Candidate, check_ranges
from analysis.design.cells import distinct
from analysis.design.contrasts import Contrast, Simple
from runner.record import Claim, parse_reduction

#: A range of fewer levels has no edge.
_LEAST_LEVELS = 2


@dataclass(frozen=True)
class Choice:
    """The level of each arm, seed by seed."""

    arms: Arms
    #: What each arm is worth at each candidate, more being better: seeds x places in its range.
    worth: dict[str, pd.DataFrame]
    #: All runs of the arms, one row a run, with their cells.
    planned: pd.DataFrame

    def chosen(self, arm: str) -> dict[int, Candidate]:
        """The candidate of an arm by seed."""
        worth, of_arm = self.worth[arm], self.arms.ranges[arm]
        values = worth.to_numpy()
        return {
            int(seed): of_arm[_best(np.delete(values, place, axis=0))]
            for place, seed in enumerate(worth.index)
        }

    @property
    def runs(self) -> pd.DataFrame:
        """The chosen runs, one a seed and arm, with the arm as their cell."""
        return self._runs({arm: self.chosen(arm) for arm in self.worth})

    @property
    def once(self) -> pd.DataFrame:
        """The runs of each arm at the level that is best over all seeds, with the arm as cell."""
        best = {a: self.arms.ranges[a][_best(worth.to_numpy())] for a, worth in self.worth.items()}
        return self._runs({a: dict.fromkeys(self.worth[a].index, one) for a, one in best.items()})

    def _runs(self, chosen: dict[str, dict[int, Candidate]]) -> pd.DataFrame:
        of_arm = {
            (candidate.cell, seed): arm
            for arm, by_seed in chosen.items()
            for seed, candidate in by_seed.items()
        }
        pairs = zip(self.planned["cell_key"], self.planned["seed"], strict=True)
        return self._as_arms([of_arm.get((str(cell), int(seed))) for cell, seed in pairs])

    def at(self, levels: dict[str, Any]) -> pd.DataFrame:
        """The runs of all arms at fixed levels, with the arm as their cell."""
        of_cell = {
            candidate.cell: arm
            for arm in self.worth
            for candidate in self.arms.ranges[arm]
            if candidate.fits(levels)
        }
        return self._as_arms([of_cell.get(str(cell)) for cell in self.planned["cell_key"]])

    def _as_arms(self, arms: list[str | None]) -> pd.DataFrame:
        runs = self.planned.assign(cell_key=arms)
        return runs[runs["cell_key"].notna()]

    def without(self, seed: int) -> "Choice":
        """The choice that would have been made without a seed."""
        worth = {arm: of_arm.drop(seed) for arm, of_arm in self.worth.items()}
        return replace(self, worth=worth, planned=self.planned[self.planned["seed"] != seed])

    @property
    def fixed(self) -> list[Candidate]:
        """The levels that every arm was tried at, in the plan's order."""
        longest = max((self.arms.ranges[arm] for arm in self.worth), key=len)
        return longest

    def counts(self, arm: str) -> list[tuple[str, int]]:
        """How many seeds have each level that was chosen, the most frequent one first."""
        chosen = Counter(candidate.name for candidate in self.chosen(arm).values())
        return chosen.most_common()

    def at_edge(self, arm: str) -> list[tuple[str, Any]]:
        """The knobs with their level where the most frequent one is the end of a numeric range."""
        usual = Counter(c.cell for c in self.chosen(arm).values()).most_common(1)[0][0]
        candidates = {candidate.cell: candidate for candidate in self.arms.ranges[arm]}
        found = []
        for knob, level in candidates[usual].at.items():
            levels = distinct(candidate.at[knob] for candidate in candidates.values())
            is_numeric = all(type(one) in (int, float) for one in levels)
            if is_numeric and len(levels) >= _LEAST_LEVELS and level in (min(levels), max(levels)):
                found.append((knob, level))
        return found


def choose(
    claim: Claim, arms: Arms, compared: list[Contrast], runs: pd.DataFrame, epochs: pd.DataFrame
) -> Choice:
    """The levels of the arms that a claim compares.

    Parameters
    ----------
    runs, epochs
        Of the sweep; each cell of the arms has a run of the same seeds, done or diverged.

    Raises
    ------
    NotTestable
        When a run did not record what is chosen on, or the arms were tried at other levels.
    """
    members = list(dict.fromkeys(arm for contrast in compared for arm in contrast.cells))
    check_ranges(arms, members)
    trained = arms.trained(members)
    asked = replace(claim, metric=str(claim.chosen_on), minus=None, missing="worst")
    whole = Contrast("", [Simple({}, dict.fromkeys(trained, 0.0))])
    values, _ = metrics.numbers_of(asked, runs, epochs, [whole])
    sign = -np.sign(parse_reduction(asked.metric).worst)
    worth = {arm: sign * values[arms.trained([arm])] for arm in members}
    return Choice(arms, worth, runs[runs["cell_key"].isin(trained)])


def _best(worth: Any) -> int:
    """The place of the best column: the fewest runs that diverged, then the largest mean.

    Of equal ones it is the first.
    """
    n_diverged = np.isinf(worth).sum(axis=0)
    finite = np.where(np.isinf(worth), 0.0, worth).sum(axis=0)
    means = finite / np.maximum(1, len(worth) - n_diverged)
    return max(range(worth.shape[1]), key=lambda place: (-n_diverged[place], means[place]))
