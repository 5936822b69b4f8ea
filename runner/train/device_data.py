"""The data set of a run on its device: on a GPU one copy for all runs of a process."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runner.data import loading
from runner.data.asked import Asked
from runner.data.loading import Dataset
from runner.data.subset import parts
from runner.engine import device as devices
from runner.engine.device import Array
from runner.engine.protocol import Data
from runner.plan.plan import PlannedRun
from runner.state.root import Root

#: What the last run on a GPU read: hash, part and GPU, and the data.
_kept: list[tuple[tuple[Any, ...], Data]] = []


def load(planned: PlannedRun, root: Root, engine: Any) -> Data:
    """The data on the engine's device, with the largest pixel value as scale.

    A data set is checked by its hash when the first run of a process reads it.

    Raises
    ------
    DataError
        When they are missing or their bytes are not those that were planned.
    """
    asked = Asked.of(planned.config.data)
    if planned.device == "cpu":
        return _read(planned, root, engine, asked)
    of = asked.n_train, asked.validation, asked.label_noise
    key = planned.data_name, planned.data_sha256, *of, devices.current_card()
    if not _kept or _kept[0][0] != key:
        # One data set at a time: a run that is alone on its GPU has the memory for itself.
        release()
        _kept.append((key, _read(planned, root, engine, asked)))
    return _kept[0][1]


def release() -> None:
    """Keep no data that no run reads."""
    _kept.clear()


def of(dataset: Dataset, asked: Asked, asarray: Callable[[Any], Array]) -> Data:
    """What a run trains on of a data set, with the largest pixel value as scale.

    Parameters
    ----------
    asarray
        Brings an array to the engine's device.
    """
    part = parts(asked, dataset)
    has_val = part.val_images is not None
    return Data(
        train_images=asarray(part.train_images),
        train_labels=asarray(part.train_labels),
        test_images=asarray(dataset.test_images),
        test_labels=asarray(dataset.test_labels),
        scale=dataset.full_scale,
        n_classes=dataset.n_classes,
        val_images=asarray(part.val_images) if has_val else None,
        val_labels=asarray(part.val_labels) if has_val else None,
    )


def _read(planned: PlannedRun, root: Root, engine: Any, asked: Asked) -> Data:
    dataset = _checked(planned.data_name, planned.data_sha256, root.data)
    return of(dataset, asked, engine.asarray)


@functools.lru_cache(maxsize=8)
def _checked(name: str, sha256: str, cache: Path) -> Dataset:
    """A memory-mapped data set: a hash of all its bytes is what a short run would wait for."""
    return loading.load(name, sha256, cache)
