"""A trained run as a model that predicts."""

import io
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runner import engine as engines
from runner import models
from runner.archive.contents import Contents
from runner.data.catalogue import CATALOGUE
from runner.engine import model_state
from runner.engine.dezero import no_grad, test_mode
from runner.engine.forward import forward
from runner.errors import StateError
from runner.plan import fingerprint
from runner.plan.kept import config_from
from runner.plan.plan import PlannedRun
from runner.record import DONE
from runner.seeding import Masks
from runner.state.records import Setup
from runner.state.root import Root
from runner.state.run_record import changed_files, read_run
from runner.system.sources import make_folder_importable
from runner.tracking import identifiers

#: Images of one forward pass.
_BATCH = 1000


@dataclass(frozen=True)
class Description:
    """What a model is besides its weights."""

    run_key: str
    name: str
    config: dict[str, Any]
    #: Of one image, such as [1, 28, 28].
    image_shape: list[int]
    #: What uint8 pixels are divided by.
    scale: float
    n_classes: int
    #: The fingerprint of the user's own code, or empty.
    own_code: str


class Trained:
    """A model with the weights of a run, in test mode.

    Attributes
    ----------
    model
        The DeZero model itself.
    description
        The run that it is of, and what it takes.
    """

    def __init__(self, description: Description, weights: bytes) -> None:
        """Make the model; `weights` is the content of weights.npz.

        Raises
        ------
        StateError
            When the user's own code has changed since the run was trained.
        """
        self.description, config = description, config_from(description.config)
        if description.own_code not in ("", fingerprint.own_code(config)):
            raise StateError(
                f"{description.name}: your own code has changed since it was trained; its weights"
                " belong to the code that was there then"
            )
        self._shape = tuple(description.image_shape)
        self._engine = engines.create(config.engine.name, Masks(config.seed), "cpu")
        self.model = models.build(
            config.model, self._engine, self._shape, config.seed, description.n_classes
        )
        with np.load(io.BytesIO(weights), allow_pickle=False) as arrays:
            model_state.put(self.model, dict(arrays))

    def __call__(self, x: Any) -> NDArray[np.float32]:
        """The scores of images, float32 of shape (n, n_classes); the largest is the prediction.

        Parameters
        ----------
        x
            Of shape (n, ...) as in the data set: uint8 pixels are divided as in training, and
            floating numbers are taken as they are.

        Raises
        ------
        ValueError
            For another shape.
        """
        x = np.asarray(x)
        if x.shape[1:] != self._shape or not len(x):
            allowed = ", ".join(map(str, ("n", *self._shape)))
            raise ValueError(f"x has the shape {x.shape}; allowed is ({allowed})")
        return np.concatenate([self._scores(x[i : i + _BATCH]) for i in range(0, len(x), _BATCH)])

    def _scores(self, x: NDArray[Any]) -> NDArray[np.float32]:
        engine = self._engine
        if x.dtype == np.uint8:
            rows = np.arange(len(x))
            x = engine.pixels(np.ascontiguousarray(x), rows, self.description.scale)
        with engine.active(), no_grad(), test_mode():
            y = forward(self.model, np.ascontiguousarray(x, dtype=np.float32), engine)
        return np.asarray(y.data, dtype=np.float32)


def load(run: str, root: str | Path | None = None, uri: str | None = None) -> Trained:
    """The trained model of a run.

    Parameters
    ----------
    run
        The start of its key, its name (`channels=30 dropout=true seed=0`), or its MLflow run id.
    root
        The folder of state/; by default the checkout, else the working directory.
    uri
        The tracking store that knows the MLflow id; by default the local one of the root.

    Raises
    ------
    RunnerError
        When there is no such run, it is not trained, its files are not what was written, or the
        user's own code has changed since.
    """
    make_folder_importable()
    description, weights = find(run, Root.of(str(root) if root else None), uri)
    return Trained(description, weights.read_bytes())


def find(word: str, root: Root, uri: str | None = None) -> tuple[Description, Path]:
    """What `load` makes a model of: a trained run, and the file of its weights, each proven.

    Raises
    ------
    RunnerError
    """
    contents = Contents(root)
    run = contents.run(word) or _named(word, contents)
    if run is None and (key := identifiers.run_key_of(word, uri, root)):
        run = contents.run(key)
    if run is None:
        raise contents.no_such(word)
    record = read_run(root.run(run.run_key))
    if record.status != DONE or record.attempt is None or record.end is None:
        raise StateError(f"{run.name}: it is {record.status or 'not trained'} and has no weights")
    folder = root.run(run.run_key).attempt(record.attempt)
    if changed := changed_files(folder, record.end.sha256):
        raise StateError(f"{changed[0]}: not what was written when the run ended")
    return _described(run, record.setup or Setup()), folder.weights


def _named(word: str, contents: Contents) -> PlannedRun | None:
    """The run of a name, that of the latest sweep."""
    named = [run for plan in contents.plans for run in plan.runs if run.name == word]
    named += [run for run in contents.alone if run.name == word]
    return named[-1] if named else None


def _described(run: PlannedRun, setup: Setup) -> Description:
    # Earlier versions did not write shapes, and had the data sets of the catalogue alone.
    entry, is_scaled = CATALOGUE.get(run.data_name), run.config.data["normalize"]
    return Description(
        run_key=run.run_key,
        name=run.name,
        config=asdict(run.config),
        image_shape=setup.image_shape or (list(entry.image_shape) if entry else []),
        scale=setup.scale or (entry.full_scale if entry and is_scaled else 1.0),
        n_classes=setup.n_classes or 10,
        own_code=run.own_code,
    )
