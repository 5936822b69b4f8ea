"""A network as a plan trains it, with the images that a device is tried on."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runner.config import parts
from runner.config.schema import Config
from runner.data.asked import Asked
from runner.data.loading import Dataset
from runner.data.subset import n_left
from runner.plan import fingerprint
from runner.system.files import sha256

#: Steps of a trial in full batches: those of the longest CUDA graph. A last batch is smaller.
N_STEPS = 20
#: Images that a trained network is evaluated on: a full batch of an evaluation, and a smaller one.
N_TEST = 620
#: Knobs of a network that its name shows, beside its channels.
_SHOWN = ("hidden_size", "fc_depth", "dropout")
#: Bytes that the images of a trial may take; of larger ones there are fewer steps.
_BYTES = 256 << 20


@dataclass(frozen=True, eq=False)
class Network:
    """One kind of network of a plan.

    Images are of shape (n_images, ...), labels of shape (n_images,), as in the data set.
    """

    #: The first cell of the plan that trains it.
    config: Config
    #: For messages; it holds no name of the user's own.
    name: str
    #: The hash of all that decides which kernels compute it, with which shapes.
    key: str
    train_images: NDArray[Any]
    train_labels: NDArray[Any]
    test_images: NDArray[Any]
    test_labels: NDArray[Any]
    #: What pixels are divided by when they are normalised.
    scale: float
    n_classes: int
    #: Whether model and optimizer are none of the user's own.
    ships: bool = True
    #: How many runs of the plan train it.
    n_runs: int = 1

    @property
    def batch_size(self) -> int:
        """Images of a full batch."""
        return int(self.config.train.batch_size)


def networks(cells: Iterable[tuple[Config, Dataset]], n_seeds: int) -> list[Network]:
    """The kinds of network of a plan's cells, each once, with its number of runs."""
    found: dict[str, Network] = {}
    for config, dataset in cells:
        key = _key(config, dataset)
        if key in found:
            found[key] = replace(found[key], n_runs=found[key].n_runs + n_seeds)
        else:
            found[key] = _network(config, dataset, key, n_seeds)
    return list(found.values())


def _network(config: Config, dataset: Dataset, key: str, n_runs: int) -> Network:
    size = min(config.train.batch_size, n_left(Asked.of(config.data), len(dataset.train_images)))
    image_bytes = max(1, dataset.train_images[:1].nbytes)
    n_steps = max(2, min(N_STEPS, _BYTES // (size * image_bytes)))
    rows = np.arange(n_steps * size + (size + 1) // 2) % len(dataset.train_images)
    # What is measured and kept of a run is none of a trial's.
    train = replace(config.train, epochs=1, batch_size=size)
    return Network(
        config=replace(config, train=train, metrics={}, claims={}),
        name=_name(config, dataset),
        key=key,
        train_images=np.asarray(dataset.train_images[rows]),
        train_labels=np.asarray(dataset.train_labels[rows]),
        test_images=np.array(dataset.test_images[:N_TEST]),
        test_labels=np.array(dataset.test_labels[:N_TEST]),
        scale=dataset.full_scale,
        n_classes=dataset.n_classes,
        ships=parts.all_ship(config),
        n_runs=n_runs,
    )


def _key(config: Config, dataset: Dataset) -> str:
    asked, how = Asked.of(config.data), config.engine
    images = dataset.train_images
    return sha256(
        {
            "model": config.model,
            "optimizer": {name: _kind(value) for name, value in config.optimizer.items()},
            "batch_size": config.train.batch_size,
            "images": [list(images.shape[1:]), str(images.dtype), dataset.n_classes],
            "data": [asked.normalize, asked.augment],
            "engine": [how.name, how.tf32],
            "own_code": fingerprint.own_code(config),
        }
    )


def _kind(setting: Any) -> Any:
    """What of an optimizer's setting changes more than the numbers that a kernel is given."""
    if isinstance(setting, float):
        return setting != 0
    if isinstance(setting, dict):
        return {name: _kind(value) for name, value in setting.items()}
    return setting


def _name(config: Config, dataset: Dataset) -> str:
    """`cnn channels=30 hidden_size=100, adam, batches of 100`, without names of the user's own."""
    model = "a model of one's own"
    if parts.ships("model", config.model):
        kind, knobs = config.model[parts.SECTIONS["model"].label], config.model
        names = ["blocks" if knobs.get("blocks") else "channels", *_SHOWN]
        shown = [f"{name}={knobs[name]}" for name in names if name in knobs]
        model = " ".join([str(kind), *shown])
    optimizer = "an optimizer of one's own"
    if parts.ships("optimizer", config.optimizer):
        optimizer = str(config.optimizer[parts.SECTIONS["optimizer"].label])
    size = "x".join(map(str, dataset.train_images.shape[1:]))
    return f"{model} on {size}, {optimizer}, batches of {config.train.batch_size}"
