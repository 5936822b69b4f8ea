"""The check of a composed configuration, whole, before anything runs."""

import difflib
import json
import keyword
import math

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigKeyError, MissingMandatoryValue, OmegaConfBaseException

from runner.config.names import check_optimizer
from runner.config.rules import TEXT, is_text
from runner.config.schema import GROUPS, KNOBS, OPEN_PREFIXES, Config, leaves, recorded
from runner.errors import ConfigError, short_text
from runner.record import (
    CLAIM_KINDS,
    EVALUATIONS,
    SHIPPED_METRICS,
    Claim,
    is_metric,
    parse_reduction,
)

#: Of a parameter's text in a tracking store.
LONGEST_PARAMETER = 6000


_MOST_CLAIMS = 200
_MOST_METRICS = 20


def checked(composed: DictConfig) -> Config:
    """The configuration as plain dataclasses, every key known, every value in its range.

    Merged into a fresh schema first: Hydra's `+key=1` opens what it composed, so only this sees it.

    Raises
    ------
    ConfigError
        Naming the key, what came and what is allowed.
    """
    try:
        # Resolved once, by to_object: an escaped `\${x}` in a path is no interpolation.
        values = OmegaConf.to_container(composed)
        assert isinstance(values, dict)
        values.pop("hydra", None)
        config = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(Config), values))
    except OmegaConfBaseException as error:
        raise from_omegaconf(error) from error
    assert isinstance(config, Config)
    for key, value in leaves(config):
        check_value(key, value)
    for key, value in recorded(config).items():
        # Found before a run is trained that could never be stored.
        if len(text := json.dumps(value)) > LONGEST_PARAMETER:
            raise ConfigError(
                f"{key}={short_text(value)}: has {len(text)} characters, and MLflow takes"
                f" {LONGEST_PARAMETER}"
            )
    check_optimizer(config.optimizer.name, config.engine.name)
    _check_metrics(config.metrics)
    if len(config.claims) > _MOST_CLAIMS:
        raise ConfigError(
            f"{len(config.claims)} claims are more than {_MOST_CLAIMS}, which one"
            " sweep may have: all of them share its 5 %"
        )
    for name, claim in config.claims.items():
        _check_claim(name, claim, config.metrics)
    return config


def check_value(key: str, value: object) -> None:
    """Refuse a value that a knob may not have.

    Raises
    ------
    ConfigError
        Naming the knob, what came and what is allowed.
    """
    knob = KNOBS[key]
    if not knob.allowed.test(value):
        origin = f" (from {knob.variable})" if knob.is_from_variable(value) else ""
        raise ConfigError(f"{key}={short_text(value)}{origin}: allowed is {knob.allowed.text}")


def from_omegaconf(error: OmegaConfBaseException) -> ConfigError:
    """One line for what OmegaConf refused: the key, what came, what is allowed."""
    # `model.blocks[0][1]` is part of the knob `model.blocks`.
    key = (error.full_key or "").partition("[")[0]
    first_line = " ".join(str(error.msg or error).splitlines()[0].split())
    if key.startswith(OPEN_PREFIXES):
        return ConfigError(f"{key}: {first_line}; a name of your own is added with +{key}=VALUE")
    if isinstance(error, ConfigKeyError):
        return ConfigError(unknown_key(key))
    allowed = KNOBS[key].allowed.text if key in KNOBS else ""
    if isinstance(error, MissingMandatoryValue):
        return ConfigError(f"{key}: has no value; allowed is {allowed or 'a value'}")
    allowed = allowed and f"; allowed is {allowed}"
    return ConfigError(f"{key}: {first_line}{allowed}" if key else first_line)


def unknown_key(key: str) -> str:
    """The message for a key that no knob has, with the nearest one that exists."""
    known = [*KNOBS, *GROUPS]
    by_last_part = {name.rpartition(".")[2]: name for name in known}
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    if not near:
        near_parts = difflib.get_close_matches(key.rpartition(".")[2], by_last_part, n=1)
        near = [by_last_part[part] for part in near_parts]
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"{short_text(key)}: there is no such knob{hint} (python -m runner --help lists them)"


def _check_metrics(metrics: dict[str, str]) -> None:
    if len(metrics) > _MOST_METRICS:
        raise ConfigError(f"metrics: {len(metrics)} are more than {_MOST_METRICS}")
    for name, path in metrics.items():
        where = f"metrics.{short_text(name)}"
        if name in SHIPPED_METRICS:
            raise ConfigError(f"{where}: every run records it; give yours another name")
        if not is_metric(name) or name.count("/") > 1:
            evaluations = f"{', '.join(EVALUATIONS[:-1])} or {EVALUATIONS[-1]}"
            raise ConfigError(
                f"{where}: allowed is EVALUATION/NAME, {evaluations} and a name of up to 60"
                " letters, digits and _"
            )
        parts = str(path).split(".")
        if len(parts) < 2 or not all(p.isidentifier() and not keyword.iskeyword(p) for p in parts):
            raise ConfigError(
                f"{where}={short_text(path)}: allowed is the import path of a function, such as"
                " mine.f1"
            )


def _check_claim(name: str, claim: Claim, own_metrics: dict[str, str]) -> None:
    where = f"claims.{short_text(name)}"
    if not is_text(name) or not is_text(claim.says):
        raise ConfigError(
            f"{where}.says={short_text(claim.says)}: allowed, for it and its name, is {TEXT.text}"
        )
    if len(claim.kinds) != 1:
        kinds = f"{', '.join(CLAIM_KINDS[:-1])} and {CLAIM_KINDS[-1]}"
        raise ConfigError(f"{where}: give exactly one of {kinds}")
    if claim.levels is not None and (len(claim.levels) != 2 or claim.levels[0] == claim.levels[1]):
        raise ConfigError(
            f"{where}.levels={short_text(claim.levels)}: allowed is a pair [a, b] of different"
            " levels"
        )
    for knob in (claim.knob, *claim.at):
        if knob not in KNOBS and knob not in GROUPS and not knob.startswith(OPEN_PREFIXES):
            raise ConfigError(f"{where}: {unknown_key(knob)}")
    for field, metric in (("metric", claim.metric), ("minus", claim.minus)):
        try:
            if metric is not None:
                parse_reduction(metric, own_metrics)
        except ValueError as error:
            _, _, allowed = str(error).rpartition(": allowed is ")
            raise ConfigError(
                f"{where}.{field}={short_text(metric)}: allowed is {allowed}"
            ) from error
    if claim.direction not in ("less", "greater", "either"):
        raise ConfigError(
            f"{where}.direction={short_text(claim.direction)}: allowed is less, greater or either"
        )
    if not (math.isfinite(claim.margin) and claim.margin >= 0):
        raise ConfigError(f"{where}.margin={claim.margin}: allowed is a finite number from 0 on")
