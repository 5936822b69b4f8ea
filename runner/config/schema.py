"""The schema of a configuration: every knob with its type, and the check of a composed one.

Values are in conf/, each once, and ranges in ranges.py. What Hydra composes is checked again here, whole, before
anything runs.
"""

import dataclasses
import difflib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigKeyError, MissingMandatoryValue, OmegaConfBaseException

from runner.config.names import check_optimizer
from runner.config.rules import ALLOWED, TEXT, is_text
from runner.errors import ConfigError, short_text
from runner.record import CLAIM_KINDS, Claim, parse_reduction


@dataclass
class ModelConfig:
    kind: str
    channels: int
    blocks: list[list[int]] | None
    hidden_size: int
    fc_depth: int
    # Any, because Hydra would turn 2 and `yes` into True before anybody could object.
    dropout: Any
    dropout_ratio: float
    options: dict[str, Any]


@dataclass
class DataConfig:
    name: str
    normalize: Any
    root: str | None
    allow_fallback: Any


@dataclass
class OptimizerConfig:
    name: str
    lr: float
    weight_decay: float
    momentum: float


@dataclass
class EngineConfig:
    name: str
    graph: Any
    tf32: Any
    streams: int


@dataclass
class TrainConfig:
    epochs: int
    batch_size: int


@dataclass
class TrackingConfig:
    uri: str | None
    experiment: str


@dataclass
class RunnerConfig:
    root: str | None
    workers: int
    checkpoint_every_s: float
    time_limit_s: float
    fail_fast: Any


@dataclass
class WorkerConfig:
    plan: str | None
    launch: str | None


@dataclass
class Config:
    seed: int
    device: str
    plan: Any
    progress: Any
    model: ModelConfig
    data: DataConfig
    optimizer: OptimizerConfig
    engine: EngineConfig
    train: TrainConfig
    tracking: TrackingConfig
    runner: RunnerConfig
    claims: dict[str, Claim]
    worker: WorkerConfig


#: Groups of conf/ that may stand on the command line as NAME=OPTION.
GROUPS = ("model", "data", "optimizer", "engine", "sweeps", "preset")
#: Dictionaries into which a user may put names of their own (with Hydra's `+`).
OPEN_PREFIXES = ("model.options.",)


def register() -> None:
    """Make the schema known to Hydra, the first entry of conf/config.yaml's defaults list."""
    ConfigStore.instance().store(name="schema", node=Config, provider="runner")


def checked(composed: DictConfig) -> Config:
    """The configuration as plain dataclasses, every key known, every value in its range.

    Merged into a fresh schema first: Hydra's `+key=1` opens what it composed, so only this sees it.

    Raises
    ------
    ConfigError
        Naming the key, what came and what is allowed.
    """
    try:
        # Resolved once, by to_object: an escaped `\${x}` of a path must not become an interpolation.
        values = OmegaConf.to_container(composed)
        assert isinstance(values, dict)
        values.pop("hydra", None)
        config = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(Config), values))
    except OmegaConfBaseException as error:
        raise from_omegaconf(error) from error
    assert isinstance(config, Config)
    for key, value in leaves(config):
        if not ALLOWED[key].test(value):
            raise ConfigError(f"{key}={short_text(value)}: allowed is {ALLOWED[key].text}")
    check_optimizer(config.optimizer.name, config.engine.name)
    for name, claim in config.claims.items():
        _check_claim(name, claim)
    return config


def from_omegaconf(error: OmegaConfBaseException) -> ConfigError:
    """One line for what OmegaConf refused: the key, what came, what is allowed."""
    # `model.blocks[0][1]` is part of the knob `model.blocks`.
    key = (error.full_key or "").partition("[")[0]
    first_line = " ".join(str(error.msg or error).splitlines()[0].split())
    if key.startswith(OPEN_PREFIXES):
        return ConfigError(f"{key}: {first_line}; a name of your own is added with +{key}=VALUE")
    if isinstance(error, ConfigKeyError):
        return ConfigError(unknown_key(key))
    if isinstance(error, MissingMandatoryValue):
        return ConfigError(f"{key}: has no value; allowed is {ALLOWED[key].text if key in ALLOWED else 'a value'}")
    allowed = f"; allowed is {ALLOWED[key].text}" if key in ALLOWED else ""
    return ConfigError(f"{key}: {first_line}{allowed}" if key else first_line)


def unknown_key(key: str) -> str:
    """The message for a key that no knob has, with the nearest one that exists."""
    known = [*ALLOWED, *GROUPS]
    by_last_part = {k.rpartition(".")[2]: k for k in known}
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    near = near or [by_last_part[m] for m in difflib.get_close_matches(key.rpartition(".")[2], by_last_part, n=1)]
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"{short_text(key)}: there is no such knob{hint} (python -m runner --help lists them)"


def leaves(config: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every knob of a configuration with its value, under its dotted name."""
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            yield from leaves(value, f"{prefix}{field.name}.")
        else:
            yield prefix + field.name, value


def _check_claim(name: str, claim: Claim) -> None:
    where = f"claims.{short_text(name)}"
    if not is_text(name) or not is_text(claim.says):
        raise ConfigError(f"{where}.says={short_text(claim.says)}: allowed, for it and its name, is {TEXT.text}")
    if len(claim.kinds) != 1:
        raise ConfigError(f"{where}: give exactly one of {', '.join(CLAIM_KINDS[:-1])} and {CLAIM_KINDS[-1]}")
    if claim.levels is not None and (len(claim.levels) != 2 or claim.levels[0] == claim.levels[1]):
        raise ConfigError(f"{where}.levels={short_text(claim.levels)}: allowed is a pair [a, b] of different levels")
    for knob in (claim.knob, *claim.at):
        if knob not in ALLOWED and knob not in GROUPS and not knob.startswith(OPEN_PREFIXES):
            raise ConfigError(f"{where}: {unknown_key(knob)}")
    for field, metric in (("metric", claim.metric), ("minus", claim.minus)):
        try:
            if metric is not None:
                parse_reduction(metric)
        except ValueError as error:
            _, _, allowed = str(error).rpartition(": allowed is ")
            raise ConfigError(f"{where}.{field}={short_text(metric)}: allowed is {allowed}") from error
    if claim.direction not in ("less", "greater", "either"):
        raise ConfigError(f"{where}.direction={short_text(claim.direction)}: allowed is less, greater or either")
    if not (math.isfinite(claim.margin) and claim.margin >= 0):
        raise ConfigError(f"{where}.margin={claim.margin}: allowed is a finite number from 0 on")
