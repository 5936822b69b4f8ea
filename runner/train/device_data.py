"""The data set of a run where it computes: on a card one copy for all runs of a process, which read
the file once."""

from typing import Any

from runner.data import loading
from runner.engine import device as devices
from runner.engine.protocol import Data
from runner.plan.plan import PlannedRun
from runner.state.root import Root

#: What the last run on a card read: which data on which card, and all but the scale.
_kept: list[tuple[tuple[str, str, int], Data]] = []


def load(planned: PlannedRun, root: Root, engine: Any) -> Data:
    """The data where the engine computes, `scale` being that of its brightest pixel; checked when
    they are read.

    Raises
    ------
    DataError
        When they are missing or their bytes are not those that were planned.
    """
    if planned.device == "cpu":
        return _read(planned, root, engine)
    key = planned.data_name, planned.data_sha256, devices.current_card()
    if not _kept or _kept[0][0] != key:
        # One at a time: a run that is alone on its card has the memory of every other data set.
        release()
        _kept.append((key, _read(planned, root, engine)))
    return _kept[0][1]


def release() -> None:
    """Keep nothing on the card that no run is reading."""
    _kept.clear()


def _read(planned: PlannedRun, root: Root, engine: Any) -> Data:
    dataset = loading.load(planned.data_name, planned.data_sha256, root.data)
    arrays = {array: engine.asarray(getattr(dataset, array)) for array in loading.ARRAYS}
    return Data(**arrays, scale=dataset.full_scale)
