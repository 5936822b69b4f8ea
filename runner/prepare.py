"""What a sweep and a single run prepare alike: the root, the data, the device, the store."""

import contextlib
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from runner.config.overrides import COMMAND
from runner.config.schema import Config
from runner.data import loading as data
from runner.data.loading import Dataset
from runner.errors import ConfigError, DataError, without_password
from runner.files import unwritable
from runner.plan import memory as size
from runner.plan.plan import PlannedRun
from runner.tracking import mlflow_store as store
from runner.tracking.writer import Ledger


def check_writable(root: Path) -> None:
    """Refuse a root that nothing can be written to.

    Raises
    ------
    ConfigError
        Naming the folder.
    """
    refused = unwritable(root)
    if refused:
        raise ConfigError(f"runner.root={root}: {refused}; nothing was written")


def check_size(config: Config, data_name: str) -> None:
    """Refuse a network or a batch that a data set is too small for, or this machine's memory.

    Raises
    ------
    ConfigError
        Before any data are looked for.
    """
    n_train, image_shape = data.SIZES[data_name]
    size.check(config.model, config.train.batch_size, image_shape, n_train)


@dataclass
class Sources:
    """The data sets that a plan's configurations ask for, each found and checked once, in the parent."""

    root: Path
    write: bool

    def __post_init__(self) -> None:
        self._found: dict[tuple[str, str | None, bool], Dataset] = {}
        self.warnings: list[str] = []

    def of(self, config: Config) -> Dataset:
        """The data that the configuration will really see; after a fallback they are fewer than it asked for."""
        asked = (config.data.name, config.data.root, config.data.allow_fallback)
        if asked not in self._found:
            dataset, warning = self._find(*asked)
            if warning:
                self.warnings.append(warning)
            self._found[asked] = dataset
        dataset = self._found[asked]
        check_size(config, dataset.name)
        return dataset

    def _find(self, name: str, root: str | None, allow_fallback: bool) -> tuple[Dataset, str | None]:
        cache = self.root / "state" / "data"
        if self.write:
            # A configuration that is refused leaves nothing behind, so what is here already is kept later.
            with contextlib.suppress(DataError):
                return data.prepare(name, cache, root=root, allow_fallback=False, write=False)
        return data.prepare(name, cache, root=root, allow_fallback=allow_fallback, write=self.write)

    def named(self, name: str) -> Dataset:
        """One that was found before, by the name of what it really is."""
        return next(dataset for dataset in self._found.values() if dataset.name == name)


def open_ledger(config: Config, root: Path, runs: list[PlannedRun]) -> Ledger:
    """A ledger in the configured store; under the root, the data that the runs will load.

    Raises
    ------
    StoreError
        When the store cannot be used.
    """
    client = store.connect(config.tracking.uri, root)
    for name, folder in {(run.data_name, run.config.data.root) for run in runs}:
        _, warning = data.prepare(name, root / "state" / "data", root=folder)
        if warning:
            print(f"runner: {warning}", file=sys.stderr, flush=True)
    of = (client, config.tracking.experiment, config.tracking.uri, root)
    experiment = store.insist(lambda: store.experiment_id(*of), store.shown(config.tracking.uri, root))
    return Ledger(client, experiment, root, runs, lambda: store.probe(config.tracking.uri, root))


def tell_behind(behind: str, where: Path, trouble: str | None, config: Config, root: Path) -> None:
    """Say what MLflow lacks (`2 runs are`), why, and what to type when it is back."""
    print(
        f"runner: {behind} kept in {where} and not in MLflow yet ({trouble});"
        f" when it is back: {_sync_command(config, root)}",
        file=sys.stderr,
    )


def _sync_command(config: Config, root: Path) -> str:
    """What to type when a store that went away is back."""
    words = ["--root", str(root), "--experiment", config.tracking.experiment]
    if config.tracking.uri:
        words += ["--uri", without_password(config.tracking.uri)]
    return f"{COMMAND}.sync {shlex.join(words)}"
