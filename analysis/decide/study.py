"""A sweep with every claim decided: what the report, the notebook and the terminal show."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from analysis.decide.beside.exploratory import exploratory_contrasts
from analysis.decide.beside.more_seeds import MoreSeeds, more_seeds
from analysis.decide.beside.multiverse import Multiverse, multiverse
from analysis.decide.beside.pairing import Pairing, pairing
from analysis.decide.decision import Decision
from analysis.decide.evidence import By
from analysis.decide.looks import decide_sweep, seen_at
from analysis.design.cells import Cells, cells_of_sweep, of_common_seeds
from analysis.design.within_seed import Array
from analysis.read.runs import Sweep
from analysis.statistics.intervals import Interval, new_images_interval
from runner.record import DONE


@dataclass(frozen=True)
class Study:
    """A sweep with its cells and what its claims earned."""

    sweep: Sweep
    cells: Cells
    decisions: list[Decision]
    #: By the claim's name.
    multiverses: dict[str, Multiverse]
    #: By the claim's name, for inconclusive claims.
    more_seeds: dict[str, MoreSeeds]
    #: By the claim's name, for claims that were tested.
    pairings: dict[str, Pairing]
    #: Every contrast of the sweep, declared or not (`exploratory.COLUMNS`).
    exploratory: pd.DataFrame

    @property
    def states(self) -> dict[str, int]:
        """How many of the planned runs are in each state."""
        counts = self.sweep.runs["state"].value_counts().sort_index()
        return {str(state): int(n) for state, n in counts.items()}

    @property
    def n_begun(self) -> int:
        """How many of the planned runs have begun."""
        return int(self.sweep.runs["start_ms"].notna().sum())

    @property
    def n_declared_before(self) -> int:
        """How many of these began after the claims had been recorded."""
        began, declared = self.sweep.runs["start_ms"].dropna(), self.sweep.declared_ms
        return 0 if declared is None else int((began >= declared).sum())


def study(sweep: Sweep, correct: Callable[[Sweep], Mapping[str, Array]]) -> Study:
    """Decide every claim of a sweep.

    Parameters
    ----------
    correct
        Gives which test images each run classified right (`runs.correct`), bool (n_test_images,) by
        run key; called where a claim is about them.
    """
    cells, epochs = prepared(sweep)
    decisions = decide_sweep(sweep, sweep.runs, epochs, cells)
    # Whatever is told of a claim is told of the runs that decided it.
    runs = {d.name: seen_at(sweep.planned, d.look, sweep.runs) for d in decisions}
    if any(_about_images(decision) for decision in decisions):
        answers = correct(sweep)
        decisions = [
            replace(decision, new_images=_on_new_images(decision, runs[decision.name], answers))
            for decision in decisions
        ]
    ahead = {d.name: more_seeds(d, runs[d.name], sweep.epochs) for d in decisions}
    pairings = {d.name: pairing(d) for d in decisions}
    return Study(
        sweep,
        cells,
        decisions,
        multiverses={d.name: multiverse(d, runs[d.name], epochs) for d in decisions},
        more_seeds={name: more for name, more in ahead.items() if more is not None},
        pairings={name: pair for name, pair in pairings.items() if pair is not None},
        exploratory=exploratory_contrasts(of_common_seeds(sweep.runs), epochs, cells),
    )


def prepared(sweep: Sweep) -> tuple[Cells, pd.DataFrame]:
    """The cells of a sweep, and the epochs of its runs that are done."""
    runs = sweep.runs
    cells = cells_of_sweep(sweep)
    done = runs.index[runs["state"] == DONE]
    return cells, sweep.epochs[sweep.epochs["run_key"].isin(done)]


def _about_images(decision: Decision) -> bool:
    """Whether a claim was tested on the last epoch's test accuracy, a mean over the test images."""
    tested = decision.contrast is not None and decision.bounds is not None
    # An interval over new images is one for a mean.
    is_mean = tested and decision.by is By.MEAN
    return is_mean and not decision.claim.minus and decision.claim.metric == "final(test/accuracy)"


def _on_new_images(
    decision: Decision, runs: pd.DataFrame, answers: Mapping[str, Array]
) -> Interval | None:
    """The interval where the test images are a sample, too; None without their answers."""
    if not _about_images(decision):
        return None
    assert decision.contrast and decision.bounds
    members = decision.compared(runs)
    if members["data.sha256"].nunique() > 1:
        return None  # each side has test images of its own
    differences: dict[int, Array] = {}
    for key, run in members.iterrows():
        if key not in answers:
            return None
        weight = decision.contrast.weights[str(run["cell_key"])]
        weighted = weight * answers[str(key)].astype(np.float32)
        seed = int(run["seed"])
        differences[seed] = differences[seed] + weighted if seed in differences else weighted
    if len({len(images) for images in differences.values()}) > 1:
        return None
    same_images = decision.bounds.interval
    new = new_images_interval(np.stack(list(differences.values())), same_images.level)
    # Its variance is a sum of estimates and may by chance come out the smaller of the two; the true
    # variance never is.
    if new.high - new.low > same_images.high - same_images.low:
        return new
    return replace(new, low=same_images.low, high=same_images.high)
