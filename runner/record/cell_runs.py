"""What the runs of a cell say together: which of their metrics matter, their means and spreads."""

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from runner.record import DONE, SHIPPED_METRICS, metric_of, short
from runner.system.language import Said, say

#: Headings of the metrics that matter, the most important first; a user's own come after them.
_MATTER = {
    "test/accuracy": say("test acc %"),
    "train/accuracy": say("train acc %"),
    "test_masked/accuracy": say("masked test acc %"),
    "val/accuracy": say("val acc %"),
}
#: Headings of those that are shown where there is room.
BESIDE = {"train/loss": say("train loss"), "test/loss": say("test loss")}
_HEADINGS = _MATTER | BESIDE


@dataclass(frozen=True)
class EndedRun:
    """How a run stands: its seed, its state, its last epoch's metrics, its seconds of training."""

    seed: int
    state: str | None
    last: Mapping[str, float]
    seconds: float


@dataclass(frozen=True)
class CellRuns:
    """A cell by the values of its swept knobs, as texts, and its runs."""

    knobs: Mapping[str, str]
    runs: Sequence[EndedRun]

    @property
    def done(self) -> list[EndedRun]:
        """The runs that are averaged."""
        return [run for run in self.runs if run.state == DONE]

    def values(self, metric: str) -> dict[int, float]:
        """The metric of the last epoch of each run that is done and recorded it, by seed."""
        return {run.seed: run.last[metric] for run in self.done if metric in run.last}

    def moved(self, base: Mapping[str, str]) -> dict[str, str]:
        """The knobs that have another value than in the base; none for the base itself."""
        return {knob: text for knob, text in self.knobs.items() if text != base.get(knob)}

    def label(self, base: Mapping[str, str]) -> str | Said:
        """What differs from the base, as in `dropout=false`; `base` where nothing does."""
        return cell_label(self.moved(base)) or say("base")


def short_names(knobs: Iterable[str]) -> dict[str, str]:
    """The last part of each dotted knob; of those that share it, the whole name."""
    knobs = list(knobs)
    times = Counter(map(short, knobs))
    return {knob: short(knob) if times[short(knob)] == 1 else knob for knob in knobs}


def cell_label(knobs: Mapping[str, str]) -> str:
    """`channels=30 dropout=true`."""
    return " ".join(f"{knob}={text}" for knob, text in knobs.items())


def shown_metrics(cells: Sequence[CellRuns]) -> list[str]:
    """The metrics of the table, the most important first.

    That with dropout left on is one of them where it differs from that without.
    """
    recorded = {name for cell in cells for run in cell.done for name in run.last}
    own = [name for name in sorted(recorded) if name not in SHIPPED_METRICS]
    masked, test = "test_masked/accuracy", "test/accuracy"
    if all(cell.values(masked) == cell.values(test) for cell in cells):
        recorded.discard(masked)
    return [name for name in (*_MATTER, *own, *BESIDE) if name in recorded]


def heading(metric: str) -> str | Said:
    """The heading of a metric's column, with its unit."""
    return _HEADINGS.get(metric, metric)


def written(metric: str, values: Sequence[float], plus_minus: str = "±") -> str:
    """`97.12 ± 0.10`, mean and standard deviation over seeds; accuracies in percent."""
    if not values:
        return "-"
    scale, digits = {"share": (100.0, ".2f"), "nats": (1.0, ".4f")}.get(
        metric_of(metric).unit, (1.0, ".4g")
    )
    mean = f"{scale * statistics.fmean(values):{digits}}"
    if len(values) == 1:
        return mean
    return f"{mean} {plus_minus} {scale * statistics.stdev(values):{digits}}"


def less_base(cell: CellRuns, base: CellRuns, metric: str) -> list[float]:
    """The metric less that of the base, within each seed that both have."""
    ours, theirs = cell.values(metric), base.values(metric)
    return [ours[seed] - theirs[seed] for seed in ours if seed in theirs]
