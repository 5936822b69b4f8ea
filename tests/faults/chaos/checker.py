"""What must hold of a sweep that was killed again and again: one function an invariant, which
yields what breaks it."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from commands import query

from chaos.figures import Figures

#: The lines that tests/support/faulty writes begin with a digit of the seed for an epoch, and so
#: for a second process.
EPOCH = tuple(str(digit).encode() for digit in range(10))
SECOND_PROCESS = b"!"


@dataclass
class Undisturbed:
    """What a sweep comes to when nothing happens to it."""

    #: Run key -> numbers and files.
    results: dict[str, Any]
    #: File -> content.
    report: dict[str, bytes] | None = None


@dataclass
class Evidence:
    """One sweep and what the harness saw of it."""

    subject: Any
    root: Path
    #: Where the invariants count what they compare.
    figures: Figures
    undisturbed: Undisturbed | None = None
    #: Epochs that may be computed twice: one for each worker of what was killed.
    may_repeat: int = 0
    #: Of the last command; None when it was killed.
    exit_code: int | None = None
    #: Processes that were below the last command and outlived it.
    left_processes: list[int] = field(default_factory=list)
    #: Epochs that were computed before a command that had nothing to do.
    n_epochs_before: int = 0

    def n_lines(self, begin):
        """Lines of the log of epochs that begin so."""
        path = self.root.with_suffix(".epochs")
        lines = path.read_bytes().splitlines() if path.exists() else []
        return sum(line.startswith(begin) for line in lines)

    @property
    def n_epochs(self):
        """Epochs that were computed, whatever became of them."""
        return self.n_lines(EPOCH)


def judge(evidence, invariants):
    """What is wrong, in words, each with the name of its invariant."""
    return [
        f"{invariant.__name__}: {what}" for invariant in invariants for what in invariant(evidence)
    ]


# At any moment, others at work or not.


def runs_marked_complete_are_whole(evidence):
    for run in evidence.subject.stored(evidence.root):
        n_rows = len({row[:2] for row in run.rows})
        if run.complete and n_rows != evidence.subject.n_rows:
            yield f"{run.name} is marked complete with {n_rows} rows"


# After every command, nobody at work.


def exit_code_says_how_it_ended(evidence):
    expected = {None, 0, 1}
    if evidence.subject.server:
        expected.add(4)  # the server was away at the end
    if evidence.exit_code not in expected:
        yield f"exit code {evidence.exit_code}"


def no_process_is_left(evidence):
    evidence.figures.orphans += len(evidence.left_processes)
    for pid in evidence.left_processes:
        yield f"process {pid} is left"


def store_is_intact(evidence):
    database = evidence.subject.database(evidence.root)
    if database.exists() and query(database, "pragma integrity_check") != [("ok",)]:
        evidence.figures.broken_stores += 1
        yield "the store fails SQLite's integrity check"


def rows_are_there_once(evidence):
    for run in evidence.subject.stored(evidence.root):
        steps = Counter((metric, step) for metric, step, *_ in run.rows)
        n_twice = sum(n - 1 for n in steps.values())
        evidence.figures.duplicate_rows += n_twice
        if n_twice:
            yield f"{run.name} has {n_twice} rows twice"


def journals_have_one_writer_at_a_time(evidence):
    """Epochs grow from one line to the next until another process starts."""
    for key, lines in evidence.subject.journals(evidence.root).items():
        last = 0
        for line in lines:
            if line["kind"] == "start":
                last = 0
            elif line["kind"] == "epoch":
                if line["epoch"] <= last:
                    evidence.figures.two_writers += 1
                    yield f"two writers on {key[:8]}"
                last = line["epoch"]


# Once a sweep has ended by itself with exit code 0.


def kills_cost_an_epoch_a_worker(evidence):
    figures, n_needed = evidence.figures, evidence.subject.n_epochs_needed
    figures.epochs_needed += n_needed
    figures.epochs_computed += evidence.n_epochs
    n_beyond = max(0, evidence.n_epochs - n_needed - evidence.may_repeat)
    figures.epochs_lost_beyond += n_beyond
    if n_beyond:
        yield f"{n_beyond} epochs were computed again for no reason"


def runs_have_one_process_at_a_time(evidence):
    n_seconds = evidence.n_lines(SECOND_PROCESS)
    evidence.figures.two_writers += n_seconds
    if n_seconds:
        yield "two processes were at one run"


def runs_are_stored_once(evidence):
    runs, planned = evidence.subject.stored(evidence.root), evidence.undisturbed.results
    keys = {run.key for run in runs} & set(planned)
    evidence.figures.duplicate_runs += len(runs) - len(keys)
    if len(runs) != len(keys) or keys != set(planned):
        yield f"runs in the store: {len(runs)}, of {len(keys)} keys; planned are {len(planned)}"


def runs_are_stored_whole(evidence):
    subject, figures = evidence.subject, evidence.figures
    for run in subject.stored(evidence.root):
        is_running = run.status == "RUNNING"
        figures.left_running += is_running
        # A peer does not go on with such a run: somebody has to find and delete it.
        figures.manual_steps += is_running and not subject.resumes
        figures.missing_rows += max(0, subject.n_rows - len({row[:2] for row in run.rows}))
        if run.status != "FINISHED" or not run.complete:
            yield f"{run.name} is {run.status}, complete={run.complete}"


def runs_equal_the_undisturbed_ones(evidence):
    results = evidence.subject.results(evidence.root)
    for key, expected in evidence.undisturbed.results.items():
        evidence.figures.runs_compared += 1
        is_equal = results.get(key) == expected
        evidence.figures.runs_equal += is_equal
        if not is_equal:
            yield f"{key[:8]} differs from the undisturbed run"


def runs_are_told_by_the_attempt_that_counts(evidence):
    """Versions and whatever comes with a journal's `setup`, not those of an attempt before it."""
    for run, (said, own) in evidence.subject.provenance(evidence.root).items():
        wrong = [name for name in own if said[name] != own[name] or not said[name]]
        if wrong:
            yield f"{run}: MLflow says {', '.join(f'{name}={said[name]}' for name in wrong)}"


# After the same command once more, and a report.


def nothing_is_computed_again(evidence):
    n_again = evidence.n_epochs - evidence.n_epochs_before
    evidence.figures.epochs_of_a_third_run += n_again
    if n_again:
        yield f"a third run computed {n_again} epochs"
    if evidence.exit_code != 0:
        yield f"a third run ends with exit code {evidence.exit_code}"


def report_equals_the_undisturbed_one(evidence):
    figures = evidence.figures
    figures.reports_compared += 1
    is_equal = evidence.subject.report(evidence.root) == evidence.undisturbed.report
    figures.reports_equal += is_equal
    if not is_equal:
        yield "the report differs from that of the undisturbed sweep"


def no_file_is_left(evidence):
    left = evidence.subject.left(evidence.root)
    evidence.figures.temporary_files_left += len(left)
    if left:
        yield f"left: {', '.join(path.name for path in left)}"


ANY_TIME = (runs_marked_complete_are_whole,)
AT_REST = (
    exit_code_says_how_it_ended,
    no_process_is_left,
    store_is_intact,
    runs_marked_complete_are_whole,
    rows_are_there_once,
    journals_have_one_writer_at_a_time,
)
AT_THE_END = (
    kills_cost_an_epoch_a_worker,
    runs_have_one_process_at_a_time,
    runs_are_stored_once,
    runs_are_stored_whole,
    runs_equal_the_undisturbed_ones,
    runs_are_told_by_the_attempt_that_counts,
)
AFTER_A_THIRD_RUN = (nothing_is_computed_again, report_equals_the_undisturbed_one)
LEFT = (no_file_is_left,)
