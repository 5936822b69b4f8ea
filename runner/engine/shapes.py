"""What the functions of an engine take. The kernels read arrays by their sizes and look at nothing.

Whatever a model hands on is therefore looked at before, and refused in words that name its shape.
"""

from runner.engine.device import Array
from runner.errors import ModelError


def check_linear(x: Array, W: Array, b: Array) -> None:
    """Refuse what is not x (n, n_in), W (n_in, n_out), b (n_out,), of one floating type.

    Raises
    ------
    ModelError
    """
    _check_types("linear layer", x, W, b)
    if x.ndim != 2:
        raise ModelError(
            f"a linear layer takes (images, numbers) and got {x.shape}; write x = F.flatten(x)"
            " before it"
        )
    if W.ndim != 2 or x.shape[1] != W.shape[0] or b.shape != W.shape[1:]:
        raise ModelError(
            f"a linear layer with W of {W.shape} and b of {b.shape} got {x.shape}; its W takes"
            f" {W.shape[0]} numbers an image"
        )


def check_convolution(x: Array, W: Array, b: Array, smallest: int = 1) -> None:
    """Refuse what is not x (n, channels, height, width), W (out, channels, k, k), k odd, b (out,).

    Parameters
    ----------
    smallest
        Height and width must be at least this.

    Raises
    ------
    ModelError
    """
    _check_types("convolution", x, W, b)
    if x.ndim != 4 or min(x.shape[2:]) < smallest:
        raise ModelError(
            "a convolution takes (images, channels, height, width), of at least"
            f" {smallest}x{smallest} pixels, and got {x.shape}"
        )
    is_odd_square = W.ndim == 4 and W.shape[2] == W.shape[3] and W.shape[2] % 2
    if not is_odd_square or x.shape[1] != W.shape[1] or b.shape != W.shape[:1]:
        raise ModelError(
            f"a convolution with W of {W.shape} and b of {b.shape} got {x.shape}; W is (channels"
            " out, channels in, k, k) with an odd k"
        )


def check_scores(y: Array, t: Array) -> None:
    """Refuse scores that are not floating numbers (n, n_classes) for labels (n,).

    Raises
    ------
    ModelError
    """
    is_right = y.ndim == 2 and y.shape[1] and y.dtype.char in "fd" and t.dtype.kind in "iu"
    if is_right and t.shape == y.shape[:1]:
        return
    if y.ndim == 2 and t.ndim == 1 and len(y) != len(t):
        raise ModelError(
            f"the model gave {len(y)} rows of scores for {len(t)} images (shape {y.shape}); a"
            " reshape moved rows into columns: write F.flatten(x), or x.reshape(len(x), -1)"
        )
    raise ModelError(
        f"the model gave {y.dtype} scores of shape {y.shape} for {t.dtype} labels of shape"
        f" {t.shape}; float32 scores of (images, classes) and whole numbers (images,) are needed"
    )


def check_labels(n_classes: int, largest: int, smallest: int = 0) -> None:
    """Refuse labels that are no column of the scores.

    Raises
    ------
    ModelError
    """
    if largest >= n_classes or smallest < 0:
        raise ModelError(
            f"the model gives scores of {n_classes} classes, and the labels go from {smallest} to"
            f" {largest}; its last layer needs {largest + 1} outputs"
        )


def check_gradient(gy: Array, y: Array) -> None:
    """Refuse a gradient that has not the shape of the output that it belongs to.

    Raises
    ------
    ModelError
    """
    if gy.shape != y.shape:
        raise ModelError(
            f"a backward pass gave a gradient of shape {gy.shape} for an output of shape"
            f" {y.shape}; backward() of the function after it must give one of the same shape"
        )


def _check_types(what: str, x: Array, W: Array, b: Array) -> None:
    if not (x.dtype == W.dtype == b.dtype) or x.dtype.char not in "fd":
        raise ModelError(
            f"a {what} with {W.dtype} weights and a {b.dtype} bias got {x.dtype}; numbers are"
            " float32 throughout: write x.astype(np.float32), and float(...) for a NumPy number"
        )
