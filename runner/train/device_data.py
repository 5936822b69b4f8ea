"""The data sets of runs where they compute: on a card one copy for all runs of a process, which read the file once."""

from pathlib import Path
from typing import Any

from runner.data import loading as datasets
from runner.engine import device as devices
from runner.engine.loop import Data

#: What the last run on a card read: which data on which card, and all but the scale.
_kept: list[tuple[tuple[str, str, int], Data]] = []


def load(name: str, sha256: str, cache: Path, engine: Any, device: str) -> Data:
    """The data where the engine computes, `scale` being that of its brightest pixel; checked when they are read.

    Raises
    ------
    DataError
        When they are missing or their bytes are not those of `sha256`.
    """
    if device == "cpu":
        return _read(name, sha256, cache, engine)
    key = name, sha256, devices.current_card()
    if not _kept or _kept[0][0] != key:
        # One at a time: a run that is alone on its card has the memory of every other data set.
        release()
        _kept.append((key, _read(name, sha256, cache, engine)))
    return _kept[0][1]


def release() -> None:
    """Keep nothing on the card that no run is reading."""
    _kept.clear()


def _read(name: str, sha256: str, cache: Path, engine: Any) -> Data:
    dataset = datasets.load(name, sha256, cache)
    arrays = {array: engine.resident(getattr(dataset, array)) for array in datasets.ARRAYS}
    return Data(**arrays, scale=dataset.full_scale)
