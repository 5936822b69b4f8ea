"""The schema of a configuration: each knob once, with its type and all that is known of it.

Values are in conf/, each once. Sections and knobs are in the order in which a reader should see
them: `--help`, docs/knobs.md and the report keep it.
"""

import difflib
import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from hydra.core.config_store import ConfigStore

from runner.config import effects, parts, rules
from runner.config.knob import Knob, knob, own_knob
from runner.config.knobs.part_knobs import PART_KNOBS
from runner.config.knobs.sweep_knobs import SweepConfig
from runner.errors import short_text
from runner.record import Claim
from runner.system.command import command_of
from runner.system.language import LANGUAGES

#: What `engine.name` may be: the table of runner/engine/__init__.py, which a command need not wait
#: for.
ENGINES = ("fast", "stock")


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
        "true captures steps (on a GPU as CUDA graphs); false calls the same kernels one by one.",
        rules.BOOLEAN,
        recorded=True,
        has_effect=effects.fast,
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
        rules.integer(1, 64, also=0),
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
        "Worker processes; -1 is one a core (CPU; fewer runs share the cores) or one a card (GPU).",
        rules.integer(1, 1024, also=-1),
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
    detach: Any = knob(
        "true submits a sweep to a cluster and leaves it (docs/scaling.md); false waits for it.",
        rules.BOOLEAN,
        before=False,
    )
    keep: str = knob(
        "Final states, from which more epochs go on; auto is always below 2 GB a sweep.",
        rules.one_of("auto", "always", "never"),
        before="never",
    )
    check_card: Any = knob(
        "true trusts a card that computes as the CPU does; false trusts any, unchecked.",
        rules.BOOLEAN,
        before=True,
    )
    language: str = knob(
        "Language of what a sweep prints; auto is that of LC_ALL, LC_MESSAGES or LANG.",
        rules.one_of(*LANGUAGES),
        before="auto",
    )


@dataclass
class WorkerConfig:
    plan: str | None = knob("Path of the sweep.json with a worker's runs.", rules.TEXT_OR_NULL)
    launch: str | None = knob("Name of the launch that started a worker.", rules.TEXT_OR_NULL)
    threads: int = knob(
        "How many threads compute a run of a worker.", rules.integer(1, 4096), before=1
    )


@dataclass(kw_only=True)
class Config:
    seed: int = knob(
        "Seed of every random number of a run; a multirun has the seeds 0,1,2,3,4.",
        rules.integer(0, 2**63 - 1, text="an integer from 0 to 2^63 - 1"),
        bears_on_numbers=True,
        shown=False,
    )
    device: str = knob(
        "Where to train; auto is gpu where a card computes right (docs/card.md) and is faster.",
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
    #: Flat, as in the file of conf/ that was chosen: an import path in `_target_`, and knobs.
    data: dict[str, Any]
    model: dict[str, Any]
    optimizer: dict[str, Any]
    train: TrainConfig
    engine: EngineConfig
    tracking: TrackingConfig
    runner: RunnerConfig
    sweep: SweepConfig
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


def register() -> None:
    """Make the schema known to Hydra, the first entry of conf/config.yaml's defaults list."""
    ConfigStore.instance().store(name="schema", node=Config, provider="runner")


def _knobs(section: Any, prefix: str = "") -> Iterator[tuple[str, Knob]]:
    for part in fields(section):
        name = prefix + part.name
        inner = PART_KNOBS.get(name) or (part.type if is_dataclass(part.type) else None)
        if inner:
            yield from _knobs(inner, f"{name}.")
        else:
            yield name, part.metadata["knob"]


#: Every knob that is known before a file of conf/ is read, by its dotted name, in the order in
#: which a reader should see them.
KNOBS: dict[str, Knob] = dict(_knobs(Config))


def unknown_key(key: str) -> str:
    """The message for a key that no knob has, with the nearest one that exists."""
    known = [*KNOBS, *GROUPS]
    by_last_part = {name.rpartition(".")[2]: name for name in known}
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    if not near:
        near_parts = difflib.get_close_matches(key.rpartition(".")[2], by_last_part, n=1)
        near = [by_last_part[part] for part in near_parts]
    hint = f"; did you mean {near[0]}?" if near else ""
    return (
        f"{short_text(key)}: there is no such knob{hint} ({command_of('runner')} --help lists them)"
    )


@functools.cache
def options(section: str) -> frozenset[str]:
    """The keys of a section that are no arguments of its part."""
    names = (name.split(".") for name, knob in KNOBS.items() if not knob.is_argument)
    label = parts.SECTIONS[section].label
    return frozenset(name[1] for name in names if name[0] == section and name[1] != label)


def leaves(config: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every knob of a configuration with its value, under its dotted name."""
    for part in fields(config):
        value = getattr(config, part.name)
        if is_dataclass(value):
            yield from leaves(value, f"{prefix}{part.name}.")
        elif part.name in PART_KNOBS and not prefix:
            yield from _flat(value, f"{part.name}.")
        else:
            yield prefix + part.name, value


def _flat(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    """The knobs of a section of any depth; one whose value is a dictionary is a knob for each."""
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{key}.")
        elif key != parts.TARGET:
            yield prefix + key, value


def knobs_of(config: Config) -> dict[str, Knob]:
    """Every knob of a configuration by its dotted name, those of the user's own parts included."""
    return {name: knob_of(config, name) for name, _ in leaves(config)}


def knob_of(config: Config, name: str) -> Knob:
    """What is known of a knob in this configuration."""
    section, _, key = name.partition(".")
    known = KNOBS.get(name)
    if section not in PART_KNOBS or (known and not known.is_argument):
        return KNOBS[name]
    values = getattr(config, section)
    if known and parts.ships(section, values):
        return known
    first, _, deeper = key.partition(".")
    parameter = parts.parameter(section, values, first)
    return own_knob(parameter.comment, "" if deeper else parameter.annotation)


def recorded(config: Config) -> dict[str, Any]:
    """The knobs that MLflow keeps as a run's parameters, by dotted name.

    A dictionary that came later is left out where it is empty: older runs have no such parameter.
    """
    known = knobs_of(config)
    return {
        name: value
        for name, value in leaves(config)
        if known[name].recorded and not (value == {} and known[name].came_later)
    }


def without_effect(config: Config) -> list[str]:
    """The recorded knobs, sorted by name, that change nothing in this configuration."""
    values = dict(leaves(config))
    known = knobs_of(config).items()
    return sorted(n for n, knob in known if knob.recorded and not knob.is_effective(values))
