"""Files that appear whole or not at all, and prove themselves; the checkout, the cache folder."""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from runner.system.faults import crash_point

#: The name of the value that proves the others.
SEAL = "sha256"
#: What the system calls a disk, a quota or a file that takes no more.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
NO_INODES = "No inodes left on the file system"
#: The folder of the package `runner`.
PACKAGE = Path(__file__).resolve().parents[1]


def write_whole(path: Path, content: bytes | memoryview, before: bytes = b"") -> None:
    """Write beside, flush to disk, rename: a reader or a crash sees the old file or the new one.

    Parameters
    ----------
    before
        What the file has before the content: to join them would copy all of it.

    Raises
    ------
    OSError
        Naming the file and, where the disk is full, how much room it has left; the old file is as
        it was.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        with naming_room(path):
            with open(beside, "wb") as file:
                half = len(content) // 2
                file.write(before)
                file.write(memoryview(content)[:half])
                crash_point(f"{path.name}_half")
                file.write(memoryview(content)[half:])
                file.flush()
                os.fsync(file.fileno())
            crash_point(f"{path.name}_before_rename")
            os.replace(beside, path)
            crash_point(f"{path.name}_after_rename")
    finally:
        beside.unlink(missing_ok=True)
    sync_folder(path.parent)


@contextlib.contextmanager
def replace_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty folder that takes the place of `folder` at the end of the block.

    After an exception `folder` is as it was. A process that is killed leaves the old folder, the
    new one or, between the two renames, the old one under a name beside it, which the next call
    puts back.
    """
    folder = folder.resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as at_end:
        with _locked(folder.parent):
            _tidy(folder)
            made = tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".tmp", dir=folder.parent)
            beside = Path(made)
            at_end.callback(shutil.rmtree, beside, ignore_errors=True)
            at_end.enter_context(_locked(beside))
        beside.chmod(0o755)
        yield beside
        for path in (*beside.rglob("*"), beside):
            sync_folder(path)  # a file is flushed in the same way
        crash_point("report_before_rename")
        with _locked(folder.parent):
            try:
                if folder.exists():
                    folder.rename(beside.with_suffix(".old"))
                beside.rename(folder)
            finally:
                _tidy(folder)
        sync_folder(folder.parent)


def _tidy(folder: Path) -> None:
    """Remove what killed processes left beside a folder, or put the old folder back.

    The caller holds the lock of the parent folder, so no process is between its two renames.
    """
    prefix = f".{folder.name}."
    for path in [path for path in folder.parent.iterdir() if path.name.startswith(prefix)]:
        if path.suffix == ".old" and folder.exists():
            shutil.rmtree(path, ignore_errors=True)
        elif path.suffix == ".old":
            path.rename(folder)
        elif path.suffix == ".tmp" and path.is_dir():
            # A folder that another process fills is locked.
            with contextlib.suppress(OSError), _locked(path, wait=False):
                shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def _locked(folder: Path, wait: bool = True) -> Iterator[None]:
    """Lock a folder until the block, or the process, ends.

    Without `wait` OSError says that another process holds it.

    Some network file systems lock no folder. Waiting then ends at once, and nothing is taken for
    abandoned.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except OSError:
            if not wait:
                raise
        yield
    finally:
        os.close(descriptor)


def write_all(file: IO[bytes], content: bytes) -> None:
    """Write every byte to an unbuffered file, whose `write` may take only a part."""
    rest = memoryview(content)
    while rest:
        rest = rest[file.write(rest) or 0 :]


def no_room(error: OSError, path: Path) -> OSError:
    """The error with the file's name and, where the disk is full, what there is too little of.

    A file system that has given out all its inodes takes no file more, though it has bytes free.
    The system's message is that of a full disk.
    """
    if error.errno not in _FULL:
        return error
    what = os.strerror(error.errno)
    try:
        place = os.statvfs(_nearest(path.parent))
    except OSError:
        return OSError(error.errno, what, str(path))
    room = f"{place.f_bavail * place.f_frsize:,} bytes free"
    if error.errno == errno.ENOSPC and lacks_inodes(_nearest(path.parent)):
        return OSError(error.errno, f"{NO_INODES} ({room}): remove files there", str(path))
    return OSError(error.errno, f"{what}, {room}", str(path))


def lacks_inodes(folder: Path) -> bool:
    """Whether the file system of a folder that is there takes no more files, though it has room."""
    place = os.statvfs(folder)
    return bool(place.f_files and not place.f_favail and place.f_bavail)


@contextlib.contextmanager
def naming_room(path: Path) -> Iterator[None]:
    """Raise in the place of an error of a full disk in the block one that is as `no_room` says."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise no_room(error, path) from error


def _nearest(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder


def unwritable(folder: Path) -> str | None:
    """Why nothing can be written in a folder that exists or is to be made; None if it can."""
    nearest = _nearest(folder)
    if not nearest.is_dir():
        return f"{nearest} is not a folder"
    return None if os.access(nearest, os.W_OK | os.X_OK) else f"{nearest} cannot be written to"


def sync_folder(folder: Path) -> None:
    """Make a rename in this folder survive a power cut, if the folder can be opened."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def cache_folder() -> Path | None:
    """The user's cache folder of this program, not created; None for an account without a home."""
    base = os.path.expanduser(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    return Path(base) / "ablation-runner" if os.path.isabs(base) else None


def checkout() -> Path | None:
    """The checkout that this package belongs to; None for one that was installed from a wheel."""
    folder = PACKAGE.parent
    is_checkout = (folder / "conf").is_dir() and (folder / "pyproject.toml").is_file()
    return folder if is_checkout else None


def values_folder() -> Path:
    """The folder of conf/ and sweeps/: one in the package in a wheel, else what that lies in."""
    installed = PACKAGE / "values"
    return installed if installed.is_dir() else PACKAGE.parent


# =============================================================================
# JSON values that prove themselves: each holds the SHA-256 of all the rest of it
# =============================================================================
def sha256(value: Any) -> str:
    """The hash of a JSON value, 64 hexadecimal digits; the order of an object's names is none."""
    return hashlib.sha256(_canonical(value).encode("ascii")).hexdigest()


def sealed(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values with their seal."""
    return {**values, SEAL: _seal(values)}


def is_whole(values: Mapping[str, Any]) -> bool:
    """Whether the values are those that were sealed."""
    return values.get(SEAL) == _seal({name: v for name, v in values.items() if name != SEAL})


def _seal(values: Mapping[str, Any]) -> str:
    """`sha256` of the values, without the text of a long list as a whole."""
    hashed = hashlib.sha256(b"{")
    for n, name in enumerate(sorted(values)):
        hashed.update(f"{',' * (n > 0)}{_canonical(name)}:".encode("ascii"))
        value = values[name]
        if isinstance(value, list):
            hashed.update(b"[")
            for place, item in enumerate(value):
                hashed.update(f"{',' * (place > 0)}{_canonical(item)}".encode("ascii"))
            hashed.update(b"]")
        else:
            hashed.update(_canonical(value).encode("ascii"))
    hashed.update(b"}")
    return hashed.hexdigest()


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
