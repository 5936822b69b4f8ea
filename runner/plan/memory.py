"""The memory that a run needs, from the arrays that its engine makes of its configuration.

Counted are the bytes that a worker has resident when it has most. What all workers share, the files
that are mapped (libraries, the data set), is kept apart: on a machine it is there once.
`python -m benchmarks.memory` holds this against measurements.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from runner.config import parts
from runner.config.schema import Config
from runner.data.asked import Asked
from runner.data.catalogue import Entry
from runner.data.subset import n_left
from runner.errors import ConfigError

_FLOAT32_BYTES = 4
#: Images a batch in an evaluation (runner/engine/loop.py).
_EVAL_BATCH = 100
#: Arrays as large as all weights that an optimizer keeps; one that does not ship counts as Adam.
_SLOTS = {"momentum": 1, "sgd": 0}
_SLOTS_OF_ADAM = 2
#: Copies of what a checkpoint holds that exist while it is written: NumPy's file, whose room grows
#: by eighths, and that file with its hash.
_COPIES_IN_CHECKPOINT = 2.1
#: Arrays as large as a weight while it is first drawn: float64, its float32, and that scaled.
_COPIES_IN_DRAWING = 3


@dataclass(frozen=True)
class Need:
    """Bytes of memory of a worker at its peak."""

    own: int
    #: Mapped files, which the workers of a machine have in common.
    shared: int
    #: Addresses that are asked for and never written to: they count for `ulimit -v` alone.
    untouched: int

    @property
    def resident(self) -> int:
        """What `ru_maxrss` of the worker comes to."""
        return self.own + self.shared

    @property
    def addresses(self) -> int:
        """What `ulimit -v` must leave to the worker."""
        return self.resident + self.untouched


@dataclass(frozen=True)
class _Conv:
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
class _Linear:
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
class _Engine:
    """What an engine allocates: measured bytes of an idle worker, and numbers by layer.

    The functions give float32 numbers for an image: those that a step keeps until its graph is
    dropped, and those that exist beside them for a moment of the backward pass, in which every
    layer needs more than in the forward pass.
    """

    own: int
    libraries: int
    untouched: int
    conv: Callable[[_Conv], tuple[float, float]]
    linear: Callable[[_Linear], tuple[float, float]]
    #: Of an image itself: its pixels and, where it is computed, their gradient.
    image: Callable[..., int]
    #: Whether an update makes arrays as large as a weight.
    updates_in_place: bool


def _fast_conv(layer: _Conv) -> tuple[float, float]:
    n_in, n_full = layer.n_in * layer.sized(0), layer.n_out * layer.sized(0)
    n_pooled = layer.n_out * layer.n_windows
    # The output, and for a pool a byte for the winning corner of each window.
    kept = 1.25 * n_pooled if layer.pooled else n_full
    n_gy = n_pooled if layer.pooled else n_full
    if layer.first and layer.pooled and layer.n_in == 1:
        return kept, n_gy  # one pass, without im2col
    return kept, n_gy + n_full + (0 if layer.first else n_in)


def _fast_linear(layer: _Linear) -> tuple[float, float]:
    n_gz = 2 * layer.n_out if layer.hidden else layer.n_out
    return layer.n_out, n_gz + (0 if layer.first else layer.n_in)


def _stock_conv(layer: _Conv) -> tuple[float, float]:
    n_full, n_pooled = layer.n_out * layer.sized(0), layer.n_out * layer.n_windows
    # Before and after ReLU; of a pool its output, and which pixel won as int64.
    kept = 2 * n_full + (3 * n_pooled if layer.pooled else 0)
    # The gradient of the output twice, that of the padded input, the columns of im2col twice.
    of_conv = 2 * n_full + layer.n_in * (layer.sized(2) + 2 * 9 * layer.sized(0))
    # The gradients of the output, of the columns and of the padded input, and int64 places.
    of_pool = 3 * n_pooled + n_full + layer.n_out * layer.sized(1) if layer.pooled else 0
    return kept, max(of_conv, of_pool)


def _stock_linear(layer: _Linear) -> tuple[float, float]:
    n = layer.n_out
    # Of dropout the mask with its gradient, the product with it, and the quotient.
    of_dropout = 3.25 * n if layer.dropout else 0
    kept = of_dropout + (2 * n if layer.hidden else n)
    return kept, max(n + layer.n_in, 4 * n if layer.hidden else 3 * n)


_ENGINES = {
    "fast": _Engine(
        own=104_000_000,
        libraries=105_000_000,
        untouched=272_000_000,
        conv=_fast_conv,
        linear=_fast_linear,
        image=lambda *shape: math.prod(shape),
        updates_in_place=True,
    ),
    "stock": _Engine(
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


def check(config: Config, entry: Entry) -> None:
    """Refuse a network or a batch that a data set is too small for.

    Raises
    ------
    ConfigError
    """
    if config.train.batch_size > entry.n_train:
        raise ConfigError(
            f"train.batch_size={config.train.batch_size}: allowed is an integer from 1 to"
            f" {entry.n_train}, the number of training images"
        )
    if parts.ships("model", config.model):
        list(_layers(config.model, entry))


def need(config: Config, entry: Entry, device: str = "cpu") -> Need | None:
    """The memory of a worker that trains this configuration; None for a model that does not ship.

    Parameters
    ----------
    device
        On "gpu" the arrays of a step are on the card, and only what is done with weights counts.
    """
    if not parts.ships("model", config.model):
        return None
    engine = _ENGINES[config.engine.name]
    weights = _of_weights(config, entry, engine)
    step = 0 if device == "gpu" else _of_step(config, entry, engine)
    image = math.prod(entry.image_shape) * entry.pixel_bytes
    data = (entry.n_train + entry.n_test) * image
    drawing, checkpoint, training = weights
    own = engine.own + max(drawing, checkpoint, training + step) + image * _n_copied(config, entry)
    return Need(own, engine.libraries + data, engine.untouched)


def _n_copied(config: Config, entry: Entry) -> int:
    """How many training images a worker copies, as a part of a data set is not mapped."""
    asked = Asked.of(config.data)
    n = n_left(asked, entry.n_train)
    return 0 if n == entry.n_train else n + asked.validation


def final_state(config: Config, entry: Entry) -> int | None:
    """Bytes of a run's weights and optimizer; None for a model that does not ship."""
    if not parts.ships("model", config.model):
        return None
    n = sum(layer.n_parameters for layer in _layers(config.model, entry))
    return _FLOAT32_BYTES * n * (1 + _slots(config))


def _of_weights(config: Config, entry: Entry, engine: _Engine) -> tuple[int, int, int]:
    """Bytes of what is as large as the weights: as they are drawn, in a checkpoint, in a step."""
    sizes = [layer.n_parameters for layer in _layers(config.model, entry)]
    n, largest, slots = sum(sizes), max(sizes), _slots(config)
    # Weights, gradients, and the optimizer's.
    lasting = n * (2 + slots)
    drawing = n + _COPIES_IN_DRAWING * largest
    checkpoint = lasting + _COPIES_IN_CHECKPOINT * n * (1 + slots)
    training = lasting if engine.updates_in_place else lasting + 3 * largest
    return (
        _FLOAT32_BYTES * drawing,
        math.ceil(_FLOAT32_BYTES * checkpoint),
        _FLOAT32_BYTES * training,
    )


def _slots(config: Config) -> int:
    return _SLOTS.get(config.optimizer["name"], _SLOTS_OF_ADAM)


def _of_step(config: Config, entry: Entry, engine: _Engine) -> int:
    """Bytes of what is as large as a batch."""
    kept = float(engine.image(*entry.image_shape))
    passing = 0.0
    for layer in _layers(config.model, entry):
        of_layer = engine.conv(layer) if isinstance(layer, _Conv) else engine.linear(layer)
        kept += of_layer[0]
        passing = max(passing, of_layer[1])
    n = config.train.batch_size
    # The graph of a step is dropped when the next one's loss is there: two exist in the next step.
    n_next = min(n, entry.n_train - n)
    of_steps = max(n * (kept + passing), n * kept + n_next * (kept + passing))
    numbers = max(of_steps, _EVAL_BATCH * (kept + passing))
    return math.ceil(_FLOAT32_BYTES * numbers)


def _layers(model: dict[str, Any], entry: Entry) -> Iterator[_Conv | _Linear]:
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
                yield _Conv(channels, out, height, width, i == len(block), first)
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
        yield _Linear(features, model["hidden_size"], True, bool(model["dropout"]), first)
        features, first = model["hidden_size"], False
    yield _Linear(features, entry.n_classes, False, False, first)
