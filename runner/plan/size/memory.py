"""The memory that a run needs, from the arrays that its engine makes of its configuration.

Counted are the bytes that a worker has resident when it has most. What all workers share, the files
that are mapped (libraries, the data set), is kept apart: on a machine it is there once.
`python -m benchmarks.memory` holds this against measurements.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from runner.config import parts
from runner.config.schema import Config
from runner.data.asked import Asked
from runner.data.catalogue import Entry
from runner.data.subset import n_left
from runner.errors import ConfigError
from runner.plan.plan import PlannedRun
from runner.plan.size.layers import ENGINES, Conv, Engine, layers_of

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
class Measured:
    """What a model that does not ship was seen to need."""

    n_parameters: int
    #: Numbers of the largest parameter.
    n_largest: int
    #: Bytes of the arrays of a step by image; 0: not measured.
    image_bytes: float = 0.0


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
        list(layers_of(config.model, entry))


def need(
    config: Config, entry: Entry, device: str = "cpu", measured: Measured | None = None
) -> Need | None:
    """The memory of a worker that trains this configuration.

    Parameters
    ----------
    device
        On "gpu" the arrays of a step are on the card, and only what is done with weights counts.
    measured
        Of a model that does not ship; where it is None, nothing is known and None is returned.
    """
    engine = ENGINES[config.engine.name]
    if parts.ships("model", config.model):
        sizes = [layer.n_parameters for layer in layers_of(config.model, entry)]
        n, n_largest, step = sum(sizes), max(sizes), _of_step(config, entry, engine)
    elif measured is not None:
        n, n_largest = measured.n_parameters, measured.n_largest
        step = math.ceil(max(config.train.batch_size, _EVAL_BATCH) * measured.image_bytes)
    else:
        return None
    drawing, checkpoint, training = _of_weights(n, n_largest, _slots(config), engine)
    image = math.prod(entry.image_shape) * entry.pixel_bytes
    data = (entry.n_train + entry.n_test) * image
    largest = max(drawing, checkpoint, training + (0 if device == "gpu" else step))
    own = engine.own + largest + image * _n_copied(config, entry)
    return Need(own, engine.libraries + data, engine.untouched)


def of_cells(
    cells: Mapping[str, Sequence[PlannedRun]],
    entry: Callable[[PlannedRun], Entry],
    seen: Mapping[str, Measured],
) -> tuple[dict[str, int | None], dict[str, Need | None]]:
    """By cell key, the bytes of a run's final state (`final_state`), and the memory it needs.

    Parameters
    ----------
    entry
        What is known of the data that a run reads.
    seen
        What models that do not ship were seen to need, by cell key.
    """
    sizes: dict[str, int | None] = {}
    needs: dict[str, Need | None] = {}
    for key, (run, *_) in cells.items():
        of = entry(run)
        sizes[key] = final_state(run.config, of, seen.get(key))
        needs[key] = need(run.config, of, run.device, seen.get(key))
    return sizes, needs


def _n_copied(config: Config, entry: Entry) -> int:
    """How many training images a worker copies, as a part of a data set is not mapped."""
    asked = Asked.of(config.data)
    n = n_left(asked, entry.n_train)
    return 0 if n == entry.n_train else n + asked.validation


def final_state(config: Config, entry: Entry, measured: Measured | None = None) -> int | None:
    """Bytes of a run's weights and optimizer; None where they are not known, as in `need`."""
    if parts.ships("model", config.model):
        n = sum(layer.n_parameters for layer in layers_of(config.model, entry))
    elif measured is not None:
        n = measured.n_parameters
    else:
        return None
    return _FLOAT32_BYTES * n * (1 + _slots(config))


def _of_weights(n: int, n_largest: int, slots: int, engine: Engine) -> tuple[int, int, int]:
    """Bytes of what is as large as n weights: as they are drawn, in a checkpoint, in a step."""
    # Weights, gradients, and the optimizer's.
    lasting = n * (2 + slots)
    drawing = n + _COPIES_IN_DRAWING * n_largest
    checkpoint = lasting + _COPIES_IN_CHECKPOINT * n * (1 + slots)
    training = lasting if engine.updates_in_place else lasting + 3 * n_largest
    return (
        _FLOAT32_BYTES * drawing,
        math.ceil(_FLOAT32_BYTES * checkpoint),
        _FLOAT32_BYTES * training,
    )


def _slots(config: Config) -> int:
    return _SLOTS.get(config.optimizer["name"], _SLOTS_OF_ADAM)


def _of_step(config: Config, entry: Entry, engine: Engine) -> int:
    """Bytes of what is as large as a batch."""
    kept = float(engine.image(*entry.image_shape))
    passing = 0.0
    for layer in layers_of(config.model, entry):
        of_layer = engine.conv(layer) if isinstance(layer, Conv) else engine.linear(layer)
        kept += of_layer[0]
        passing = max(passing, of_layer[1])
    numbers = max(config.train.batch_size, _EVAL_BATCH) * (kept + passing)
    return math.ceil(_FLOAT32_BYTES * numbers)
