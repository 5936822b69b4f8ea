"""What a function of data may return, what becomes of it, and what is refused in which words."""

from types import SimpleNamespace

import numpy as np
import pytest

from runner.data.returned import four_arrays
from runner.errors import DataError

X = np.arange(40 * 6).reshape(40, 2, 3).astype(np.uint8)
T = np.arange(40) % 4


def refused(returned):
    with pytest.raises(DataError) as caught:
        four_arrays(returned, "mine.load (mine.py:3)")
    text = str(caught.value)
    assert text.startswith("mine.load (mine.py:3) returned ") and "\n" not in text
    return text.removeprefix("mine.load (mine.py:3) returned ")


@pytest.mark.parametrize(
    "given, expected", [(np.uint8, np.uint8)] + [(f, np.float32) for f in "efdg"], ids=str
)
def test_images_keep_their_shape_and_become_uint8_or_float32(given, expected):
    arrays = four_arrays((X.astype(given), T, X[:5].astype(given), T[:5]), "f")
    assert [array.dtype for array in arrays] == [expected, np.uint8] * 2
    np.testing.assert_array_equal(arrays[0], X)
    assert arrays[0].shape == X.shape


@pytest.mark.parametrize("given", [np.int8, np.int16, np.int64, np.uint32, ">i4"])
def test_labels_of_any_integers_become_one_byte_or_two(given):
    assert four_arrays((X, T.astype(given), X, T.astype(given)), "f")[1].dtype == np.uint8
    if np.dtype(given).itemsize > 1:
        train_t, test_t = T.astype(given), T.astype(given)
        test_t[0] = 256
        arrays = four_arrays((X, train_t, X, test_t), "f")
        assert [arrays[1].dtype, arrays[3].dtype] == [np.uint16] * 2
        assert arrays[3].tolist() == test_t.tolist()


def test_of_two_arrays_the_last_fifth_of_every_class_is_the_test_set():
    t = np.array([7] * 11 + [0] * 5 + [3] * 4)  # sorted, with gaps, one class too small
    x = np.arange(20.0)[:, None]
    train_x, train_t, test_x, test_t = four_arrays((x, t), "f")
    assert (
        sorted(test_x[:, 0]) == [9, 10, 15]
        and test_t.tolist() == t[test_x[:, 0].astype(int)].tolist()
    )
    assert sorted(np.concatenate([train_x, test_x])[:, 0]) == x[:, 0].tolist()
    assert train_t.tolist() == t[train_x[:, 0].astype(int)].tolist()
    assert train_t[:3].tolist() == [0, 3, 7]  # in turn


def test_arrays_of_any_strides_come_out_in_c_order():
    arrays = four_arrays((X.transpose(0, 2, 1), T[::-1], X[::2].transpose(0, 2, 1), T[::2]), "f")
    assert all(array.flags.c_contiguous for array in arrays)
    np.testing.assert_array_equal(arrays[0], X.transpose(0, 2, 1))


def nan_at_one_place():
    x = X.astype(float)
    x[3, 1, 1] = np.nan
    return x


ALLOWED = "allowed is (x, t) or (train_x, train_t, test_x, test_t), NumPy arrays"
REFUSED = {
    "nothing": (None, f"nothing; {ALLOWED}"),
    "an array": (X, f"a value of type ndarray; {ALLOWED}"),
    "three": ((X, T, X), f"3 values; {ALLOWED}"),
    "pairs": (((X, T), (X, T)), "a value of type tuple as x; allowed is a NumPy array"),
    "a list": ((X.tolist(), T), "a value of type list as x; allowed is a NumPy array"),
    "DeZero's": (
        (SimpleNamespace(data=X, label=T), T),
        "a value of type SimpleNamespace as x; allowed is a NumPy array: of a DeZero data set,"
        " .data and .label",
    ),
    "masked": ((np.ma.array(X), T), "a value of type MaskedArray as x; allowed is a NumPy array"),
    "objects": ((X.astype(object), T), "x of Python objects; allowed is an array of numbers"),
    "integers of a byte": (
        (X.astype(int), T),
        "x of int64; allowed are uint8 and floating point: x.astype(np.uint8)",
    ),
    "other integers": (
        (X.astype(np.int16) - 1, T),
        "x of int16; allowed are uint8 and floating point: x.astype(np.float32)",
    ),
    "complex": (
        (X * 1j, T),
        "x of complex128; allowed are uint8 and floating point: x.astype(np.float32)",
    ),
    "NaN": ((nan_at_one_place(), T), "1 values in x that are no finite float32 numbers"),
    "beyond float32": ((X * 1e300, T), "239 values in x that are no finite float32 numbers"),
    "flat": ((T, T), "x of shape (40,); allowed is (n, ...), and nothing empty"),
    "empty": ((X[:0], T[:0]), "x of shape (0, 2, 3); allowed is (n, ...), and nothing empty"),
    "lengths": ((X, T[1:]), "40 images in x and 39 labels in t"),
    "lengths of the test set": ((X, T, X[1:], T), "39 images in test_x and 40 labels in test_t"),
    "one-hot": (
        (X, np.eye(4)[T]),
        "t of shape (40, 4); allowed is (n,), a label an image: t.argmax(axis=1)",
    ),
    "a column": (
        (X, T[:, None]),
        "t of shape (40, 1); allowed is (n,), a label an image: t.ravel()",
    ),
    "no labels": ((X, T, X, T[:0]), "test_t of shape (0,); allowed is (n,), a label an image"),
    "labels that are no integers": (
        (X, T * 1.0),
        "t of float64; allowed are integers: t.astype(np.int64)",
    ),
    "negative": ((X, T - 1), "the label -1 in t; allowed are 0 to 65535"),
    "too many classes": ((X, T * 22000), "the label 66000 in t; allowed are 0 to 65535"),
    "two shapes": (
        (X, T, X[:, :1], T),
        "uint8 images of shape (2, 3) to train and uint8 ones of shape (1, 3) to test",
    ),
    "two types": (
        (X, T, X * 1.0, T),
        "uint8 images of shape (2, 3) to train and float32 ones of shape (2, 3) to test",
    ),
    "too few to split": (
        (X[:8], T[:8]),
        "fewer than five images of every class: their last fifth is the test set",
    ),
}


@pytest.mark.parametrize(("returned", "text"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_trained_on_is_refused_with_what_to_write(returned, text):
    assert refused(returned) == text
