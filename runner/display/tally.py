"""How far a plan is, and how long the rest takes at the pace of what was trained."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from runner.plan.plan import Plan, PlannedRun
from runner.record import FAILED, TRAINED
from runner.state.run_record import RunRecord


@dataclass
class Tally:
    """How far a plan is, kept up to date by the runs that have changed."""

    plan: Plan
    #: That an epoch of a run is expected to take, by cell key.
    expected_s: Mapping[str, float] = field(default_factory=dict)
    #: Whose runs these are: one that failed before it, or was stopped, is to be trained again.
    #: None: those of no launch, of which one that failed has ended.
    launch: str | None = None
    #: How many runs ended in each way.
    ended: dict[str, int] = field(default_factory=dict)
    n_epochs: int = 0
    #: By cell: seconds and number of the epochs trained, and number of the epochs to come.
    cells: dict[str, list[float]] = field(default_factory=dict)
    _counted: dict[str, tuple[str | None, int, float, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.n_epochs_planned = sum(run.config.train.epochs for run in self.plan.runs)
        for run in self.plan.runs:
            self.cells.setdefault(run.cell_key, [0.0, 0, 0])[2] += run.config.train.epochs

    def count(self, run: PlannedRun, record: RunRecord) -> None:
        """Take a run as it is now, in place of as it was."""
        n_planned, n_epochs = run.config.train.epochs, len(record.epochs)
        status = record.status if self._has_ended(record) else None
        # A run that has ended has no epochs to come, however many it has.
        to_come = 0 if status else n_planned - n_epochs
        before = self._counted.get(run.run_key, (None, 0, 0.0, n_planned))
        self._counted[run.run_key] = status, n_epochs, record.seconds, to_come
        for of, step in ((before[0], -1), (status, 1)):
            if of is not None:
                self.ended[of] = self.ended.get(of, 0) + step
        self.n_epochs += n_epochs - before[1]
        cell = self.cells[run.cell_key]
        cell[0] += record.seconds - before[2]
        cell[1] += n_epochs - before[1]
        cell[2] += to_come - before[3]

    def _has_ended(self, record: RunRecord) -> bool:
        if self.launch is None:
            return record.status in (*TRAINED, FAILED)
        return record.settled(self.launch)

    @property
    def n_ended(self) -> int:
        return sum(self.ended.values())

    def paces(self) -> dict[str, float]:
        """Seconds an epoch by cell: measured there, else as expected, else the mean of all.

        What was expected is scaled by how the trained epochs differed from it. Before the first
        epoch a cell of which nothing is expected is absent.
        """
        trained = {key: (s, n) for key, (s, n, _) in self.cells.items() if n}
        spent, n_trained = (sum(of[i] for of in trained.values()) for i in (0, 1))
        paces = dict.fromkeys(self.cells, spent / n_trained) if n_trained else {}
        foreseen = trained.keys() & self.expected_s.keys()
        expected = sum(self.expected_s[key] * trained[key][1] for key in foreseen)
        scale = sum(trained[key][0] for key in foreseen) / expected if expected else 1.0
        paces |= {key: s * scale for key, s in self.expected_s.items() if key in self.cells}
        return paces | {key: s / n for key, (s, n) in trained.items()}

    def seconds_left(self, n_workers: int) -> float | None:
        """Wall clock: the epochs to come at the pace of their cell; None where none is known."""
        paces = self.paces()
        to_come = {key: n_left for key, (_, _, n_left) in self.cells.items() if n_left}
        if not to_come.keys() <= paces.keys():
            return None
        left = sum(paces[key] * n_left for key, n_left in to_come.items())
        return left / max(1, min(n_workers, len(self.plan.runs)))
