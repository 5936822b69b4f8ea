"""What is told of looks: how many there are, their cost, what each decided, why none follows."""

import shutil

from runner.display.progress import count, duration
from runner.errors import printable
from runner.plan.looks import label, settled, sizes
from runner.plan.plan import Plan
from runner.system.language import Said, joined, say
from runner.words.columns import wrapped


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
    looks = "looks at {listed} seeds, until its claims are decided: at most {most} runs"
    lines = [say(looks, listed=listed, most=f"{most:,}")]
    if plan.looks[0].decided is not None:
        lines.append(joined("; ", [label(plan.looks, plan.max_seeds), _open(plan)]))
    return [*lines]


def _open(plan: Plan) -> Said:
    n_open = len(plan.claims) - len(settled(plan.looks))
    if not n_open:
        return say("all are decided")
    return say("{n} of {claims} open", n=n_open, claims=count(len(plan.claims), "claim"))


def decided(plan: Plan, answers: dict[str, str]) -> list[str]:
    """What the last look decided, a line a claim.

    Parameters
    ----------
    answers
        Of the claims that it decided, by name, in the reader's language.
    """
    width = shutil.get_terminal_size().columns
    names = plan.looks[-1].decided or {}
    told = [
        line for name in names for line in wrapped(printable(answers[name]), width, "  ", "    ")
    ]
    is_open = len(plan.claims) > len(settled(plan.looks))
    state = _open(plan) if is_open else say("every claim is decided")
    return [joined(": ", [label(plan.looks, plan.max_seeds), state]), *told]


def goes_on(grown: Plan, n_seconds: float) -> str:
    """What the look after a look trains."""
    seeds = grown.looks[-1].seeds
    more = [run for run in grown.runs if run.config.seed in seeds]
    cells = len({run.cell_key for run in more})
    text = "{cells} go on to {n} seeds: {runs} more"
    if cells == 1:
        text = "{cells} goes on to {n} seeds: {runs} more"
    runs = count(len(more), "run")
    told = say(text, cells=count(cells, "cell"), n=len(grown.seeds), runs=runs)
    if not n_seconds:
        return told
    return say("{told}, about {time}", told=told, time=duration(n_seconds))


def ended_by_seeds(plan: Plan) -> str:
    """Why no look follows: the next one would have more seeds than are allowed."""
    more = 2 * len(plan.seeds)
    text = "no further look: sweep.max_seeds={n}; sweep.max_seeds={more} goes on with {more} seeds"
    return say(text, n=plan.max_seeds, more=more)


def ended_by_time(max_minutes: float, spent_s: float, next_s: float) -> str:
    """Why no look follows: it would end too late."""
    return say(
        "no further look: it takes about {next} after {spent}, and sweep.max_minutes={minutes};"
        " the same command goes on",
        next=duration(next_s),
        spent=duration(spent_s),
        minutes=f"{max_minutes:g}",
    )
