"""What a sweep needs before it may write anything: a root, data, memory, a tracking store."""

import contextlib
import shlex
import sys
from dataclasses import dataclass, field

from runner.config.overrides import COMMAND
from runner.config.schema import Config
from runner.data import loading
from runner.data.loading import Dataset
from runner.errors import ConfigError, DataError, without_password
from runner.files import unwritable
from runner.plan import memory
from runner.plan.plan import Plan
from runner.state.root import Root
from runner.tracking import address
from runner.tracking import mlflow_store as store
from runner.tracking.mlflow_tracker import MlflowTracker


def check_writable(root: Root) -> None:
    """Refuse a root that nothing can be written to.

    Raises
    ------
    ConfigError
        Naming the folder.
    """
    refused = unwritable(root.path)
    if refused:
        raise ConfigError(f"runner.root={root}: {refused}; nothing was written")


def check_size(config: Config, data_name: str) -> None:
    """Refuse a network or a batch that a data set is too small for, or this machine's memory.

    Raises
    ------
    ConfigError
        Before any data are looked for.
    """
    n_train, image_shape = loading.SIZES[data_name]
    memory.check(config.model, config.train.batch_size, image_shape, n_train)


@dataclass
class Sources:
    """The data sets that a plan's configurations ask for, each found and checked once, in the parent."""

    root: Root
    write: bool
    warnings: list[str] = field(default_factory=list)
    _datasets: dict[tuple[str, str | None, bool], Dataset] = field(default_factory=dict)

    def of(self, config: Config) -> Dataset:
        """The data that the configuration will really see; after a fallback they are fewer than it asked for."""
        asked = (config.data.name, config.data.root, config.data.allow_fallback)
        if asked not in self._datasets:
            dataset, warning = self._find(*asked)
            if warning:
                self.warnings.append(warning)
            self._datasets[asked] = dataset
        dataset = self._datasets[asked]
        check_size(config, dataset.name)
        return dataset

    def _find(self, name: str, root: str | None, allow_fallback: bool) -> tuple[Dataset, str | None]:
        cache = self.root.data
        if self.write:
            # A configuration that is refused leaves nothing behind: data that are here already are kept later.
            with contextlib.suppress(DataError):
                return loading.prepare(name, cache, root=root, allow_fallback=False, write=False)
        return loading.prepare(name, cache, root=root, allow_fallback=allow_fallback, write=self.write)

    def named(self, name: str) -> Dataset:
        """One that was found before, by the name of what it really is."""
        return next(dataset for dataset in self._datasets.values() if dataset.name == name)


def open_tracker(config: Config, root: Root, plan: Plan) -> MlflowTracker:
    """A tracker in the configured store; under the root, the data that the runs will load.

    Raises
    ------
    StoreError
        When the store cannot be used.
    """
    uri = config.tracking.uri
    client = store.connect(uri, root)
    for name, folder in {(run.data_name, run.config.data.root) for run in plan.runs}:
        _, warning = loading.prepare(name, root.data, root=folder)
        if warning:
            print(f"runner: {warning}", file=sys.stderr, flush=True)
    experiment = store.insist(
        lambda: store.experiment_id(client, config.tracking.experiment, uri, root), address.shown(uri, root)
    )
    return MlflowTracker(client, experiment, root, lambda: address.probe(uri, root))


def tell_behind(behind: str, trouble: str | None, config: Config, root: Root) -> None:
    """Say what MLflow lacks (`2 runs are`), why, and what to type when it is back."""
    words = ["--root", str(root), "--experiment", config.tracking.experiment]
    if config.tracking.uri:
        words += ["--uri", without_password(config.tracking.uri)]
    print(
        f"runner: {behind} kept in {root.state} and not in MLflow yet ({trouble});"
        f" when it is back: {COMMAND}.sync {shlex.join(words)}",
        file=sys.stderr,
    )
