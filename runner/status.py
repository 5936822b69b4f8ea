"""`python -m runner.status [SWEEP]`: the sweeps of a root; one that is named, live."""

import shlex
import sys
import time
from dataclasses import dataclass

from runner import words
from runner.archive.contents import Contents
from runner.display.progress import Progress, count, duration
from runner.display.table import print_table
from runner.display.tally import Tally
from runner.errors import RunnerError, printable
from runner.plan.looks import label
from runner.plan.plan import Plan
from runner.record import DIVERGED, DONE, FAILED
from runner.state.journals import Journals
from runner.state.root import Root
from runner.system import streams
from runner.system.command import parser_of
from runner.system.language import joined, say
from runner.work.cluster.submitted import Submitted, submitted

_COMMAND = "runner.status"
_LOOK_S, _ASK_S = 1.0, 5.0


@dataclass(frozen=True)
class Running:
    """A run that a process has under way."""

    run_key: str
    #: `HOST-PID-RANDOM`, and the launch that its worker belongs to.
    attempt: str
    launch: str


def running(plan: Plan, journals: Journals, job: Submitted | None = None) -> list[Running]:
    """The runs of a plan that somebody holds the lock of, or that a job on a cluster is at.

    Locks may not reach here from the nodes of a cluster.
    """
    found = []
    for run in plan.runs:
        record = journals[run.run_key]
        if record.start is None or record.end is not None or record.attempt is None:
            continue
        one = Running(run.run_key, record.attempt, record.start.launch)
        if job and not job.is_over and one.launch == job.given.launch:
            found.append(one)
            continue
        with journals.root.run(run.run_key).locked() as is_free:
            if not is_free:
                found.append(one)
    return found


def lines(plan: Plan, journals: Journals) -> list[str]:
    """How far a sweep is; what to type where it is not at its end."""
    job = submitted(plan, journals.root)
    under_way = running(plan, journals, job)
    tally = Tally(plan)
    for run in plan.runs:
        tally.count(run, journals[run.run_key])
    n_trained = tally.ended.get(DONE, 0) + tally.ended.get(DIVERGED, 0)
    parts = [label(plan.looks, plan.max_seeds)] * bool(plan.looks)
    parts += [say("{n} of {runs} trained", n=n_trained, runs=count(len(plan.runs), "run"))]
    parts += [say("{n} running", n=len(under_way))] if under_way else []
    parts += [say("{n} failed", n=tally.ended[FAILED])] if tally.ended.get(FAILED) else []
    left = tally.seconds_left(len(under_way))
    if under_way and left is not None:
        parts.append(say("about {time} left", time=duration(left)))
    text = [joined(": ", [f"{plan.name} ({plan.sweep_key[:8]})", joined(", ", parts)])]
    if job and n_trained < len(plan.runs):
        text.append(joined("", ["  ", job.words]))
    goes_on = job is not None and not job.is_over
    if under_way and not goes_on:
        places = sorted({one.attempt.rpartition("-")[0] for one in under_way})
        parent = under_way[0].launch.partition("-")[0]
        text.append(
            say("  by process {parent}, workers {places}", parent=parent, places=", ".join(places))
        )
    elif n_trained < len(plan.runs) and not goes_on:
        text.append(say("  go on: {command}", command=shlex.join(plan.command)))
    return [printable(words.said(line)) for line in text]


@dataclass(frozen=True)
class _AtIt:
    """The launch that is at a sweep."""

    launch: str
    n_running: int
    #: Seconds after which it may be asked again: a cluster's controller serves everybody.
    look_again_s: float


def _at_it(plan: Plan, journals: Journals) -> _AtIt | None:
    """The launch that is at a sweep; None when it is over, or nobody is at it."""
    journals.look(max_age_s=0)
    is_whole = all(journals[run.run_key].trained for run in plan.runs)
    job = None if is_whole else submitted(plan, journals.root)
    under_way = running(plan, journals, job)
    if job and not job.is_over:
        return _AtIt(job.given.launch, len(under_way), _ASK_S)
    return _AtIt(under_way[0].launch, len(under_way), _LOOK_S) if under_way else None


def follow(plan: Plan, journals: Journals) -> None:
    """Show the display of a sweep that is running until it runs no more, then its table."""
    while first := _at_it(plan, journals):
        n_running = max(1, first.n_running)
        tally = Tally(plan, launch=first.launch)
        progress = Progress(tally, journals, first.launch, n_running, lambda: None)
        progress.start()
        try:
            now: _AtIt | None = first
            while now and now.launch == first.launch:
                time.sleep(now.look_again_s)
                now = _at_it(plan, journals)
        finally:
            progress.stop()
    print_table(plan, journals, words.said)


def main() -> None:
    """The command line."""
    streams.outlast_readers()
    parser = parser_of("runner.status", __doc__)
    parser.add_argument("sweep", nargs="?", help="a sweep's name or the start of its key")
    parser.add_argument("--root", help="folder of state/ (default: the checkout, else here)")
    given = parser.parse_args()
    root = Root.of(given.root)
    try:
        contents = Contents(root)
        if given.sweep:
            plan = contents.sweep(given.sweep)
            if plan is None:
                raise contents.no_such(given.sweep)
            print("\n".join(lines(plan, contents.journals)), flush=True)
            follow(plan, contents.journals)
            return
        print(f"root: {root}")
        for plan in contents.sweeps:
            print("\n".join(lines(plan, contents.journals)), flush=True)
        if contents.alone:
            words.tell(say("{runs} typed alone", runs=count(len(contents.alone), "run")))
        for problem in contents.problems:
            words.complain(problem, _COMMAND)
    except RunnerError as error:
        words.complain(str(error), _COMMAND)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:  # the sweep goes on
        sys.exit(130)


if __name__ == "__main__":
    main()
