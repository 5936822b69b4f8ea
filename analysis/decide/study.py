"""A sweep read and every claim decided: what the report, the notebook and the terminal all show."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from analysis.decide.claims import Decision, decide_all
from analysis.decide.exploratory import explore
from analysis.decide.multiverse import Multiverse, multiverse
from analysis.decide.pairing import Pairing, pairing
from analysis.decide.sample_size import More, more_seeds
from analysis.design.cells import Cells, cells_of
from analysis.design.contrasts import Array
from analysis.read.runs import Sweep
from analysis.statistics.intervals import Interval, new_images_interval


@dataclass(frozen=True)
class Study:
    """A sweep with its cells and what its claims earned."""

    sweep: Sweep
    cells: Cells
    decisions: list[Decision]
    #: By claim.
    multiverses: dict[str, Multiverse]
    #: By claim, for the inconclusive ones.
    more: dict[str, More]
    #: By claim, for the tested ones.
    pairings: dict[str, Pairing]
    #: Every contrast of the sweep, declared or not (`explore.COLUMNS`): to look at, not to conclude from.
    explored: pd.DataFrame

    @property
    def states(self) -> dict[str, int]:
        """How many of the planned runs are in each state."""
        return {str(state): int(n) for state, n in self.sweep.runs["state"].value_counts().sort_index().items()}

    @property
    def n_begun(self) -> int:
        """How many of the planned runs have begun."""
        return int(self.sweep.runs["start_ms"].notna().sum())

    @property
    def n_declared_before(self) -> int:
        """How many of these began after the claims had been recorded."""
        began, declared = self.sweep.runs["start_ms"].dropna(), self.sweep.declared_ms
        return 0 if declared is None else int((began >= declared).sum())


def study(sweep: Sweep, bits: Callable[[Sweep], Mapping[str, Array]]) -> Study:
    """Decide every claim of a sweep.

    Parameters
    ----------
    bits
        Gives the runs' right and wrong answers (`runs.correct`), bool (n_test_images,) by run key; asked for where a
        claim is about them.
    """
    bearing = {knob.name for knob in sweep.knobs if knob.bears_on_numbers}
    cells = cells_of(sweep.runs, [str(name) for name in sweep.runs if name in bearing])
    ended = sweep.runs.index[sweep.runs["state"] == "done"]
    epochs = sweep.epochs[sweep.epochs["run_key"].isin(ended)]
    decisions = decide_all(sweep.claims, sweep.runs, epochs, cells)
    if any(_about_images(one) for one in decisions):
        answers = bits(sweep)
        decisions = [replace(one, new_images=_on_new_images(one, sweep.runs, answers)) for one in decisions]
    return Study(
        sweep,
        cells,
        decisions,
        {one.name: multiverse(one, sweep.runs, epochs) for one in decisions},
        {one.name: more for one in decisions for more in [more_seeds(one, sweep.runs, sweep.epochs)] if more},
        {one.name: pair for one in decisions for pair in [pairing(one, sweep.runs, epochs)] if pair},
        explore(sweep.runs, epochs, cells),
    )


def _about_images(decision: Decision) -> bool:
    """Whether the bits of the test images are what a claim is decided by: the last epoch's test accuracy."""
    tested = decision.contrast is not None and decision.bounds is not None
    return tested and not decision.claim.minus and decision.claim.metric == "final(test/accuracy)"


def _on_new_images(decision: Decision, runs: pd.DataFrame, answers: Mapping[str, Array]) -> Interval | None:
    """The interval where the test images, too, are a sample."""
    if not _about_images(decision):
        return None
    assert decision.contrast and decision.bounds
    differences: dict[int, Array] = {}
    for key, run in runs[runs["cell_key"].isin(decision.contrast.cells)].iterrows():
        if key not in answers:
            return None
        weighted = decision.contrast.weights[str(run["cell_key"])] * answers[str(key)].astype(np.float32)
        seed = int(run["seed"])
        differences[seed] = differences[seed] + weighted if seed in differences else weighted
    if len({len(one) for one in differences.values()}) > 1:
        return None
    these = decision.bounds.interval
    new = new_images_interval(np.stack(list(differences.values())), these.level)
    # Its variance is a sum of estimates and may come out the smaller of the two by chance, which it never is.
    return new if new.high - new.low > these.high - these.low else replace(new, low=these.low, high=these.high)
