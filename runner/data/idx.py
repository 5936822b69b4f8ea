"""The four IDX files of MNIST and of data sets like it: found, or downloaded, and checked to the
last byte.

A file may be gzip or plain, whatever its name says, because browsers unpack `.gz` without telling.
The SHA-256 of the unpacked bytes is pinned: any mirror and any recompression passes, other content
never.
"""

import contextlib
import hashlib
import math
import os
import tempfile
import urllib.parse
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from runner.data.catalogue import Entry, IdxSource
from runner.data.download import fetch
from runner.errors import DataError
from runner.system.files import cache_folder, write_whole

#: Images (n, height, width), or labels (n,).
Array = NDArray[np.uint8]

#: Training images and labels, test images and labels.
STEMS = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
#: Bytes by which gzip may make a file larger: more than it ever does.
_GZIP_SLACK = 65536


class UnavailableError(DataError):
    """No folder was named, and neither the usual places nor the mirrors have the files."""


@dataclass(frozen=True)
class IdxFile:
    """What a file must hold. Its SHA-256 is that of the unpacked bytes, header included."""

    stem: str
    shape: tuple[int, ...]
    sha256: str

    @property
    def n_bytes(self) -> int:
        """Its size, unpacked."""
        return 4 + 4 * len(self.shape) + math.prod(self.shape)

    @property
    def spellings(self) -> tuple[str, ...]:
        """The names under which it is found."""
        stem, dotted = self.stem, self.stem.replace("-idx", ".idx")
        return f"{stem}.gz", stem, f"{dotted}.gz", dotted


def files(entry: Entry) -> list[IdxFile]:
    """What the four files of a data set must hold, in the order of STEMS."""
    size = entry.image_shape[1:]
    shapes = (entry.n_train, *size), (entry.n_train,), (entry.n_test, *size), (entry.n_test,)
    return [IdxFile(*parts) for parts in zip(STEMS, shapes, _source(entry).sha256, strict=True)]


def explicit_root(entry: Entry, root: str | None) -> Path | None:
    """The folder that the user named, by option or else by environment variable, or None."""
    named = root or os.environ.get(_source(entry).variable)
    return Path(os.path.expanduser(named)) if named else None


def user_cache(name: str) -> Path:
    """Where the downloaded files of a data set are kept; nothing is created here."""
    # The shared folder, for a user without a home, does no harm: a file is checked whenever it is
    # read.
    return (cache_folder() or Path(tempfile.gettempdir()) / "ablation-runner") / name


def read_folder(entry: Entry, folder: Path) -> list[Array]:
    """Read all four files from one folder.

    Raises
    ------
    DataError
        Naming the first file that is missing or wrong.
    """
    expected = files(entry)
    try:
        paths = [_find(folder, file) or _find_any(folder, file) for file in expected]
        arrays = [_read(path, file) for path, file in zip(paths, expected, strict=True)]
        for images, labels in ((0, 1), (2, 3)):
            n_images, n_labels = len(arrays[images]), len(arrays[labels])
            if n_images != n_labels:
                raise DataError(
                    f"{paths[images]}: {n_images:,} images, "
                    f"but {paths[labels]}: {n_labels:,} labels"
                )
        for array, file, path in zip(arrays, expected, paths, strict=True):
            _match(array, file, str(path))
    except DataError as error:
        raise DataError(
            f"{error}; put the right file into {folder}, or name another folder with "
            f"data.root=DIR or {_source(entry).variable}=DIR"
        ) from None
    return arrays


def read_anywhere(entry: Entry, download: bool) -> list[Array]:
    """Read each file from the first of user's cache, system folders and mirrors that has it right.

    With `download`, a file from a mirror is kept in the user's cache after it was checked.

    Raises
    ------
    UnavailableError
        Saying what failed at each place.
    """
    source, cache = _source(entry), user_cache(entry.name)
    mirrors = list(source.mirrors)
    arrays: list[Array] = []
    reasons: list[str] = []
    for file in files(entry):
        array = _read_local(file, [cache, *map(Path, source.folders)], reasons)
        if array is None and download:
            array = _download(file, mirrors, cache, reasons)
        if array is None:
            if not download and mirrors:
                hosts = " and ".join(urllib.parse.urlsplit(mirror).netloc for mirror in mirrors)
                reasons.append(f"plan only: not downloaded; a run would first try {hosts}")
            told = "; ".join(dict.fromkeys(reasons))
            raise UnavailableError(told or f"{file.stem} is nowhere")
        arrays.append(array)
    return arrays


def check_regular(path: Path) -> None:
    """Refuse what is no file, before it is opened: a FIFO would wait for a writer for ever.

    Raises
    ------
    DataError
    """
    if path.exists() and not path.is_file():
        raise DataError(f"{path} is a folder, a FIFO or a device, not a file")


def unpack(content: bytes, limit: int, where: str) -> bytes:
    """The content, decompressed if it is gzip; at most limit + 1 bytes."""
    if content[:2] != b"\x1f\x8b":
        return content[: limit + 1]
    stream = zlib.decompressobj(wbits=31)
    try:
        data = stream.decompress(content, limit + 1)
    except zlib.error as error:
        raise DataError(f"{where}: its gzip data are damaged ({error})") from None
    if not stream.eof and len(data) <= limit:
        raise DataError(f"{where}: its gzip data are cut short, after {len(data):,} unpacked bytes")
    return data


def parse(data: bytes, file: IdxFile, where: str) -> Array:
    """The array of an unpacked IDX file, in the shape of its header; its structure is checked."""
    n_axes = len(file.shape)
    magic, header = bytes([0, 0, 8, n_axes]), 4 + 4 * n_axes
    if data[:64].lstrip()[:1] == b"<":
        raise DataError(f"{where}: a web page, not an IDX file (it starts with {data[:16]!r})")
    if data[:4] != magic:
        raise DataError(
            f"{where}: magic number {data[:4].hex()}, expected {magic.hex()} (uint8, {n_axes} axes)"
        )
    if len(data) < header:
        raise DataError(f"{where}: {len(data)} bytes end inside the header of {header}")
    shape = tuple(int(n) for n in np.frombuffer(data, ">u4", n_axes, 4))
    if len(data) > file.n_bytes:
        raise DataError(f"{where}: longer than the {file.n_bytes:,} bytes of shape {file.shape}")
    promised = header + math.prod(shape)
    if len(data) != promised:
        n_whole = (len(data) - header) // max(1, math.prod(shape[1:]))
        raise DataError(
            f"{where}: its header promises {shape[0]:,} items ({promised:,} bytes), "
            f"it holds {n_whole:,} whole ones ({len(data):,} bytes)"
        )
    array = np.frombuffer(data, np.uint8, offset=header).reshape(shape)
    if n_axes == 1 and array.size and array.max() > 9:
        raise DataError(
            f"{where}: label {array.max()} at position {array.argmax()}, expected 0 to 9"
        )
    return array


def _source(entry: Entry) -> IdxSource:
    assert isinstance(entry.source, IdxSource), entry.name
    return entry.source


def _match(array: Array, file: IdxFile, where: str) -> Array:
    """The array, which must have the shape and the SHA-256 of the file."""
    if array.shape != file.shape:
        raise DataError(f"{where}: shape {array.shape}, expected {file.shape}")
    digest = hashlib.sha256(bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes())
    digest.update(array.reshape(-1).data)
    if digest.hexdigest() != file.sha256:
        raise DataError(
            f"{where}: SHA-256 of the unpacked file is {digest.hexdigest()}, expected {file.sha256}"
        )
    return array


def _find(folder: Path, file: IdxFile) -> Path | None:
    return next((path for name in file.spellings if os.path.isfile(path := folder / name)), None)


def _find_any(folder: Path, file: IdxFile) -> Path:
    """What has one of the file's names and is no file, to be named; else where it should be."""
    paths = [folder / name for name in file.spellings]
    return next(filter(os.path.lexists, paths), paths[0])


def _read(path: Path, file: IdxFile) -> Array:
    try:
        check_regular(path)
        with path.open("rb") as stream:
            content = stream.read(file.n_bytes + _GZIP_SLACK)
        return parse(unpack(content, file.n_bytes, str(path)), file, str(path))
    except FileNotFoundError:
        raise DataError(f"{path} is missing, packed or unpacked") from None
    except OSError as error:
        reason = f"{path} cannot be read ({error.strerror})"
    except DataError as error:
        reason = str(error)
    raise DataError(f"{reason}; expected SHA-256 of the unpacked file: {file.sha256}")


def _read_local(file: IdxFile, folders: list[Path], reasons: list[str]) -> Array | None:
    """The file from the first folder that has it right; what is wrong is added to `reasons`."""
    for path in filter(None, (_find(folder, file) for folder in folders)):
        try:
            return _match(_read(path, file), file, str(path))
        except DataError as error:
            reasons.append(str(error))
    return None


def _download(file: IdxFile, mirrors: list[str], cache: Path, reasons: list[str]) -> Array | None:
    """The file from the first mirror that has it right.

    A mirror that fails is dropped from `mirrors`, so that no other file waits for it, and told in
    `reasons`.
    """
    while mirrors:
        url = f"{mirrors[0]}{file.stem}.gz"
        try:
            content = fetch(url, file.n_bytes + _GZIP_SLACK)
            array = _match(parse(unpack(content, file.n_bytes, url), file, url), file, url)
        except DataError as error:
            reasons.append(str(error))
            del mirrors[0]
        else:
            # A full disk or a read-only home loses only the kept copy: the data are here, and
            # right.
            with contextlib.suppress(OSError):
                cache.mkdir(parents=True, exist_ok=True)
                write_whole(cache / f"{file.stem}.gz", content)
            return array
    return None
