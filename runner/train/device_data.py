"""The data set of a run on its device: on a GPU one copy for all runs of a process."""

from typing import Any

from runner.data import loading
from runner.engine import device as devices
from runner.engine.protocol import Data
from runner.plan.plan import PlannedRun
from runner.state.root import Root

#: What the last run on a GPU read: name, hash and GPU, and the data.
_kept: list[tuple[tuple[str, str, int], Data]] = []


def load(planned: PlannedRun, root: Root, engine: Any) -> Data:
    """The data on the engine's device, with the largest pixel value as scale, checked when read.

    Raises
    ------
    DataError
        When they are missing or their bytes are not those that were planned.
    """
    if planned.device == "cpu":
        return _read(planned, root, engine)
    key = planned.data_name, planned.data_sha256, devices.current_card()
    if not _kept or _kept[0][0] != key:
        # One data set at a time: a run that is alone on its GPU has the memory for itself.
        release()
        _kept.append((key, _read(planned, root, engine)))
    return _kept[0][1]


def release() -> None:
    """Keep no data that no run reads."""
    _kept.clear()


def _read(planned: PlannedRun, root: Root, engine: Any) -> Data:
    dataset = loading.load(planned.data_name, planned.data_sha256, root.data)
    arrays = {array: engine.asarray(getattr(dataset, array)) for array in loading.ARRAYS}
    return Data(**arrays, scale=dataset.full_scale)
