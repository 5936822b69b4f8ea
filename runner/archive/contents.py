"""The sweeps and runs under a root: those of plans, those that no plan names, what is damaged."""

from collections.abc import Iterator

from runner.errors import StateError, StoreError
from runner.plan import plan as plans
from runner.plan.kept import config_from
from runner.plan.plan import Plan, PlannedRun
from runner.state.journals import Journals
from runner.state.root import Root
from runner.state.run_record import read_run
from runner.system.command import command_of

#: A shorter text is no start of a key.
_SHORTEST_START = 4
#: How many sweeps a message names.
_N_NAMED = 5


class Contents:
    """What is kept under state/, as it was when this was made.

    Raises
    ------
    StoreError
        When there is no such folder.
    """

    def __init__(self, root: Root) -> None:
        self.root = root
        if not root.state.is_dir():
            raise StoreError(
                f"{root.state}: there is no such folder; train something first, or give --root"
            )
        #: The oldest first: a run's parent is the first sweep that it served. Single runs included.
        self.plans: list[Plan] = []
        #: What is wrong with files, a line each.
        self.problems: list[str] = []
        for folder in root.sweeps():
            try:
                self.plans.append(plans.read(folder.plan))
            except StateError as error:
                self.problems.append(str(error))
        planned = {run.run_key: run for plan in self.sweeps for run in plan.runs}
        #: The runs that no sweep names: typed alone, or of a sweep whose plan is damaged.
        self.alone = [run for run in _started(root) if run.run_key not in planned]
        self.runs = [*planned.values(), *self.alone]
        self.journals = Journals(root, [run.run_key for run in self.runs]).look(max_age_s=0)

    @property
    def sweeps(self) -> list[Plan]:
        """The plans that were typed with `-m`, the oldest first."""
        return [plan for plan in self.plans if not plan.single]

    def sweep(self, word: str) -> Plan | None:
        """A sweep by its name (the latest of that name) or the start of its key; None: no such.

        Raises
        ------
        StoreError
            When the start is that of several keys.
        """
        named = [plan for plan in self.sweeps if plan.name == word]
        if named:
            return named[-1]
        begun = [plan for plan in self.sweeps if _begins(plan.sweep_key, word)]
        if len(begun) > 1:
            keys = ", ".join(plan.sweep_key[:16] for plan in begun[:_N_NAMED])
            raise StoreError(f"{word}: begins the keys of {len(begun)} sweeps ({keys}); type more")
        return begun[0] if begun else None

    def run(self, word: str) -> PlannedRun | None:
        """A run by the start of its key; None: no such.

        Raises
        ------
        StoreError
            When the start is that of several keys.
        """
        begun = [run for run in self.runs if _begins(run.run_key, word)]
        if len(begun) > 1:
            keys = ", ".join(run.run_key[:16] for run in begun[:_N_NAMED])
            raise StoreError(f"{word}: begins the keys of {len(begun)} runs ({keys}); type more")
        return begun[0] if begun else None

    def no_such(self, word: str) -> StoreError:
        """The error for a word that names nothing here."""
        there = ", ".join(f"{plan.name} ({plan.sweep_key[:8]})" for plan in self.sweeps[-_N_NAMED:])
        return StoreError(
            f"{word}: {self.root} holds no such sweep or run; the last sweeps are"
            f" {there or 'none'} ({command_of('runner.status')})"
        )


def _begins(key: str, word: str) -> bool:
    return len(word) >= _SHORTEST_START and key.startswith(word)


def _started(root: Root) -> Iterator[PlannedRun]:
    """Every run that was ever started, as its journal describes it."""
    for folder in root.runs():
        start = read_run(folder).start
        if start is not None:
            yield PlannedRun(
                start.run_key,
                start.cell_key,
                start.knobs,
                config_from(start.config),
                start.data["name"],
                start.data["sha256"],
                start.device,
                code=start.code,
                own_code=start.own_code,
            )
