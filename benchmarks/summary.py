"""Medians, ratios within a round, and the targets, from the raw rounds."""

from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from benchmarks import contestants
from benchmarks.measure import TASKS, Entry, NetResult

MODES = ("single run", "whole machine")

#: Who stands for whom: the best of a group is what ours is compared with.
GROUPS = {
    "dezero_as_shipped": (contestants.AS_SHIPPED,),
    "dezero_float32": (contestants.FLOAT32,),
    "pytorch": contestants.PYTORCH,
    "ours": (contestants.OURS,),
    "floor": (contestants.FLOOR,),
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
    """How many times `group` ours is to be, training on the whole machine."""

    net: str
    group: str
    times: float


# A floor is faster than ours: 1.5 times its time is 1 / 1.5 of its images per second.
TARGETS = (
    Target("conv30_fc100", "dezero_as_shipped", 18.0),
    Target("conv30_fc100", "pytorch", 4.0),
    Target("conv1_fc1000x2", "dezero_as_shipped", 5.0),
    Target("conv1_fc1000x2", "pytorch", 1.5),
    *(
        Target(net, "floor", 1 / 1.5)
        for net in ("conv30_fc100", "conv1_fc1000x2", "conv1_fc100", "book_mlp")
    ),
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
    """What was measured that is a single run, or fills the machine: a process a core, or one with
    all threads."""
    entries = dict.fromkeys(m.entry for m in result.measurements if m.entry.task == task)
    if mode == "single run":
        return [e for e in entries if e.n_processes == 1]
    return [e for e in entries if e.n_processes * e.setting.threads == cores]


def images_per_s(result: NetResult, entry: Entry) -> list[float]:
    """One for each round, in the order of the rounds."""
    measured = sorted((m for m in result.measurements if m.entry == entry), key=lambda m: m.round)
    return [m.images_per_s for m in measured]


def target_lines(all_rows: list[Row]) -> list[dict[str, Any]]:
    """For each target: what was asked, what was measured, whether it is reached; measured null if
    left out."""
    lines = []
    for target in TARGETS:
        row = next(
            (
                r
                for r in all_rows
                if (r.net, r.group, r.task, r.mode) == (target.net, target.group, *_AT)
            ),
            None,
        )
        ratio = row.ours_over_it if row else None
        line: dict[str, Any] = asdict(target) | {"measured": None, "reached": None}
        if ratio:
            line |= {"measured": asdict(ratio), "reached": ratio.median >= target.times}
        lines.append(line)
    return lines


_AT = ("train", "whole machine")


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
