"""Data sets: found, checked and kept once by the parent process, memory-mapped by the workers.

`Dataset.sha256` is the SHA-256 of what follows, for train_images, train_labels, test_images and
test_labels in this order: the dtype and `:`, but for uint8 nothing (such as `float32:`), the shape
as ASCII decimals joined by `x` and ended by `;` (such as `60000x1x28x28;`), then the 32 bytes of
the SHA-256 of the array's bytes in C order.
"""

import contextlib
import hashlib
import inspect
import os
import shutil
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runner.data import catalogue, functions, idx
from runner.data.catalogue import SETS, Entry, IdxSource
from runner.data.returned import four_arrays
from runner.errors import DataError
from runner.system.files import no_room, sync_folder

ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")
#: What a kept array may be of, with the name in the hash.
_DTYPES = {"|u1": "", "<u2": "uint16:", "<f4": "float32:"}


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set in memory or memory-mapped, read-only.

    Images are uint8 or float32 of shape (n_images, ...), labels uint8 or uint16 of shape
    (n_images,), from 0 on.
    """

    #: Of the data that are used: after a fallback, the other one's.
    name: str
    sha256: str
    train_images: NDArray[Any]
    train_labels: NDArray[Any]
    test_images: NDArray[Any]
    test_labels: NDArray[Any]

    @property
    def full_scale(self) -> float:
        """What `data.normalize=true` divides pixels by; floating point is taken as it is."""
        known = catalogue.of_hash(self.sha256)
        if known:
            return known.full_scale
        return 255.0 if self.train_images.dtype == np.uint8 else 1.0

    @property
    def n_classes(self) -> int:
        """One more than the largest label."""
        return int(max(self.train_labels.max(), self.test_labels.max())) + 1

    @property
    def entry(self) -> Entry:
        """What is known of the data, as the catalogue says it of those that ship."""
        return Entry(
            name=self.name,
            n_train=len(self.train_images),
            n_test=len(self.test_images),
            image_shape=self.train_images.shape[1:],
            full_scale=self.full_scale,
            sha256=self.sha256,
            source=None,
            n_classes=self.n_classes,
            pixel_bytes=self.train_images.itemsize,
        )


def prepare(
    target: str, cache: Path, arguments: Mapping[str, Any] | None = None, write: bool = True
) -> tuple[Dataset, str | None]:
    """`find`, and then `keep` unless nothing may be written; a warning for the user comes with it.

    Raises
    ------
    DataError
        When the data cannot be had, or are not the pinned ones.
    """
    dataset, warning = find(target, cache, arguments, download=write)
    if not write:
        return dataset, warning
    dataset, repaired = keep(dataset, cache)
    return dataset, " ".join(filter(None, (warning, repaired))) or None


def find(
    target: str, cache: Path, arguments: Mapping[str, Any] | None = None, download: bool = True
) -> tuple[Dataset, str | None]:
    """Have the arrays of a data set, and check them; a warning for the user comes with them.

    Parameters
    ----------
    target
        Import path of a function as runner/data/sets.py describes them; for one of that file its
        name will do.
    cache
        Where `keep` may have kept them; nothing is written there.
    arguments
        Of the function, by name.
    download
        Whether anything may be fetched.

    Raises
    ------
    DataError
        When the data cannot be had, or cannot be trained on.
    """
    target, arguments = target if "." in target else f"{SETS}.{target}", arguments or {}
    entry, damage = catalogue.of_target(target), ""
    if entry and not _is_named(entry, arguments):
        try:
            return load(entry.name, entry.sha256, cache), None
        except DataError:
            kept = _folder(entry.name, entry.sha256, cache)
            damage = f"{kept} is damaged; " if kept.exists() else ""
    function = functions.find("data._target_", target)
    if "download" in inspect.signature(function).parameters:
        arguments = {**arguments, "download": download}
    try:
        returned, warnings = functions.call(function, arguments)
    except DataError as error:
        raise DataError(f"{damage}{error}") from None
    arrays = four_arrays(returned, functions.name_of(function))
    sha256 = _digest(arrays)
    known = catalogue.of_hash(sha256)
    if entry and (known is None or known.name not in (entry.name, entry.fallback)):
        raise DataError(
            f"data.name={entry.name}: SHA-256 of the arrays is {sha256}, expected {entry.sha256}; "
            "the files or the package hold other images than the ones pinned in "
            "runner/data/catalogue.py"
        )
    arrays = [array.view() for array in arrays]  # the function may have kept its own
    for array in arrays:
        array.setflags(write=False)
    name = known.name if known else target.rpartition(".")[2]
    told = " ".join(warnings)
    return Dataset(name, sha256, *arrays), damage + told if told else None


def _is_named(entry: Entry, arguments: Mapping[str, Any]) -> bool:
    """Whether the user named a folder of its files, which then must be right."""
    is_of_files = isinstance(entry.source, IdxSource)
    return is_of_files and idx.explicit_root(entry, arguments.get("root")) is not None


def keep(dataset: Dataset, cache: Path) -> tuple[Dataset, str | None]:
    """The data set as kept in `cache`, memory-mapped; a warning where a damaged copy was there.

    Raises
    ------
    DataError
        When it cannot be written.
    """
    folder = _folder(dataset.name, dataset.sha256, cache)
    with contextlib.suppress(DataError):
        return load(dataset.name, dataset.sha256, cache), None
    warning, refused = None, ""
    beside = cache / f".{folder.name}.{uuid.uuid4().hex}.tmp"
    aside = beside.with_suffix(".old")
    try:
        cache.mkdir(parents=True, exist_ok=True)
        _write(beside, [getattr(dataset, array) for array in ARRAYS])
        # No lock: those of network folders cannot be trusted. A process that finds the name taken
        # uses what is there. It moves a damaged folder away only as long as its own has not been
        # used.
        for _ in range(100):
            try:
                beside.rename(folder)
                sync_folder(cache)
            except OSError as error:
                refused = no_room(error, folder).strerror or str(error)
            try:
                return load(dataset.name, dataset.sha256, cache), warning
            except DataError:
                if not beside.exists() or aside.exists():
                    time.sleep(0.01)
                    continue
            with contextlib.suppress(OSError):
                folder.rename(aside)
                warning = f"The kept copy {folder} was damaged and has been made anew."
    except OSError as error:
        refused = no_room(error, folder).strerror or str(error)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
        shutil.rmtree(aside, ignore_errors=True)
    raise DataError(
        f"{folder} cannot be written ({refused}); make room there or give another folder"
    )


def load(name: str, sha256: str, cache: Path) -> Dataset:
    """Memory-map what `prepare` kept.

    Raises
    ------
    DataError
        When it is missing, or its bytes are not those of `sha256`.
    """
    folder = _folder(name, sha256, cache)
    if not folder.is_dir():
        raise DataError(f"{folder} is missing; `prepare` makes it before the first run")
    paths = [folder / f"{array}.npy" for array in ARRAYS]
    try:
        for path in paths:
            idx.check_regular(path)
        arrays = [np.load(path, mmap_mode="r", allow_pickle=False) for path in paths]
        digest = _digest(arrays)
    except Exception as error:  # NumPy raises nearly anything for a damaged header
        raise DataError(
            f"{folder} is damaged ({error}); delete it, the next start makes it anew"
        ) from None
    if digest != sha256:
        raise DataError(
            f"{folder}: SHA-256 {digest}, expected {sha256}; "
            "delete it, the next start makes it anew"
        )
    return Dataset(name, sha256, *arrays)


def _folder(name: str, sha256: str, cache: Path) -> Path:
    return cache / f"{name}-{sha256[:8]}"


def _digest(arrays: Sequence[NDArray[Any]]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        if array.dtype.str not in _DTYPES or not array.flags.c_contiguous:
            raise DataError(
                f"{array.dtype.str} of strides {array.strides}, expected one of"
                f" {', '.join(_DTYPES)} in C order"
            )
        shape = "x".join(map(str, array.shape))
        digest.update(f"{_DTYPES[array.dtype.str]}{shape};".encode("ascii"))
        digest.update(hashlib.sha256(array.reshape(-1).view(np.uint8).data).digest())
    return digest.hexdigest()


def _write(folder: Path, arrays: Sequence[NDArray[Any]]) -> None:
    # tempfile.mkdtemp would make a folder of mode 0700, which no colleague can read in a shared
    # cache.
    folder.mkdir()
    for name, array in zip(ARRAYS, arrays, strict=True):
        with (folder / f"{name}.npy").open("xb") as stream:
            np.save(stream, array, allow_pickle=False)
            stream.flush()
            os.fsync(stream.fileno())
    sync_folder(folder)
