"""What a sweep needs before its first worker starts: data, a device, a plan, a store."""

import contextlib
import sys
from dataclasses import dataclass, field

from runner.config.schema import Config
from runner.data import catalogue, loading
from runner.data.loading import Dataset
from runner.engine import device as devices
from runner.errors import ConfigError, DataError, without_password
from runner.plan import final_states, memory, workers
from runner.plan import grid as grids
from runner.plan import plan as plans
from runner.plan.plan import Plan, PlannedRun
from runner.state.journals import Journals
from runner.state.root import Root
from runner.state.run_record import read_run
from runner.system.files import unwritable
from runner.tracking.mlflow_tracker import MlflowTracker
from runner.tracking.store import address, calls
from runner.tracking.store import mlflow_store as store
from runner.train import fewer_epochs, own_metrics, provenance


@dataclass
class Sources:
    """The data sets that configurations ask for, each found and checked once, in the parent."""

    root: Root
    write: bool
    warnings: list[str] = field(default_factory=list)
    _datasets: dict[tuple[str, str | None, bool], Dataset] = field(default_factory=dict)

    def of(self, config: Config) -> Dataset:
        """The data that the configuration will really see, after any fallback."""
        asked = (config.data.name, config.data.root, config.data.allow_fallback)
        if asked not in self._datasets:
            dataset, warning = self._find(*asked)
            if warning:
                self.warnings.append(warning)
            self._datasets[asked] = dataset
        dataset = self._datasets[asked]
        memory.check(config, catalogue.find(dataset.name))
        return dataset

    def named(self, name: str) -> Dataset:
        """One that was found before, by the name of what it really is."""
        return next(dataset for dataset in self._datasets.values() if dataset.name == name)

    def _find(
        self, name: str, root: str | None, allow_fallback: bool
    ) -> tuple[Dataset, str | None]:
        cache = self.root.data
        if self.write:
            # A configuration that is refused leaves nothing behind: data that are here already are
            # kept later.
            with contextlib.suppress(DataError):
                return loading.prepare(name, cache, root=root, allow_fallback=False, write=False)
        return loading.prepare(
            name, cache, root=root, allow_fallback=allow_fallback, write=self.write
        )


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


def prepare(grid: grids.Grid, command: list[str], is_here: bool = True) -> Prepared:
    """Check all that a sweep needs, and plan it; nothing is written but data that were downloaded.

    Parameters
    ----------
    is_here
        Whether workers run on this machine: the memory of another one is not known.

    Raises
    ------
    RunnerError
        No such device, no data, no store, a folder that cannot be written, not enough memory, a
        metric that cannot be imported.
    """
    config = grid.cells[0].config
    root = Root.of(config.runner.root)
    refused = unwritable(root.path)
    if refused:
        raise ConfigError(f"runner.root={root}: {refused}; nothing was written")
    for cell in grid.cells:
        memory.check(cell.config, catalogue.find(cell.config.data.name))
    device = devices.resolve(config.device, {cell.config.engine.name for cell in grid.cells})
    if not config.plan:
        address.check(config.tracking.uri, root)
    sources = Sources(root, write=not config.plan)

    def data_of(of: Config) -> tuple[str, str]:
        dataset = sources.of(of)
        return dataset.name, dataset.sha256

    plan, n_duplicates = grids.plan(
        grid, data_of, device, [without_password(word) for word in command]
    )
    plan, kept_bytes = final_states.resolved(plan)
    journals = Journals(root, [run.run_key for run in plan.runs]).look()
    to_train = [run for run in plan.runs if not journals[run.run_key].trained]
    own_metrics.load({n: path for run in to_train for n, path in run.config.metrics.items()})
    n_workers = config.runner.workers
    if n_workers < 0:
        n_workers = max(1, devices.gpu_count()) if device == "gpu" else provenance.cores()
    if is_here:
        n_workers, fewer = workers.that_fit(n_workers, config.runner.workers > 0, to_train)
        sources.warnings += fewer
    for warning in sources.warnings:
        print(f"runner: {warning}", file=sys.stderr, flush=True)
    taken = _taken_epochs(to_train, root)
    return Prepared(
        config, root, plan, n_duplicates, journals, sources, n_workers, to_train, taken, kept_bytes
    )


def open_tracker(prepared: Prepared) -> MlflowTracker:
    """A tracker that holds the plan; under the root the plan, too, and the data.

    Raises
    ------
    StoreError
        When the store cannot be used. It is opened first, so that it leaves no plan behind then.
    """
    plan, root, uri = prepared.plan, prepared.root, prepared.config.tracking.uri
    client = store.connect(uri, root)
    for name, folder in {(run.data_name, run.config.data.root) for run in plan.runs}:
        _, warning = loading.prepare(name, root.data, root=folder)
        if warning:
            print(f"runner: {warning}", file=sys.stderr, flush=True)
    shown, name = address.shown(uri, root), prepared.config.tracking.experiment
    experiment = calls.insist(lambda: store.experiment_id(client, name, uri, root), shown)
    tracker = MlflowTracker(client, experiment, root, lambda: address.probe(uri, root))
    tidy(prepared)
    damage = plans.write(plan, root, prepared.to_train)
    if damage:
        print(f"runner: {damage}", file=sys.stderr, flush=True)
    if not plan.single:
        calls.insist(lambda: tracker.open_sweep(plan), shown)
    return tracker


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
