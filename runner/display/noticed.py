"""Which knobs changed nothing: runs of one seed that ended with equal weights, to the last bit."""

from collections import Counter, defaultdict
from itertools import combinations

from runner.plan.plan import Plan
from runner.record import WEIGHTS, as_text, short
from runner.state.journals import Journals


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
