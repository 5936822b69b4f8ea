"""The runs that a worker may train: those of a plan that nobody has, or a share of its own."""

import contextlib
from collections.abc import Iterator, Sequence

from runner.plan.plan import PlannedRun
from runner.record import FAILED
from runner.state.journal import write_death
from runner.state.journals import Journals
from runner.state.records import End
from runner.state.root import Root

#: After so many attempts of a launch that ended without a word, a run is to blame itself.
MAX_WORDLESS = 3


def dealt(cells: Sequence[str], n: int) -> list[list[int]]:
    """At most n shares of runs, by their places, dealt cell by cell, back and forth.

    Each share so has its part of each cell. Dealt in turn as a plan has them, seed by seed, one
    could have a cell of its own, and the slowest cell would decide when the sweep ends. Shares, and
    the places of each, are in the order of the plan.

    Parameters
    ----------
    cells
        The cell of each run.
    """
    n = min(n, len(cells))
    shares: list[list[int]] = [[] for _ in range(n)]
    for i, place in enumerate(sorted(range(len(cells)), key=cells.__getitem__)):
        turn, index = divmod(i, n)
        shares[n - 1 - index if turn % 2 else index].append(place)
    return sorted(map(sorted, shares))


class Share:
    """The runs that a worker of a launch goes through, each perhaps held by another process.

    Parameters
    ----------
    is_own
        Whether no other worker of the launch is given these runs, as the tasks of a cluster are.
        What the launch has under way there is what this task was at before the cluster started it
        again: nobody is at it any more, even where its host took the lock along.
    n_threads
        How many threads compute a run: as many as the worker has cores to itself.
    """

    def __init__(
        self,
        runs: Sequence[PlannedRun],
        root: Root,
        launch: str,
        is_own: bool = False,
        n_threads: int = 1,
    ) -> None:
        self.root, self.launch, self.n_threads = root, launch, n_threads
        #: `cpu` or `gpu`; a plan has one of them.
        self.device = runs[0].device if runs else "cpu"
        self.journals = Journals(root, [run.run_key for run in runs])
        self._is_own = is_own
        self._left = {run.run_key: run for run in runs}

    @property
    def runs(self) -> list[PlannedRun]:
        """The runs that may be open, in the order of the plan."""
        return list(self._left.values())

    def is_open(self, run: PlannedRun) -> bool:
        """Whether this worker has something to do for a run; one that is closed it stays so.

        A run that another worker of the launch has begun is closed even if that one dies: whoever
        started the workers sees to it.
        """
        if run.run_key not in self._left:
            return False
        record = self.journals.read(run.run_key)
        is_closed = record.settled(self.launch) if self._is_own else record.taken(self.launch)
        if is_closed:
            del self._left[run.run_key]
        return not is_closed

    @contextlib.contextmanager
    def held(self, run: PlannedRun) -> Iterator[bool]:
        """Hold a run in the block; False when another process has it."""
        with self.root.run(run.run_key).locked() as is_free:
            record = self.journals.read(run.run_key)
            is_left_over = self._is_own and record.under_way(self.launch)
            if is_left_over:
                give_up_wordless(self.journals, run.run_key, self.launch)
            yield is_free or is_left_over


def give_up_wordless(journals: Journals, run_key: str, launch: str) -> None:
    """Record a run as failed that a launch has under way, once it ended its worker too often."""
    if journals.read(run_key).n_wordless(launch) >= MAX_WORDLESS:
        cause = (
            f"its worker ended {MAX_WORDLESS} times without a word, possibly out of memory or long"
            " past runner.time_limit_s"
        )
        end_under_way(journals, run_key, launch, End(FAILED, cause))


def end_under_way(journals: Journals, run_key: str, launch: str, end: End) -> None:
    """Record how the attempt of a launch ended whose worker died, unless it has ended."""
    record = journals.read(run_key)
    attempt = record.of_launch(launch)
    if attempt and record.under_way(launch):
        write_death(journals.root.run(run_key).attempt(attempt.id), end)
        journals.read(run_key)


def out_of_memory(who: str) -> End:
    """How a run ended of which whoever owns its worker says that it took too much memory."""
    return End(FAILED, f"out of memory ({who} says so)")
