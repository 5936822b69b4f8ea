"""What is noticed about runs that were trained, and is no failure."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import combinations

from runner.plan.plan import Plan
from runner.record import WEIGHTS, as_text, short
from runner.state.journals import Journals
from runner.state.run_record import RunRecord


def noticed(plan: Plan, journals: Journals, launch: str) -> list[str]:
    """A line for each thing: about the runs of a launch, then about the knobs of the plan."""
    records = {run.name: journals[run.run_key] for run in plan.runs}
    of_launch = {
        name: record
        for name, record in records.items()
        if record.start is not None and record.start.launch == launch
    }
    lines = [line for name, record in of_launch.items() for line in _of_run(name, record)]
    return [*lines, *_undivided(of_launch), *unchanged(plan, journals)]


def _of_run(name: str, record: RunRecord) -> Iterator[str]:
    """Whether it is mixed, and whether it could not use its newest checkpoint."""
    setup = record.setup
    if record.is_mixed:
        yield (
            f"{name}: attempts on processors of two families gave other last bits; the run is"
            " marked as mixed"
        )
    if setup and setup.refused_checkpoints:
        yield (
            f"{name}: {' and '.join(setup.refused_checkpoints)} could not be used (damaged, or"
            f" another run's); it went on from epoch {setup.goes_on_from_epoch}"
        )


def _undivided(records: dict[str, RunRecord]) -> list[str]:
    """Which matrix products had one thread, though the run had several."""
    products = dict.fromkeys(
        product for record in records.values() if record.end for product in record.end.undivided
    )
    if not products:
        return []
    return [
        f"one thread computed the products {', '.join(products)}: NumPy's BLAS rounds their parts"
        " otherwise"
    ]


def unchanged(plan: Plan, journals: Journals) -> list[str]:
    """A line for each two values of a swept knob that ended with equal weights, all else being one.

    Where they did in some runs alone, as with a limit that not every run reaches, it says in how
    many.
    """
    lines = []
    for knob in plan.swept:
        compared: Counter[tuple[str, str]] = Counter()
        equal: Counter[tuple[str, str]] = Counter()
        for weights in _alike_but_for(knob, plan, journals):
            for pair in combinations(weights, 2):
                compared[pair] += 1
                equal[pair] += weights[pair[0]] == weights[pair[1]]
        for pair, n in (+equal).items():
            where = "each run" if n == compared[pair] else f"{n} of {compared[pair]} runs"
            lines.append(
                f"{short(knob)} changed nothing: {pair[0]} and {pair[1]} ended with equal weights"
                f" in {where}; the model may not use it"
            )
    return lines


def _alike_but_for(knob: str, plan: Plan, journals: Journals) -> list[dict[str, str]]:
    """For each seed and values of the other knobs: the hash of the weights by this one's value."""
    alike: dict[tuple[str, ...], dict[str, str]] = defaultdict(dict)
    for run in plan.runs:
        end = journals[run.run_key].end
        if end is not None and WEIGHTS in end.sha256 and knob in run.knobs:
            others = [f"{name}={as_text(of)}" for name, of in run.knobs.items() if name != knob]
            place = str(run.config.seed), *others
            alike[place][as_text(run.knobs[knob])] = end.sha256[WEIGHTS]
    return list(alike.values())
