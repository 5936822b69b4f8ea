"""Medians, ratios within a round, and the targets, from the raw rounds."""

from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from benchmarks import contestants
from benchmarks.measure import TASKS, Entry, NetResult
from benchmarks.nets import N_TEST_IMAGES, N_TRAIN_IMAGES, NETS

MODES = ("single run", "whole machine")

#: Who stands for whom: the best of a group is what ours is compared with.
GROUPS = {
    "dezero_as_shipped": (contestants.AS_SHIPPED,),
    "dezero_float32": (contestants.FLOAT32,),
    "best_peer": (*contestants.PYTORCH, *contestants.IN_JAX),
    "ours": (contestants.OURS,),
    "blas_and_copies": (contestants.BLAS_AND_COPIES,),
    "fma_and_bandwidth": (contestants.FMA_AND_BANDWIDTH,),
}


@dataclass(frozen=True)
class Spread:
    """Over the rounds."""

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Row:
    """The best setting of a group for one task in one mode."""

    net: str
    task: str
    mode: str
    group: str
    entry: Entry
    images_per_s: Spread
    step_ms: Spread
    #: Images per second of ours over those of this row in the same round; None where ours was not
    #: measured.
    ours_over_it: Spread | None


@dataclass(frozen=True)
class Target:
    """What a ratio of ours is to be, at least or at most.

    `of` is "best_peer" (images per second over its, training), "blas_and_copies" (time over its,
    training), or "evaluation" (time of an epoch's evaluation over that of its training).
    """

    net: str
    mode: str
    of: str
    bound: float

    @property
    def at_most(self) -> bool:
        """Whether less is better."""
        return self.of != "best_peer"

    def is_reached(self, measured: Spread) -> bool:
        """By the median."""
        if self.at_most:
            return measured.median <= self.bound
        return measured.median >= self.bound


_BEST_PEER = {
    "conv30_fc100": 5.0,
    "conv1_fc1000x2": 1.65,
    "conv1_fc100": 5.0,
    "book_mlp": 1.2,
    "users_net": 3.0,
}
_BLAS_AND_COPIES = {
    "conv30_fc100": 1.1,
    "conv1_fc1000x2": 1.03,
    "conv1_fc100": 1.8,
    "book_mlp": 1.0,
}
TARGETS = (
    *(Target(net, "whole machine", "best_peer", times) for net, times in _BEST_PEER.items()),
    *(Target(net, "single run", "best_peer", 1.3) for net in NETS),
    *(Target(net, "whole machine", "blas_and_copies", t) for net, t in _BLAS_AND_COPIES.items()),
    *(Target(net, "whole machine", "evaluation", 0.12) for net in NETS),
)


def rows(result: NetResult, cores: int) -> list[Row]:
    """One row for each task, mode and group that was measured."""
    found = []
    for task in TASKS:
        for mode in MODES:
            best = {
                group: _best(result, task, mode, names, cores) for group, names in GROUPS.items()
            }
            ours = best["ours"]
            for group, entry in best.items():
                if entry is not None:
                    found.append(
                        Row(
                            net=result.net,
                            task=task,
                            mode=mode,
                            group=group,
                            entry=entry,
                            images_per_s=_spread(images_per_s(result, entry)),
                            step_ms=_spread(
                                [m.step_ms for m in result.measurements if m.entry == entry]
                            ),
                            ours_over_it=_ratio(result, ours, entry) if ours else None,
                        )
                    )
    return found


def candidates(result: NetResult, task: str, mode: str, cores: int) -> list[Entry]:
    """What was measured that is a single run, of one network, or fills the machine: a process a
    core, or one with all threads."""
    entries = dict.fromkeys(m.entry for m in result.measurements if m.entry.task == task)
    if mode == "single run":
        return [
            e
            for e in entries
            if e.n_processes == 1 and contestants.n_seeds(e.setting.contestant) == 1
        ]
    return [e for e in entries if e.n_processes * e.setting.threads == cores]


def images_per_s(result: NetResult, entry: Entry) -> list[float]:
    """One for each round, in the order of the rounds."""
    measured = sorted((m for m in result.measurements if m.entry == entry), key=lambda m: m.round)
    return [m.images_per_s for m in measured]


def target_lines(results: list[NetResult], all_rows: list[Row]) -> list[dict[str, Any]]:
    """For each target: what was asked, what was measured, whether it is reached; measured null if
    left out."""
    lines = []
    for target in TARGETS:
        measured = _measured(target, results, all_rows)
        line: dict[str, Any] = asdict(target) | {"at_most": target.at_most}
        line |= {"measured": None, "reached": None}
        if measured:
            line |= {"measured": asdict(measured), "reached": target.is_reached(measured)}
        lines.append(line)
    return lines


def inverse(ratio: Spread) -> Spread:
    """Images per second of ours over another's as time of ours over its, and back."""
    return Spread(1 / ratio.median, 1 / ratio.high, 1 / ratio.low)


def _measured(target: Target, results: list[NetResult], all_rows: list[Row]) -> Spread | None:
    found = {
        (row.group, row.task): row
        for row in all_rows
        if (row.net, row.mode) == (target.net, target.mode)
    }
    if target.of == "evaluation":
        train, evaluate = found.get(("ours", "train")), found.get(("ours", "evaluate"))
        if not train or not evaluate:
            return None
        result = next(result for result in results if result.net == target.net)
        # Ours trains so many images a second and evaluates so many: time is the inverse.
        rates = _ratio(result, train.entry, evaluate.entry)
        share = N_TEST_IMAGES / N_TRAIN_IMAGES
        return Spread(share * rates.median, share * rates.low, share * rates.high)
    row = found.get((target.of, "train"))
    if not row or not row.ours_over_it:
        return None
    return inverse(row.ours_over_it) if target.at_most else row.ours_over_it


def _best(
    result: NetResult, task: str, mode: str, names: tuple[str, ...], cores: int
) -> Entry | None:
    """The setting with the highest median, of everything these contestants were measured in."""
    entries = [e for e in candidates(result, task, mode, cores) if e.setting.contestant in names]
    return max(entries, key=lambda e: median(images_per_s(result, e)), default=None)


def _ratio(result: NetResult, ours: Entry, other: Entry) -> Spread:
    pairs = zip(images_per_s(result, ours), images_per_s(result, other), strict=True)
    return _spread([a / b for a, b in pairs])


def _spread(values: list[float]) -> Spread:
    return Spread(median(values), min(values), max(values))
