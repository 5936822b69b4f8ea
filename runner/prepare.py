"""What a sweep needs before its first worker starts: data, a device, a plan, a store."""

from dataclasses import dataclass, field, replace

from runner import engine as engines
from runner import words
from runner.card import choose
from runner.card.choose import Choice
from runner.card.network import networks
from runner.config import parts
from runner.config.schema import Config
from runner.data import catalogue, loading, subset
from runner.data.asked import Asked
from runner.data.catalogue import Entry
from runner.data.loading import Dataset
from runner.errors import ConfigError, without_password
from runner.metrics import own as own_metrics
from runner.plan import final_states, growth
from runner.plan import grid as grids
from runner.plan import plan as plans
from runner.plan.cells.composer import Watched
from runner.plan.plan import Plan, PlannedRun
from runner.plan.size import memory, workers
from runner.plan.size.memory import Measured
from runner.state.journals import Journals
from runner.state.root import Root
from runner.state.run_record import read_run
from runner.system.files import unwritable
from runner.tracking.store import mlflow_store as store
from runner.train import augment, fewer_epochs, provenance
from runner.train.check import own_code
from runner.train.check.own_code import Checked
from runner.train.sample import Sample


@dataclass
class Sources:
    """The data sets that configurations ask for, each found and checked once, in the parent."""

    root: Root
    #: Whether anything may be fetched and kept.
    write: bool
    warnings: list[str] = field(default_factory=list)
    #: By `Asked.source`.
    _datasets: dict[str, Dataset] = field(default_factory=dict)
    _augmented: set[tuple[str, str | None]] = field(default_factory=set)

    def of(self, config: Config) -> Dataset:
        """The data that the configuration will really see, after any fallback.

        Nothing is written below the root: a configuration that is refused leaves nothing behind.
        """
        asked = Asked.of(config.data)
        if asked.source not in self._datasets:
            dataset, warning = loading.find(
                asked.target, self.root.data, asked.arguments, download=self.write
            )
            if warning:
                self.warnings.append(warning)
            self._datasets[asked.source] = dataset
        dataset = self._datasets[asked.source]
        subset.check(asked, dataset)
        _check(config, asked, dataset.entry)
        if (asked.source, asked.augment) not in self._augmented:
            augment.check(asked, dataset)
            self._augmented.add((asked.source, asked.augment))
        return dataset

    def read_by(self, run: PlannedRun) -> Dataset:
        """The data that a run reads, found before."""
        datasets = self._datasets.values()
        return next(dataset for dataset in datasets if dataset.sha256 == run.data_sha256)

    def entry(self, run: PlannedRun) -> Entry:
        """What is known of the data that a run reads."""
        return self.read_by(run).entry

    def keep(self) -> list[str]:
        """Keep all data for the workers; a warning for each copy that was damaged."""
        warnings = []
        for source, dataset in self._datasets.items():
            self._datasets[source], warning = loading.keep(dataset, self.root.data)
            warnings += [warning] if warning else []
        return warnings


@dataclass(frozen=True)
class Prepared:
    """A plan that can be trained here."""

    #: What all runs have in common: where, how many workers, which store.
    config: Config
    root: Root
    plan: Plan
    n_duplicates: int
    journals: Journals
    sources: Sources
    n_workers: int
    #: The runs that are not trained yet.
    to_train: list[PlannedRun]
    #: How many epochs a run takes over from one with fewer, by run key.
    taken_epochs: dict[str, int]
    #: The size of all final states; None where it is not known before training.
    kept_bytes: int | None
    #: The user's files of conf/ and sweeps/ that it is composed of.
    own_files: tuple[str, ...] = ()
    #: What a step showed of each cell that is to be trained by one's own code, by cell key.
    checked: dict[str, Checked] = field(default_factory=dict)
    #: Where it trains; None for a plan that was not made here.
    choice: Choice | None = None
    #: Whether workers run on this machine.
    is_here: bool = True
    #: How many tasks a cluster starts at most; None without one.
    n_tasks: int | None = None

    @property
    def cards(self) -> list[str]:
        """What the cards have answered, in lines."""
        return self.choice.told if self.choice else []


def prepare(
    grid: grids.Grid,
    command: list[str],
    is_here: bool = True,
    n_tasks: int | None = None,
    watched: Watched = iter,
) -> Prepared:
    """Check all that a sweep needs, and plan it; nothing is written but data that were downloaded.

    Parameters
    ----------
    is_here
        Whether workers run on this machine: the memory of another one is not known.
    n_tasks
        How many tasks a cluster starts at most; None: workers as runner.workers says.
    watched
        Goes through the cells, and may tell how far it is.

    Raises
    ------
    RunnerError
        No such device, no data, no store, a folder that cannot be written, not enough memory, a
        model of one's own that cannot be trained, a metric that cannot be imported.
    """
    config = grid.cells[0].config
    root = Root.of(config.runner.root)
    refused = unwritable(root.path)
    if refused:
        raise ConfigError(f"runner.root={root}: {refused}; nothing was written")
    for cell in grid.cells:
        asked = Asked.of(cell.config.data)
        if entry := catalogue.of_target(asked.target):
            _check(cell.config, asked, entry)
    choice = choose.without_asking(config.device, is_here)
    if not config.plan:
        store.check(config.tracking.uri, root, config.tracking.experiment)
    sources = Sources(root, write=not config.plan)
    choice = choice or _of_cards(grid, sources)
    grid = replace(
        grid, cells=[replace(cell, config=choice.of(cell.config)) for cell in grid.cells]
    )

    def data_of(of: Config) -> tuple[str, str]:
        dataset = sources.of(of)
        return dataset.name, dataset.sha256

    plan, n_duplicates = grids.plan(
        grid, data_of, choice.device, [without_password(word) for word in command], watched
    )
    plan = growth.resumed(plan, root)
    without_runs = Prepared(
        config, root, plan, n_duplicates, Journals(root, []), sources, config.runner.workers, [],
        {}, None, grid.own_files, choice=choice, is_here=is_here, n_tasks=n_tasks,
    )  # fmt: skip
    return with_plan(without_runs, plan)


def with_plan(prepared: Prepared, plan: Plan) -> Prepared:
    """The same with a plan that has grown, or that was just made: what its runs need is checked.

    Raises
    ------
    RunnerError
        As `prepare`.
    """
    config, root, sources = prepared.config, prepared.root, prepared.sources
    choice = prepared.choice or Choice(plan.runs[0].device)
    journals = Journals(root, [run.run_key for run in plan.runs]).look()
    untrained = [run for run in plan.runs if not journals[run.run_key].trained]
    checked = _check_own_code(untrained, sources)
    seen = {key: of_cell.seen for key, of_cell in checked.items()}
    for run in plan.runs:
        setup = journals[run.run_key].setup
        if run.cell_key not in seen and setup and (n := setup.n_parameters) is not None:
            seen[run.cell_key] = Measured(n, n_largest=n)
    sizes, needs = memory.of_cells(plan.cells, sources.entry, seen)
    plan, kept_bytes = final_states.resolved(plan, lambda run: sizes[run.cell_key])
    to_train = [run for run in plan.runs if not journals[run.run_key].trained]
    own_metrics.load({n: path for run in to_train for n, path in run.config.metrics.items()})
    n_workers = prepared.n_tasks or config.runner.workers
    if n_workers < 0:
        n_workers = max(1, choice.n_cards) if choice.device == "gpu" else provenance.cores()
    if prepared.is_here:
        n_workers, fewer = workers.that_fit(
            n_workers, config.runner.workers > 0, to_train, lambda run: needs[run.cell_key]
        )
        sources.warnings += fewer
    for warning in sources.warnings:
        words.complain(warning)
    sources.warnings.clear()
    return replace(
        prepared,
        plan=plan,
        journals=journals,
        n_workers=n_workers,
        to_train=to_train,
        taken_epochs=_taken_epochs(to_train, root),
        kept_bytes=kept_bytes,
        checked=checked,
    )


def keep(prepared: Prepared) -> None:
    """Write the plan and the data under the root: what workers read, and the claims' time stamp."""
    for warning in prepared.sources.keep():
        words.complain(warning)
    tidy(prepared)
    if damage := plans.write(prepared.plan, prepared.root, prepared.to_train):
        words.complain(damage)


def _of_cards(grid: grids.Grid, sources: Sources) -> Choice:
    """Where the grid is trained, after its networks were tried on each card."""
    config = grid.cells[0].config
    n_workers = config.runner.workers if config.runner.workers > 0 else provenance.cores()
    cells = [(cell.config, sources.of(cell.config)) for cell in grid.cells]
    return choose.choose(config.device, config, networks(cells, len(grid.seeds)), n_workers)


def _check_own_code(runs: list[PlannedRun], sources: Sources) -> dict[str, Checked]:
    """A run of each cell whose model or optimizer does not ship; warnings go to the sources.

    Raises
    ------
    ModelError
        When one of them cannot be trained.
    """
    first = {run.cell_key: run for run in reversed(runs) if not parts.all_ship(run.config)}
    if not first:
        return {}
    if any(engines.compiles(run.config.engine.name, "cpu") for run in first.values()):
        words.tell(engines.COMPILING)
    cells = [(run, Sample.of(run, sources.read_by(run))) for run in first.values()]
    checked = dict(zip(first, own_code.check_all(cells), strict=True))
    for key, of_cell in checked.items():
        cell = f" ({first[key].cell})" if first[key].cell else ""
        sources.warnings += [warning + cell for warning in of_cell.warnings]
    return checked


def _check(config: Config, asked: Asked, entry: Entry) -> None:
    """Refuse a network or a batch that the images that are left are too few or too small for."""
    memory.check(config, replace(entry, n_train=subset.n_left(asked, entry.n_train)))


def _taken_epochs(runs: list[PlannedRun], root: Root) -> dict[str, int]:
    counts = root.kept_epochs()
    found = {run.run_key: fewer_epochs.find(run, root, counts) for run in runs if counts}
    return {key: fewer.n_epochs for key, fewer in found.items() if fewer}


def tidy(prepared: Prepared) -> None:
    """Remove what attempts left at runs that are trained by now: all but journals and results."""
    for run in prepared.plan.runs:
        record, folder = prepared.journals[run.run_key], prepared.root.run(run.run_key)
        if not record.trained:
            continue
        # Where locks do not reach, another process may have trained it too, and be the one that
        # counts, though it told so later.
        record = record if len(record.attempts) == 1 else read_run(folder)
        for id in record.attempts:
            folder.attempt(id).tidy(keep_results=id in record.trained_by)
