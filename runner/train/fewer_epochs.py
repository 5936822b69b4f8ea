"""The same run with fewer epochs, trained before: one with more goes on from where that ended.

The first epochs of both are the same, unless a learning-rate schedule looks at the number of
epochs: such a run is trained from the beginning.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from runner.engine import device as devices
from runner.engine.recipe import recipe
from runner.engine.update import schedule
from runner.plan import identity
from runner.plan.plan import PlannedRun
from runner.record import DONE
from runner.state import checkpoint
from runner.state.root import Root
from runner.state.run_record import RunRecord, read_run
from runner.system.files import sha256
from runner.train import provenance


@dataclass(frozen=True)
class FewerEpochs:
    """A trained run that differs in `train.epochs` alone, and whose final state was kept."""

    run_key: str
    n_epochs: int
    record: RunRecord
    _file: Any

    def load(self) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """Arrays and position as a checkpoint has them; None where the file is damaged."""
        return checkpoint.read(self._file, self.run_key)


def find(
    planned: PlannedRun, root: Root, counts: Iterable[int] | None = None
) -> FewerEpochs | None:
    """The run of most epochs that a planned one can go on from.

    It must have been trained on the same processor, or card, by the same packages: others may
    round otherwise.

    Parameters
    ----------
    counts
        The numbers of epochs that may be there, where that is known.
    """
    settings = recipe(planned.config.optimizer, planned.config.train.epochs).settings
    if schedule.depends_on_n_epochs(settings.get("schedule")):
        return None
    of = identity.identity(
        planned.config, planned.data_name, planned.data_sha256, planned.device, planned.code
    )
    below = planned.config.train.epochs
    for n_epochs in sorted(counts or range(1, below), reverse=True):
        if n_epochs >= below:
            continue
        key = sha256(of | {"train": of["train"] | {"epochs": n_epochs}})
        folder = root.run(key)
        if not folder.path.exists():
            continue
        record = read_run(folder)
        file = folder.attempt(record.attempt or "").final_state(n_epochs)
        if record.status == DONE and file.exists() and _rounds_alike(record, planned.device):
            return FewerEpochs(key, n_epochs, record, file)
    return None


def _rounds_alike(record: RunRecord, device: str) -> bool:
    assert record.start is not None
    hardware = devices.gpu_name() if device == "gpu" else provenance.processor()
    now, then = provenance.versions(), record.start.versions
    return record.start.hardware == hardware and all(
        now.get(package) == then.get(package) for package in provenance.OF_NUMBERS
    )
