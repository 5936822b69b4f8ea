"""A sweep read and every claim decided: what the report, the notebook and the terminal all show."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from analysis import metrics, sentences
from analysis.cells import Cells, cells_of
from analysis.claims import Decision, decide_all
from analysis.contrasts import Array
from analysis.more import More, more_seeds
from analysis.multiverse import Multiverse, multiverse
from analysis.pairing import Pairing, pairing
from analysis.runs import Sweep
from analysis.statistics.intervals import Interval, new_images_interval

#: Result-bearing knobs start so; what a run's numbers do not depend on is not looked at.
_KNOBS = ("model.", "data.name", "data.normalize", "optimizer.", "engine.", "train.", "device")


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

    @property
    def states(self) -> dict[str, int]:
        """How many of the planned runs are in each state."""
        return {str(state): int(n) for state, n in self.sweep.runs["state"].value_counts().sort_index().items()}

    def details(self, decision: Decision) -> list[str]:
        """What to know before trusting a decision's sentence, a line each."""
        return sentences.details(decision, self.multiverses[decision.name], self.pairings.get(decision.name))

    @property
    def n_declared_before(self) -> int:
        """How many of the runs there are began after the claims had been recorded."""
        began, declared = self.sweep.runs["start_ms"].dropna(), self.sweep.declared_ms
        return 0 if declared is None else int((began >= declared).sum())


def study(sweep: Sweep, bits: Callable[[Sweep, str], Array | None]) -> Study:
    """Decide every claim of a sweep.

    Parameters
    ----------
    bits
        Gives a run's right and wrong answers, bool (n_test_images,), by run key; None where they are not known.
    """
    knobs = [str(name) for name in sweep.runs.columns if str(name).startswith(_KNOBS) and str(name) != "data.sha256"]
    cells = cells_of(sweep.runs, knobs)
    ended = sweep.runs.index[sweep.runs["state"] == "done"]
    epochs = sweep.epochs[sweep.epochs["run_key"].isin(ended)]
    decisions = [
        replace(one, new_images=_on_new_images(one, sweep, bits))
        for one in decide_all(sweep.claims, sweep.runs, epochs, cells)
    ]
    return Study(
        sweep,
        cells,
        decisions,
        {one.name: multiverse(one, sweep.runs, epochs) for one in decisions},
        {one.name: more for one in decisions for more in [more_seeds(one, sweep.runs, sweep.epochs)] if more},
        {one.name: pair for one in decisions for pair in [pairing(one, sweep.runs, epochs)] if pair},
    )


def _on_new_images(decision: Decision, sweep: Sweep, bits: Callable[[Sweep, str], Array | None]) -> Interval | None:
    """The interval where the test images, too, are a sample: for the last epoch's test accuracy."""
    metric = metrics.parse(decision.claim.metric)
    if decision.contrast is None or decision.bounds is None or decision.claim.minus:
        return None
    if (metric.kind, metric.curve) != ("final", "test/accuracy"):
        return None
    differences: dict[int, Array] = {}
    for key, run in sweep.runs[sweep.runs["cell_key"].isin(decision.contrast.cells)].iterrows():
        right = bits(sweep, str(key))
        if right is None:
            return None
        weighted = decision.contrast.weights[str(run["cell_key"])] * right.astype(np.float32)
        seed = int(run["seed"])
        differences[seed] = differences[seed] + weighted if seed in differences else weighted
    if len({len(one) for one in differences.values()}) > 1:
        return None
    return new_images_interval(np.stack(list(differences.values())), decision.bounds.interval.level)


def finished(runs: pd.DataFrame) -> bool:
    """Whether every planned run is trained."""
    return set(runs["state"]) <= {"done", "diverged"}
