"""The four IDX files of MNIST and Fashion-MNIST: find them, download them, check every byte.

A file may be gzip or plain, whatever its name says, because browsers unpack `.gz` without telling. What is
pinned is the SHA-256 of the unpacked bytes: any mirror and any recompression passes, other content never.
"""

import contextlib
import hashlib
import http.client
import math
import os
import queue
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from runner.errors import DataError
from runner.faults import crash_point
from runner.files import cache_folder, write_whole

Array = NDArray[np.uint8]

CONNECT_S = 5.0  # per mirror, from the name look-up to the end of the reply's header
STALL_S = 5.0  # longest wait for the next bytes
FILE_S = 120.0  # for one file from one mirror
GZIP_SLACK = 65536  # bytes: gzip makes incompressible data larger, by far less than this


class UnavailableError(DataError):
    """No explicit folder was given, and neither the usual places nor the mirrors have the files."""


@dataclass(frozen=True)
class IdxFile:
    """What one file must hold: uint8, this shape, this SHA-256 (of the unpacked bytes, header included)."""

    stem: str
    shape: tuple[int, ...]
    sha256: str

    @property
    def n_bytes(self) -> int:
        return 4 + 4 * len(self.shape) + math.prod(self.shape)

    @property
    def spellings(self) -> tuple[str, ...]:
        stem, dotted = self.stem, self.stem.replace("-idx", ".idx")
        return f"{stem}.gz", stem, f"{dotted}.gz", dotted


Files = tuple[IdxFile, IdxFile, IdxFile, IdxFile]


@dataclass(frozen=True)
class Source:
    """One data set in IDX format; `files` are train images, train labels, test images, test labels."""

    name: str
    variable: str  # environment variable that names an explicit folder
    folders: tuple[str, ...]  # looked in after the user's cache
    mirrors: tuple[str, ...]  # tried in this order; each ends in a slash
    files: Files


def files(train_images: str, train_labels: str, test_images: str, test_labels: str) -> Files:
    """The four files of MNIST's shapes and names with these SHA-256 values."""
    return (
        IdxFile("train-images-idx3-ubyte", (60000, 28, 28), train_images),
        IdxFile("train-labels-idx1-ubyte", (60000,), train_labels),
        IdxFile("t10k-images-idx3-ubyte", (10000, 28, 28), test_images),
        IdxFile("t10k-labels-idx1-ubyte", (10000,), test_labels),
    )


def explicit_root(source: Source, root: str | None) -> Path | None:
    """The folder the user named, by option first, else by environment variable; None when by neither."""
    named = root or os.environ.get(source.variable)
    return Path(os.path.expanduser(named)) if named else None


def user_cache(source: Source) -> Path:
    """Where downloaded files are kept; nothing is created here."""
    # Without a home: every file is checked at each reading, so a shared folder can do no harm.
    return (cache_folder() or Path(tempfile.gettempdir()) / "ablation-runner") / source.name


def read_folder(source: Source, folder: Path) -> list[Array]:
    """Read all four files from one folder; the first thing wrong is a DataError that names its file."""
    try:
        paths = [_find(folder, file) or folder / file.spellings[0] for file in source.files]
        arrays = [_read(path, file) for path, file in zip(paths, source.files, strict=True)]
        for images, labels in ((0, 1), (2, 3)):
            n_images, n_labels = len(arrays[images]), len(arrays[labels])
            if n_images != n_labels:
                raise DataError(f"{paths[images]}: {n_images:,} images, but {paths[labels]}: {n_labels:,} labels")
        for array, file, path in zip(arrays, source.files, paths, strict=True):
            _match(array, file, str(path))
    except DataError as error:
        raise DataError(
            f"{error}; put the right file into {folder}, or name another folder with data.root=DIR or "
            f"{source.variable}=DIR"
        ) from None
    return arrays


def read_anywhere(source: Source, download: bool) -> list[Array]:
    """Read each file from the user's cache, a system folder or a mirror, whichever has it right first.

    With `download` a file that had to come from a mirror is kept in the user's cache, under its final name
    only after it was checked. UnavailableError says what failed at each place.
    """
    cache = user_cache(source)
    reasons: list[str] = []
    mirrors = list(source.mirrors)
    arrays: list[Array] = []
    for file in source.files:
        array = _read_local(file, [cache, *map(Path, source.folders)], reasons)
        if array is None and download:
            array = _download(file, mirrors, cache, reasons)
        if array is None:
            if not download:
                hosts = " and ".join(urllib.parse.urlsplit(mirror).netloc for mirror in source.mirrors)
                reasons.append(f"plan only: not downloaded; a run would first try {hosts}")
            raise UnavailableError("; ".join(reasons) or f"{file.stem} is nowhere")
        arrays.append(array)
    return arrays


def unpack(blob: bytes, limit: int, where: str) -> bytes:
    """Undo gzip, if it is gzip; never produces more than limit + 1 bytes."""
    if blob[:2] != b"\x1f\x8b":
        return blob[: limit + 1]
    stream = zlib.decompressobj(wbits=31)
    try:
        data = stream.decompress(blob, limit + 1)
    except zlib.error as error:
        raise DataError(f"{where}: its gzip data are damaged ({error})") from None
    if not stream.eof and len(data) <= limit:
        raise DataError(f"{where}: its gzip data are cut short, after {len(data):,} unpacked bytes")
    return data


def parse(data: bytes, file: IdxFile, where: str) -> Array:
    """Check the structure of one unpacked IDX file and return it, of the shape its own header says."""
    n_axes = len(file.shape)
    magic, header = bytes([0, 0, 8, n_axes]), 4 + 4 * n_axes
    if data[:64].lstrip()[:1] == b"<":
        raise DataError(f"{where}: a web page, not an IDX file (it starts with {data[:16]!r})")
    if data[:4] != magic:
        raise DataError(f"{where}: magic number {data[:4].hex()}, expected {magic.hex()} (uint8, {n_axes} axes)")
    if len(data) < header:
        raise DataError(f"{where}: {len(data)} bytes end inside the header of {header}")
    shape = tuple(int(n) for n in np.frombuffer(data, ">u4", n_axes, 4))
    if len(data) > file.n_bytes:
        raise DataError(f"{where}: longer than the {file.n_bytes:,} bytes of shape {file.shape}")
    promised = header + math.prod(shape)
    if len(data) != promised:
        whole = (len(data) - header) // max(1, math.prod(shape[1:]))
        raise DataError(
            f"{where}: its header promises {shape[0]:,} items ({promised:,} bytes), "
            f"it holds {whole:,} whole ones ({len(data):,} bytes)"
        )
    array = np.frombuffer(data, np.uint8, offset=header).reshape(shape)
    if n_axes == 1 and array.size and array.max() > 9:
        raise DataError(f"{where}: label {array.max()} at position {array.argmax()}, expected 0 to 9")
    return array


def _match(array: Array, file: IdxFile, where: str) -> Array:
    if array.shape != file.shape:
        raise DataError(f"{where}: shape {array.shape}, expected {file.shape}")
    found = hashlib.sha256(bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes())
    found.update(array.reshape(-1).data)
    if found.hexdigest() != file.sha256:
        raise DataError(f"{where}: SHA-256 of the unpacked file is {found.hexdigest()}, expected {file.sha256}")
    return array


def _find(folder: Path, file: IdxFile) -> Path | None:
    return next((path for name in file.spellings if os.path.isfile(path := folder / name)), None)


def _read(path: Path, file: IdxFile) -> Array:
    try:
        with path.open("rb") as stream:
            blob = stream.read(file.n_bytes + GZIP_SLACK)
        return parse(unpack(blob, file.n_bytes, str(path)), file, str(path))
    except FileNotFoundError:
        why = f"{path} is missing (or {', '.join(file.spellings[1:])})"
    except OSError as error:
        why = f"{path} cannot be read ({error.strerror})"
    except DataError as error:
        why = str(error)
    raise DataError(f"{why}; expected SHA-256 of the unpacked file: {file.sha256}")


def _read_local(file: IdxFile, folders: list[Path], reasons: list[str]) -> Array | None:
    for path in filter(None, (_find(folder, file) for folder in folders)):
        try:
            return _match(_read(path, file), file, str(path))
        except DataError as error:
            reasons.append(str(error))
    return None


def _download(file: IdxFile, mirrors: list[str], cache: Path, reasons: list[str]) -> Array | None:
    """Ask the mirrors in turn; one that fails is dropped from `mirrors`, so it is waited for once only."""
    while mirrors:
        url = f"{mirrors[0]}{file.stem}.gz"
        try:
            blob = _fetch(url, file.n_bytes + GZIP_SLACK)
            array = _match(parse(unpack(blob, file.n_bytes, url), file, url), file, url)
        except DataError as error:
            reasons.append(str(error))
            del mirrors[0]
        else:
            # A full disk or a read-only home loses only the kept copy: the data are here, and right.
            with contextlib.suppress(OSError):
                cache.mkdir(parents=True, exist_ok=True)
                write_whole(cache / f"{file.stem}.gz", blob)
            return array
    return None


def _fetch(url: str, limit: int) -> bytes:
    deadline = time.monotonic() + FILE_S
    try:
        with contextlib.closing(_open(url)) as response:
            parts = []
            while limit >= 0 and (part := response.read1(65536)):
                parts.append(part)
                limit -= len(part)
                crash_point("download_half")
                if time.monotonic() > deadline:
                    raise TimeoutError(f"not done within {FILE_S:.0f} s")
    except urllib.error.HTTPError as error:
        error.close()
        raise DataError(f"{url}: HTTP {error.code}") from None
    except (OSError, http.client.HTTPException) as error:
        raise DataError(f"{url}: {getattr(error, 'reason', None) or error or type(error).__name__}") from None
    return b"".join(parts)


def _open(url: str) -> http.client.HTTPResponse:
    # A socket's time-out covers neither the name look-up nor the sum over a host's addresses; a thread does.
    answer: queue.Queue[http.client.HTTPResponse | Exception] = queue.Queue(1)

    def ask() -> None:
        try:
            answer.put(urllib.request.urlopen(url, timeout=STALL_S))
        except Exception as error:
            answer.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        response = answer.get(timeout=CONNECT_S)
    except queue.Empty:
        raise TimeoutError(f"no answer within {CONNECT_S:.0f} s") from None
    if isinstance(response, Exception):
        raise response
    return response
