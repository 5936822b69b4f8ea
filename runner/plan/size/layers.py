"""The layers of the networks that ship, and the arrays that an engine makes of each."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from runner.data.catalogue import Entry
from runner.errors import ConfigError


@dataclass(frozen=True)
class Conv:
    """A 3x3 convolution with ReLU, and for the last of a block a 2x2 max-pool."""

    n_in: int
    n_out: int
    height: int
    width: int
    pooled: bool
    first: bool

    @property
    def n_parameters(self) -> int:
        return self.n_out * (9 * self.n_in + 1)

    def sized(self, more: int) -> int:
        """Pixels of an image with so many more rows and columns."""
        return (self.height + more) * (self.width + more)

    @property
    def n_windows(self) -> int:
        return (self.height // 2) * (self.width // 2)


@dataclass(frozen=True)
class Linear:
    """A linear layer; a hidden one has ReLU, and maybe dropout."""

    n_in: int
    n_out: int
    hidden: bool
    dropout: bool
    first: bool

    @property
    def n_parameters(self) -> int:
        return self.n_out * (self.n_in + 1)


@dataclass(frozen=True)
class Engine:
    """What an engine allocates: measured bytes of an idle worker, and numbers by layer.

    The functions give float32 numbers for an image: those that a step keeps until its graph is
    dropped, and those that exist beside them for a moment of the backward pass, in which every
    layer needs more than in the forward pass.
    """

    own: int
    libraries: int
    untouched: int
    conv: Callable[[Conv], tuple[float, float]]
    linear: Callable[[Linear], tuple[float, float]]
    #: Of an image itself: its pixels and, where it is computed, their gradient.
    image: Callable[..., int]
    #: Whether an update makes arrays as large as a weight.
    updates_in_place: bool


def _fast_conv(layer: Conv) -> tuple[float, float]:
    n_in, n_full = layer.n_in * layer.sized(0), layer.n_out * layer.sized(0)
    n_pooled = layer.n_out * layer.n_windows
    # The output, and for a pool a byte for the winning corner of each window.
    kept = 1.25 * n_pooled if layer.pooled else n_full
    n_gy = n_pooled if layer.pooled else n_full
    if layer.first and layer.pooled and layer.n_in == 1:
        return kept, n_gy  # one pass, without im2col
    return kept, n_gy + n_full + (0 if layer.first else n_in)


def _fast_linear(layer: Linear) -> tuple[float, float]:
    n_gz = 2 * layer.n_out if layer.hidden else layer.n_out
    return layer.n_out, n_gz + (0 if layer.first else layer.n_in)


def _stock_conv(layer: Conv) -> tuple[float, float]:
    n_full, n_pooled = layer.n_out * layer.sized(0), layer.n_out * layer.n_windows
    # Before and after ReLU; of a pool its output, and which pixel won as int64.
    kept = 2 * n_full + (3 * n_pooled if layer.pooled else 0)
    # The gradient of the output twice, that of the padded input, the columns of im2col twice.
    of_conv = 2 * n_full + layer.n_in * (layer.sized(2) + 2 * 9 * layer.sized(0))
    # The gradients of the output, of the columns and of the padded input, and int64 places.
    of_pool = 3 * n_pooled + n_full + layer.n_out * layer.sized(1) if layer.pooled else 0
    return kept, max(of_conv, of_pool)


def _stock_linear(layer: Linear) -> tuple[float, float]:
    n = layer.n_out
    # Of dropout the mask with its gradient, the product with it, and the quotient.
    of_dropout = 3.25 * n if layer.dropout else 0
    kept = of_dropout + (2 * n if layer.hidden else n)
    return kept, max(n + layer.n_in, 4 * n if layer.hidden else 3 * n)


ENGINES = {
    "fast": Engine(
        own=104_000_000,
        libraries=105_000_000,
        untouched=272_000_000,
        conv=_fast_conv,
        linear=_fast_linear,
        image=lambda *shape: math.prod(shape),
        updates_in_place=True,
    ),
    "stock": Engine(
        own=64_000_000,
        libraries=28_000_000,
        untouched=116_000_000,
        conv=_stock_conv,
        linear=_stock_linear,
        image=lambda *shape: (
            math.prod(shape) + math.prod(n + 2 * (i > 0) for i, n in enumerate(shape))
        ),
        updates_in_place=False,
    ),
}


def layers_of(model: dict[str, Any], entry: Entry) -> Iterator[Conv | Linear]:
    """The layers of runner/models/.

    Raises
    ------
    ConfigError
        When convolutions are given no images, or more 2x2 pools than an image has pixels for.
    """
    first, features = True, math.prod(entry.image_shape)
    if "blocks" in model:
        if len(entry.image_shape) != 3:
            raise ConfigError(
                f"model=cnn: takes images of shape (channels, height, width), and those of"
                f" {entry.name} have {entry.image_shape}; take model=mlp, or data of another shape"
            )
        channels, height, width = entry.image_shape
        blocks = model["blocks"] or [[model["channels"]]]
        for block in blocks:
            for i, out in enumerate(block, start=1):
                yield Conv(channels, out, height, width, i == len(block), first)
                channels, first = out, False
            height, width = height // 2, width // 2
            if height == 0 or width == 0:
                sides = entry.image_shape[1:]
                raise ConfigError(
                    f"model.blocks={blocks}: {len(blocks)} blocks halve the"
                    f" {sides[0]}x{sides[1]} images to nothing; at most"
                    f" {int(math.log2(min(sides)))} blocks are allowed"
                )
        features = channels * height * width
    for _ in range(model["fc_depth"]):
        yield Linear(features, model["hidden_size"], True, bool(model["dropout"]), first)
        features, first = model["hidden_size"], False
    yield Linear(features, entry.n_classes, False, False, first)
