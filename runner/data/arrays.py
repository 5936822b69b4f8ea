"""One's own arrays from files: `_target_: runner.data.arrays.load`, `path: faces.npz`."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runner.data.idx import check_regular
from runner.errors import DataError

#: The names of arrays, as the book, Keras and this program write them: those of all images, or
#: those of the training images and then of the test images.
_NAMES = (
    ("train_x", "train_t", "test_x", "test_t"),
    ("x_train", "y_train", "x_test", "y_test"),
    ("train_images", "train_labels", "test_images", "test_labels"),
    ("x", "t"),
    ("x", "y"),
)


def load(path: str) -> tuple[NDArray[Any], ...]:
    """The arrays of an `.npz` file, or of a folder of `.npy` files, with one of the sets of names.

    Nothing is unpickled.

    Parameters
    ----------
    path
        Relative to the working directory.

    Raises
    ------
    DataError
        When it cannot be read, or has other names.
    """
    place = Path(path).expanduser()
    if place.is_dir():
        files = {file.stem: file for file in sorted(place.glob("*.npy"))}
        return tuple(_of_file(files[name]) for name in _names(place, list(files)))
    with _reading(place), place.open("rb") as stream:
        found = np.load(stream, allow_pickle=False)
        if isinstance(found, np.ndarray):
            raise DataError(
                f"{place} is one array; allowed is an .npz file or a folder of .npy files"
            )
        return tuple(found[name] for name in _names(place, found.files))


def _names(place: Path, there: list[str]) -> tuple[str, ...]:
    """The first of _NAMES that are all there."""
    for names in _NAMES:
        if set(names) <= set(there):
            return names
    allowed = "; or ".join(", ".join(names) for names in _NAMES)
    raise DataError(
        f"{place} has arrays named {', '.join(there) or '(none)'}; allowed are {allowed}"
    )


def _of_file(file: Path) -> NDArray[Any]:
    with _reading(file), file.open("rb") as stream:
        array: NDArray[Any] = np.load(stream, allow_pickle=False)
    return array


@contextlib.contextmanager
def _reading(file: Path) -> Iterator[None]:
    """Name the file in whatever is raised in the block."""
    check_regular(file)
    try:
        yield
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError(f"{file}: there is no such file or folder below {Path.cwd()}") from None
    except Exception as error:  # NumPy and zipfile raise nearly anything for a damaged file
        text = " ".join(str(error).split())
        if "allow_pickle" in text:
            text = "it holds Python objects (a pickle), or is no NumPy file; save arrays of numbers"
        raise DataError(f"{file} cannot be read ({text or type(error).__name__})") from None
