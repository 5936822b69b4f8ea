"""Data sets: found, checked and kept once by the parent process, memory-mapped by the workers.

`Dataset.sha256` is the SHA-256 of what follows, for train_images, train_labels, test_images and
test_labels in this order: the shape as ASCII decimals joined by `x` and ended by `;` (such as
`60000x1x28x28;`), then the 32 bytes of the SHA-256 of the array's bytes in C order.
"""

import contextlib
import hashlib
import os
import shutil
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from runner.data import catalogue, embedded, idx
from runner.data.catalogue import Entry, IdxSource, TableSource
from runner.data.idx import Array
from runner.errors import DataError
from runner.system.files import no_room, sync_folder

ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set in memory or memory-mapped, read-only.

    Images have the shape (n_images, channels, height, width), labels (n_images,) and the values 0
    to 9.
    """

    #: Of the data that are used: after a fallback, the other one's.
    name: str
    sha256: str
    #: The largest value that a pixel can have.
    full_scale: float
    train_images: Array
    train_labels: Array
    test_images: Array
    test_labels: Array


def prepare(
    name: str, cache: Path, root: str | None = None, allow_fallback: bool = True, write: bool = True
) -> tuple[Dataset, str | None]:
    """Find and check a data set, and keep it in `cache`; a warning for the user comes with it.

    Parameters
    ----------
    root
        A folder of IDX files that must be right; None: the one that the data set's environment
        variable names, if any. Data sets that a package ships ignore it.
    allow_fallback
        Whether another data set may take the place of one that cannot be had; the warning then says
        so.
    write
        Whether anything may be written; without, nothing is downloaded either.

    Raises
    ------
    DataError
        When the data cannot be had, or are not the pinned ones.
    """
    entry = catalogue.find(name)
    folder = idx.explicit_root(entry, root) if isinstance(entry.source, IdxSource) else None
    if folder is None:
        with contextlib.suppress(DataError):
            return load(name, entry.sha256, cache), None
    try:
        arrays = _read(entry, folder, download=write)
    except idx.UnavailableError as error:
        return _fallback(entry, str(error), cache, allow_fallback, write)
    digest = _digest(arrays)
    if digest != entry.sha256:
        raise DataError(
            f"data.name={name}: SHA-256 of the arrays is {digest}, expected {entry.sha256}; "
            "the files or the package hold other images than the ones pinned in "
            "runner/data/catalogue.py"
        )
    if not write:
        for array in arrays:
            array.setflags(write=False)
        return Dataset(name, digest, entry.full_scale, *arrays), None
    return _keep(entry, arrays, cache)


def _read(entry: Entry, folder: Path | None, download: bool) -> list[Array]:
    """The arrays of ARRAYS; IDX files come from `folder`, or from wherever they are found."""
    if isinstance(entry.source, TableSource):
        return embedded.read(entry.source, entry.image_shape)
    if folder is not None:
        arrays = idx.read_folder(entry, folder)
    else:
        arrays = idx.read_anywhere(entry, download)
    train_images, train_labels, test_images, test_labels = arrays
    # (n, height, width) becomes (n, 1, height, width).
    return [train_images[:, None], train_labels, test_images[:, None], test_labels]


def _fallback(
    entry: Entry, reason: str, cache: Path, allow_fallback: bool, write: bool
) -> tuple[Dataset, str | None]:
    """The data set that takes the place of one that cannot be had, and a warning."""
    kept = _folder(entry, cache)
    reason = f"{kept} is damaged; {reason}" if kept.exists() else reason
    assert isinstance(entry.source, IdxSource)
    by_folder = f"data.root=DIR or {entry.source.variable}=DIR"
    if entry.fallback is None or not allow_fallback:
        install = f"install {entry.install}, or " if entry.install else ""
        raise DataError(
            f"{entry.name} could not be had ({reason}); {install}give a folder with its four IDX "
            f"files as {by_folder}, or put them into {idx.user_cache(entry.name)}"
        )
    other = catalogue.find(entry.fallback)
    dataset, warning = prepare(other.name, cache, write=write)
    return dataset, (
        f"{entry.name} could not be had ({reason}); training on {other.images} instead "
        f"({other.n_train:,} to train, {other.n_test:,} to test): data.name={other.name}. "
        f"Give {by_folder} for the full set." + (f" {warning}" if warning else "")
    )


def load(name: str, sha256: str, cache: Path) -> Dataset:
    """Memory-map what `prepare` kept.

    Raises
    ------
    DataError
        When it is missing, or its bytes are not those of `sha256`.
    """
    entry = catalogue.find(name)
    folder = cache / f"{name}-{sha256[:8]}"
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
    return Dataset(name, sha256, entry.full_scale, *arrays)


def _folder(entry: Entry, cache: Path) -> Path:
    return cache / f"{entry.name}-{entry.sha256[:8]}"


def _digest(arrays: Sequence[Array]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        if array.dtype != np.uint8 or not array.flags.c_contiguous:
            raise DataError(f"{array.dtype} of strides {array.strides}, expected uint8 in C order")
        digest.update(("x".join(map(str, array.shape)) + ";").encode("ascii"))
        digest.update(hashlib.sha256(array.reshape(-1).data).digest())
    return digest.hexdigest()


def _keep(entry: Entry, arrays: Sequence[Array], cache: Path) -> tuple[Dataset, str | None]:
    folder = _folder(entry, cache)
    with contextlib.suppress(DataError):
        return load(entry.name, entry.sha256, cache), None
    warning, refused = None, ""
    beside = cache / f".{folder.name}.{uuid.uuid4().hex}.tmp"
    aside = beside.with_suffix(".old")
    try:
        cache.mkdir(parents=True, exist_ok=True)
        _write(beside, arrays)
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
                return load(entry.name, entry.sha256, cache), warning
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


def _write(folder: Path, arrays: Sequence[Array]) -> None:
    # tempfile.mkdtemp would make a folder of mode 0700, which no colleague can read in a shared
    # cache.
    folder.mkdir()
    for name, array in zip(ARRAYS, arrays, strict=True):
        with (folder / f"{name}.npy").open("xb") as stream:
            np.save(stream, array, allow_pickle=False)
            stream.flush()
            os.fsync(stream.fileno())
    sync_folder(folder)
