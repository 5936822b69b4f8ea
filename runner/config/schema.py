"""The schema of a configuration: each knob once, with its type and all that is known of it.

Values are in conf/, each once. Sections and knobs are in the order in which a reader should see
them: `--help`, docs/knobs.md and the report keep it.
"""

import pkgutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from hydra.core.config_store import ConfigStore

from runner.config import effects, rules
from runner.config.knob import Knob, knob
from runner.config.names import ENGINES, OPTIMIZERS
from runner.data.catalogue import CATALOGUE
from runner.record import Claim
from runner.system.files import PACKAGE

MODELS = tuple(sorted(module.name for module in pkgutil.iter_modules([str(PACKAGE / "models")])))


@dataclass
class DataConfig:
    name: str = knob(
        "Data set; mnist5k is 5,000 installed images of MNIST, digits has 8x8 pixels.",
        rules.one_of(*CATALOGUE),
        bears_on_numbers=True,
    )
    # Any, because Hydra would turn 2 and `yes` into True before anybody could object.
    normalize: Any = knob(
        "true divides pixels by their largest value; false takes them raw, as was published.",
        rules.BOOLEAN,
        bears_on_numbers=True,
    )
    root: str | None = knob(
        "Folder of the data set's files; null: $MNIST_ROOT or $FASHION_MNIST_ROOT, cache, mirrors.",
        rules.TEXT_OR_NULL,
    )
    allow_fallback: Any = knob(
        "true trains on mnist5k where MNIST cannot be had, and says so; false ends with code 3.",
        rules.BOOLEAN,
    )


@dataclass
class ModelConfig:
    kind: str = knob(
        "Kind of network: a file of runner/models (cnn, mlp, or your own).",
        rules.one_of(*MODELS),
        bears_on_numbers=True,
    )
    channels: int = knob(
        "Channels of the only convolution.",
        rules.integer(1, 4096),
        bears_on_numbers=True,
        has_effect=effects.channels,
    )
    blocks: list[list[int]] | None = knob(
        "Channels of each 3x3 convolution, by block; a 2x2 max-pool ends each; null: [[channels]].",
        rules.BLOCKS,
        bears_on_numbers=True,
        has_effect=effects.blocks,
    )
    hidden_size: int = knob(
        "Units of each hidden layer.",
        rules.integer(1, 65536),
        bears_on_numbers=True,
        has_effect=effects.hidden_layer,
    )
    fc_depth: int = knob("Number of hidden layers.", rules.integer(0, 16), bears_on_numbers=True)
    dropout: Any = knob(
        "Dropout after each hidden layer.",
        rules.BOOLEAN,
        bears_on_numbers=True,
        has_effect=effects.hidden_layer,
    )
    dropout_ratio: float = knob(
        "Share of the units that dropout drops.",
        rules.number("a number from 0 to below 1", lambda v: 0 <= v < 1),
        bears_on_numbers=True,
        has_effect=effects.dropout,
    )
    options: dict[str, Any] = knob(
        "Knobs of a model of your own, by name (docs/models.md).",
        rules.JSON,
        bears_on_numbers=True,
        has_effect=effects.own_model,
    )


@dataclass
class OptimizerConfig:
    name: str = knob("DeZero's optimizer.", rules.one_of(*OPTIMIZERS), bears_on_numbers=True)
    lr: float = knob(
        "Learning rate.",
        rules.number("a number above 0, at most 100", lambda v: 0 < v <= 100),
        bears_on_numbers=True,
    )
    weight_decay: float = knob(
        "Share of each weight that is added to its gradient (L2, biases too).",
        rules.number("a number from 0 to 1", lambda v: 0 <= v <= 1),
        bears_on_numbers=True,
    )
    momentum: float = knob(
        "Share of a step that the next step keeps.",
        rules.number("a number from 0 to below 1", lambda v: 0 <= v < 1),
        bears_on_numbers=True,
        has_effect=effects.momentum,
    )


@dataclass
class TrainConfig:
    epochs: int = knob(
        "Passes over the training images.", rules.integer(1, 10_000), bears_on_numbers=True
    )
    batch_size: int = knob(
        "Images a step.",
        rules.integer(1, 1_000_000, text="an integer from 1 to the number of training images"),
        bears_on_numbers=True,
    )


@dataclass
class EngineConfig:
    name: str = knob(
        "How a step is computed: fast has fused kernels, stock is all DeZero's own.",
        rules.one_of(*ENGINES),
        bears_on_numbers=True,
    )
    graph: Any = knob(
        "true runs steps as CUDA graphs; false launches the same kernels one by one.",
        rules.BOOLEAN,
        recorded=True,
        has_effect=effects.fast_on_gpu,
        before=True,
    )
    tf32: Any = knob(
        "true lets matrix products round their factors to 10 bits, for tensor cores.",
        rules.BOOLEAN,
        bears_on_numbers=True,
        has_effect=effects.fast_on_gpu,
        before=False,
    )
    streams: int = knob(
        "Runs that one card computes at a time; 0 finds out what pays.",
        rules.integer(1, 64, also=(0,)),
        recorded=True,
        has_effect=effects.fast_on_gpu,
        before=0,
    )


@dataclass
class TrackingConfig:
    uri: str | None = knob(
        "MLflow store; null is a local SQLite file under the root.",
        rules.STORE,
        variable="MLFLOW_TRACKING_URI",
    )
    experiment: str = knob(
        "Name of the MLflow experiment.", rules.TEXT, variable="MLFLOW_EXPERIMENT_NAME"
    )


@dataclass
class RunnerConfig:
    root: str | None = knob(
        "Folder of state/, mlflow.db and mlartifacts/; null: the checkout, else this folder.",
        rules.TEXT_OR_NULL,
    )
    workers: int = knob(
        "Worker processes; -1 is one a core (CPU) or one a card (GPU).",
        rules.integer(1, 1024, also=(-1,)),
    )
    checkpoint_every_s: float = knob(
        "Least number of seconds between two checkpoints; each is written at the end of an epoch.",
        rules.number("a number of seconds from 0 to 86400", lambda v: 0 <= v <= 86400),
    )
    time_limit_s: float = knob(
        "Seconds after which a run that has not ended fails, and the others of its sweep go on.",
        rules.number("a number of seconds up to 1e9, or 0 for no limit", lambda v: 0 <= v <= 1e9),
        before=0.0,
    )
    fail_fast: Any = knob(
        "true stops a sweep at the first run that fails; false trains the others all the same.",
        rules.BOOLEAN,
        before=False,
    )
    keep: str = knob(
        "Final states, from which more epochs go on; auto is always below 2 GB a sweep.",
        rules.one_of("auto", "always", "never"),
        before="never",
    )


@dataclass
class WorkerConfig:
    plan: str | None = knob("Path of the sweep.json with a worker's runs.", rules.TEXT_OR_NULL)
    launch: str | None = knob("Name of the launch that started a worker.", rules.TEXT_OR_NULL)


@dataclass(kw_only=True)
class Config:
    seed: int = knob(
        "Seed of every random number of a run; a multirun has the seeds 0,1,2,3,4.",
        rules.integer(0, 2**63 - 1, text="an integer from 0 to 2^63 - 1"),
        bears_on_numbers=True,
        shown=False,
    )
    device: str = knob(
        "Where to train; gpu needs CuPy, auto is gpu where there is one.",
        rules.one_of("auto", "cpu", "gpu"),
        bears_on_numbers=True,
        shown=False,
    )
    plan: Any = knob(
        "true prints what would be trained, how long it takes and where it goes, and stops.",
        rules.BOOLEAN,
    )
    progress: Any = knob(
        "true shows a live display; false prints the table at the end alone.", rules.BOOLEAN
    )
    data: DataConfig
    model: ModelConfig
    optimizer: OptimizerConfig
    train: TrainConfig
    engine: EngineConfig
    tracking: TrackingConfig
    runner: RunnerConfig
    metrics: dict[str, str] = knob(
        "Metrics of your own, by name: f(scores, labels) -> float (docs/add_a_metric.md).",
        rules.Allowed(
            "in a file of conf/ or sweeps/ alone, such as {test/f1: mine.f1}",
            lambda v: isinstance(v, dict),
        ),
        bears_on_numbers=True,
        shown=False,
        before={},
    )
    claims: dict[str, Claim] = knob(
        "The sentences to decide, by name; docs/design.md gives their fields.", rules.DICTIONARY
    )
    worker: WorkerConfig


#: Groups of conf/ that may stand on the command line as NAME=OPTION.
GROUPS = ("model", "data", "optimizer", "engine", "sweeps", "preset")
#: Dictionaries into which a user may put names of their own (with Hydra's `+`).
OPEN_PREFIXES = ("model.options.",)


def register() -> None:
    """Make the schema known to Hydra, the first entry of conf/config.yaml's defaults list."""
    ConfigStore.instance().store(name="schema", node=Config, provider="runner")


def leaves(config: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every knob of a configuration with its value, under its dotted name."""
    for part in fields(config):
        value = getattr(config, part.name)
        if is_dataclass(value):
            yield from leaves(value, f"{prefix}{part.name}.")
        else:
            yield prefix + part.name, value


def _knobs(section: Any, prefix: str = "") -> Iterator[tuple[str, Knob]]:
    for part in fields(section):
        if is_dataclass(part.type):
            yield from _knobs(part.type, f"{prefix}{part.name}.")
        else:
            yield prefix + part.name, part.metadata["knob"]


#: Every knob by its dotted name, in the order of the schema.
KNOBS: dict[str, Knob] = dict(_knobs(Config))


def recorded(config: Config) -> dict[str, Any]:
    """The knobs that MLflow keeps as a run's parameters, by dotted name.

    A dictionary that came later is left out where it is empty: older runs have no such parameter.
    """
    return {
        name: value
        for name, value in leaves(config)
        if KNOBS[name].recorded and not (value == {} and KNOBS[name].came_later)
    }


def without_effect(values: Mapping[str, Any]) -> list[str]:
    """The recorded knobs, sorted by name, that change nothing under the values of all knobs."""
    return sorted(
        name for name, knob in KNOBS.items() if knob.recorded and not knob.is_effective(values)
    )
