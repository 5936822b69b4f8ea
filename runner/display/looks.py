"""What is told of looks: how many there are, their cost, what each decided, why none follows."""

import shutil
import textwrap

from runner.display.progress import count, duration
from runner.errors import printable
from runner.plan.looks import label, settled, sizes
from runner.plan.plan import Plan


def all_sizes(plan: Plan) -> list[int]:
    """The number of seeds at each look of a plan, those to come included; of fixed seeds, one."""
    if not plan.looks:
        return [len(plan.seeds)]
    largest = max(plan.max_seeds, len(plan.seeds))
    return sizes(len(plan.looks[0].seeds), largest)


def announced(plan: Plan) -> list[str]:
    """The looks of a sweep and what they cost at most, before it is trained; and where it is."""
    if not plan.looks:
        return []
    of = all_sizes(plan)
    last = {run.cell_key for run in plan.runs if run.config.seed in plan.looks[-1].seeds}
    most = len(plan.runs) + len(last) * (of[-1] - len(plan.seeds))
    listed = ", ".join(map(str, of))
    lines = [f"looks at {listed} seeds, until its claims are decided: at most {most:,} runs"]
    if plan.looks[0].decided is not None:
        lines.append(f"{label(plan.looks, plan.max_seeds)}; {_open(plan)}")
    return lines


def _open(plan: Plan) -> str:
    n_open = len(plan.claims) - len(settled(plan.looks))
    return f"{n_open} of {count(len(plan.claims), 'claim')} open" if n_open else "all are decided"


def decided(plan: Plan, words: dict[str, str]) -> list[str]:
    """What the last look decided, a line a claim.

    Parameters
    ----------
    words
        The answer that each claim's verdict is, by name.
    """
    names = plan.looks[-1].decided or {}
    width = shutil.get_terminal_size().columns
    answers = [
        line
        for name in names
        for line in textwrap.wrap(
            printable(f"{words.get(name, names[name])}: {plan.claims[name].says}"),
            width, initial_indent="  ", subsequent_indent="    ",
        )
    ]  # fmt: skip
    n_open = len(plan.claims) - len(settled(plan.looks))
    if not n_open:
        return [f"{label(plan.looks, plan.max_seeds)}: every claim is decided", *answers]
    return [f"{label(plan.looks, plan.max_seeds)}: {_open(plan)}", *answers]


def goes_on(grown: Plan, n_seconds: float) -> str:
    """What the look after a look trains."""
    seeds = grown.looks[-1].seeds
    more = [run for run in grown.runs if run.config.seed in seeds]
    cells = len({run.cell_key for run in more})
    about = f", about {duration(n_seconds)}" if n_seconds else ""
    verb = "goes" if cells == 1 else "go"
    return (
        f"  {count(cells, 'cell')} {verb} on to {len(grown.seeds)} seeds:"
        f" {count(len(more), 'run')} more{about}"
    )


def ended_by_seeds(plan: Plan) -> str:
    """Why no look follows: the next one would have more seeds than are allowed."""
    more = 2 * len(plan.seeds)
    return (
        f"  no further look: sweep.max_seeds={plan.max_seeds}; sweep.max_seeds={more} goes on with"
        f" {more} seeds"
    )


def ended_by_time(max_minutes: float, spent_s: float, next_s: float) -> str:
    """Why no look follows: it would end too late."""
    return (
        f"  no further look: it takes about {duration(next_s)} after {duration(spent_s)}, and"
        f" sweep.max_minutes={max_minutes:g}; the same command goes on"
    )
