"""How long an epoch of each cell takes: recorded, measured on a few steps, or between others."""

import json
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np

from runner.config import parts
from runner.errors import RunnerError
from runner.plan import plan as plans
from runner.plan.plan import PlannedRun
from runner.plan.size.layers import Conv, layers_of
from runner.prepare import Prepared
from runner.record import seconds_spent
from runner.state.run_record import RunRecord, read_run
from runner.train import provenance
from runner.train.sample import Sample

#: Longest time spent on measuring, in seconds.
BUDGET_S = 8.0
#: The range of a pace, as factors. Steps are measured while nothing else runs, and workers share
#: memory and clock; a pace between others rests on the operations alone.
_MEASURED, _BETWEEN = (0.9, 1.6), (0.6, 2.0)
#: Of recorded epochs these quantiles are the range.
_RECORDED = (0.1, 0.9)
#: How many earlier sweeps are looked at for runs alike, and how many runs of each kind.
_N_SWEEPS, _N_ALIKE = 5, 3


@dataclass(frozen=True)
class Pace:
    """Seconds of an epoch, its evaluations included, and the range that they may be in."""

    s: float
    low_s: float
    high_s: float

    @classmethod
    def within(cls, s: float, factors: tuple[float, float]) -> "Pace":
        """A pace whose range is given by factors."""
        return cls(s, s * factors[0], s * factors[1])

    @classmethod
    def recorded(cls, seconds: list[float]) -> "Pace":
        """That of epochs that were trained, by their median."""
        low, s, high = np.quantile(seconds, (_RECORDED[0], 0.5, _RECORDED[1]))
        return cls(float(s), float(low), float(high))


def paces(prepared: Prepared, runs: list[PlannedRun]) -> dict[str, Pace]:
    """The pace of the cells of some runs, by cell key; empty where nothing is known of any.

    Cells that differ in what takes no time, such as a learning rate, are of one kind and have one
    pace: that of runs of the kind in this sweep or an earlier one on such a processor, else that of
    a few steps, else, once the budget is spent, one between those of the others.
    """
    kind_of: dict[str, str] = {}
    kinds: dict[str, PlannedRun] = {}
    for run in runs:
        if run.cell_key not in kind_of:
            kind_of[run.cell_key] = of = kind(run)
            kinds.setdefault(of, run)
    known = _recorded(prepared, kinds)
    for of, run in kinds.items():
        checked = prepared.checked.get(run.cell_key)
        if of not in known and checked and checked.epoch_s is not None:
            known[of] = Pace.within(checked.epoch_s, _MEASURED)
    work = {of: _operations(prepared, run) for of, run in kinds.items()}
    known |= _measured(prepared, {of: run for of, run in kinds.items() if of not in known}, work)
    if known:
        between = _Between(known, work)
        known |= {of: between.at(work[of]) for of in kinds if of not in known}
    return {cell: known[of] for cell, of in kind_of.items() if of in known}


def kind(run: PlannedRun) -> str:
    """What an epoch's time depends on: a number such as a learning rate counts as 0 or not."""
    config = run.config
    train = asdict(config.train) | {"epochs": 0}
    data = dict(config.data) | {"root": None}
    parts_of = [config.model, config.optimizer, data, train, asdict(config.engine), config.metrics]
    named = [_timeless(part) for part in parts_of]
    return json.dumps([run.device, run.data_sha256, named], sort_keys=True, default=str)


def _timeless(values: dict[str, object]) -> dict[str, object]:
    return {name: bool(of) if isinstance(of, float) else of for name, of in values.items()}


def _recorded(prepared: Prepared, kinds: dict[str, PlannedRun]) -> dict[str, Pace]:
    """The paces of kinds that were trained before, on such a processor."""
    ours = provenance.processor()
    seconds: dict[str, list[float]] = defaultdict(list)
    n_runs: dict[str, int] = defaultdict(int)
    for run, record in _before(prepared, kinds, seconds):
        start = record.start
        is_alike = start is not None and (start.processor, start.n_threads) == (ours, 1)
        if is_alike and record.epochs and (of := kind(run)) in kinds and n_runs[of] < _N_ALIKE:
            n_runs[of] += 1
            seconds[of] += [seconds_spent(epoch.metrics) for epoch in record.epochs.values()]
    return {of: Pace.recorded(of_kind) for of, of_kind in seconds.items()}


def _before(
    prepared: Prepared, kinds: dict[str, PlannedRun], found: dict[str, list[float]]
) -> Iterator[tuple[PlannedRun, RunRecord]]:
    """The runs of this plan, and of the latest sweeps while kinds are not found."""
    plan, root = prepared.plan, prepared.root
    for run in plan.runs:
        yield run, prepared.journals[run.run_key]
    folders = [of for of in root.sweeps() if of.path != root.sweep(plan.sweep_key).path]
    for folder in folders[::-1][:_N_SWEEPS]:
        if kinds.keys() <= found.keys():
            return
        try:
            earlier = plans.read(folder.plan)
        except RunnerError:  # whoever asks for that sweep is told
            continue
        for run in earlier.runs:
            if kind(run) in kinds:
                yield run, read_run(root.run(run.run_key))


def _operations(prepared: Prepared, run: PlannedRun) -> float | None:
    """Multiplications of an image's way through a network that ships; None for any other."""
    if not parts.ships("model", run.config.model):
        return None
    n = 0.0
    for layer in layers_of(run.config.model, prepared.sources.entry(run)):
        if isinstance(layer, Conv):
            n += 9.0 * layer.n_in * layer.n_out * layer.height * layer.width
        else:
            n += float(layer.n_in * layer.n_out)
    return n


def _measured(
    prepared: Prepared, kinds: dict[str, PlannedRun], work: dict[str, float | None]
) -> dict[str, Pace]:
    """The paces of a few steps of as many kinds as the budget allows.

    Measured on this machine while nothing else runs. On a GPU this process would keep memory that
    the workers could use, and a few steps say nothing about many graphs.
    """
    # Imported here: when every cell has been trained before, nobody waits for DeZero.
    from runner.train import pace

    found: dict[str, Pace] = {}
    deadline = None
    for of in _spread(sorted(kinds, key=lambda of: work[of] or 0.0)):
        run = kinds[of]
        if run.device == "gpu" or (deadline and time.monotonic() > deadline):
            continue
        deadline = deadline or time.monotonic() + BUDGET_S
        s = pace.epoch_s(run, Sample.of(run, prepared.sources.read_by(run)))
        if s:  # else its loss is not finite
            found[of] = Pace.within(s, _MEASURED)
    return found


def _spread(ordered: list[str]) -> Iterator[str]:
    """Both ends, then the middle of what lies between: what is left out lies between others."""
    if ordered:
        yield ordered[0]
    if len(ordered) > 1:
        yield ordered[-1]
    gaps = [ordered[1:-1]]
    while gaps:
        between = gaps.pop(0)
        if between:
            middle = len(between) // 2
            yield between[middle]
            gaps += [between[:middle], between[middle + 1 :]]


class _Between:
    """Paces between those of the kinds with fewer and with more operations, else their mean.

    Beyond the last one they grow with the operations.
    """

    def __init__(self, known: dict[str, Pace], work: dict[str, float | None]) -> None:
        pairs = [(n, pace.s) for of, pace in known.items() if (n := work.get(of))]
        self._counts = [n for n, _ in sorted(pairs)]
        self._seconds = [s for _, s in sorted(pairs)]
        self._mean = float(np.mean([pace.s for pace in known.values()]))

    def at(self, n: float | None) -> Pace:
        """That of a kind with n operations; None where they are not known."""
        if n is None or not self._counts:
            return Pace.within(self._mean, _BETWEEN)
        s = float(np.interp(n, self._counts, self._seconds))
        return Pace.within(s * max(1.0, n / self._counts[-1]), _BETWEEN)
