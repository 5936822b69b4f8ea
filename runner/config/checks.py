"""The check of a composed configuration, whole, before anything runs."""

import difflib
import json
import keyword
import math
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    MissingMandatoryValue,
    OmegaConfBaseException,
)

from runner.config import parts
from runner.config.knob import Knob
from runner.config.rules import TEXT, is_text
from runner.config.schema import GROUPS, KNOBS, Config, knob_of, knobs_of, leaves, options, recorded
from runner.errors import ConfigError, short_text
from runner.record import (
    CLAIM_KINDS,
    DIVERGES,
    EVALUATIONS,
    MISSING,
    SHIPPED_METRICS,
    Claim,
    is_metric,
    parse_reduction,
)
from runner.system.command import command_of

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
    for section in parts.SECTIONS:
        setattr(config, section, _part(section, getattr(config, section)))
        for key, value in getattr(config, section).items():
            if isinstance(value, dict):  # before each of its leaves is taken for a knob
                name = f"{section}.{key}"
                check_value(name, value, knob_of(config, name))
    known = knobs_of(config)
    for key, value in leaves(config):
        _check_option(key, value)
        check_value(key, value, known[key])
    for section in parts.SECTIONS:
        setattr(config, section, _cast(getattr(config, section), known, section))
    schedule = config.optimizer["schedule"]
    if schedule["kind"] == "step" and not schedule["at"]:
        raise ConfigError(
            "optimizer.schedule.at=[]: allowed with optimizer.schedule.kind=step is a list of one"
            " epoch or more, such as [10,20]"
        )
    for key, value in recorded(config).items():
        # Found before a run is trained that could never be stored.
        if len(text := json.dumps(value)) > LONGEST_PARAMETER:
            raise ConfigError(
                f"{key}={short_text(value)}: has {len(text)} characters, and MLflow takes"
                f" {LONGEST_PARAMETER}"
            )
    _check_metrics(config.metrics)
    if len(config.claims) > _MOST_CLAIMS:
        raise ConfigError(
            f"{len(config.claims)} claims are more than {_MOST_CLAIMS}, which one"
            " sweep may have: all of them share its 5 %"
        )
    for name, claim in config.claims.items():
        _check_claim(name, claim, config.metrics)
    return config


def _part(section: str, values: dict[str, Any]) -> dict[str, Any]:
    """A section that names what makes it, checked: options first, as the schema has them."""
    named = parts.check(section, values, options(section))
    first = [name.partition(".")[2] for name in KNOBS if name.startswith(f"{section}.")]
    order = [parts.TARGET, *(key.partition(".")[0] for key in first), *named]
    return {key: named[key] for key in dict.fromkeys(order) if key in named}


def _cast(values: dict[str, Any], known: dict[str, Knob], prefix: str) -> dict[str, Any]:
    """The values in the one spelling that each has."""
    found = {}
    for key, value in values.items():
        name = f"{prefix}.{key}"
        if name in known:
            found[key] = known[name].allowed.cast(value)
        else:
            found[key] = _cast(value, known, name) if isinstance(value, dict) else value
    return found


def _check_option(key: str, value: object) -> None:
    """Refuse a value in place of the knobs of a section, such as `optimizer.schedule=null`."""
    section, _, rest = key.partition(".")
    is_option = section in parts.SECTIONS and rest.partition(".")[0] in options(section)
    inner = [name for name in KNOBS if name.startswith(f"{key}.")]
    if is_option and key not in KNOBS:
        if inner:
            raise ConfigError(f"{key}={short_text(value)}: allowed are {', '.join(inner)}")
        raise ConfigError(unknown_key(key))


def check_value(key: str, value: object, knob: Knob | None = None) -> None:
    """Refuse a value that a knob may not have.

    Parameters
    ----------
    knob
        What is known of it; by default what the schema says.

    Raises
    ------
    ConfigError
        Naming the knob, what came and what is allowed.
    """
    knob = knob or KNOBS[key]
    if not knob.allowed.test(value):
        origin = f" (from {knob.variable})" if knob.is_from_variable(value) else ""
        raise ConfigError(f"{key}={short_text(value)}{origin}: allowed is {knob.allowed.text}")


def from_omegaconf(error: OmegaConfBaseException) -> ConfigError:
    """One line for what OmegaConf refused: the key, what came, what is allowed."""
    # `model.blocks[0][1]` is part of the knob `model.blocks`.
    key = (error.full_key or "").partition("[")[0]
    first_line = " ".join(str(error.msg or error).splitlines()[0].split())
    if isinstance(error, (ConfigKeyError, ConfigAttributeError)):
        if key.startswith("sweep.around."):
            # Hydra adds no key to a dictionary that a file gives.
            return ConfigError(f"{key}: the sweep's file gives sweep.around; name the level there")
        return ConfigError(_not_in_part(error) or unknown_key(key))
    allowed = KNOBS[key].allowed.text if key in KNOBS else ""
    if isinstance(error, MissingMandatoryValue):
        return ConfigError(f"{key}: has no value; allowed is {allowed or 'a value'}")
    allowed = allowed and f"; allowed is {allowed}"
    return ConfigError(f"{key}: {first_line}{allowed}" if key else first_line)


def _not_in_part(error: OmegaConfBaseException) -> str | None:
    """The message for a key that the chosen file of a section that names its part does not list."""
    section, _, key = str(error.full_key).partition(".")
    chosen = error.parent_node
    if section not in parts.SECTIONS or not isinstance(chosen, DictConfig) or "." in key:
        return None
    values = OmegaConf.to_container(chosen, resolve=False)
    if not isinstance(values, dict) or parts.TARGET not in values:
        return None
    return parts.not_listed(section, {str(k): v for k, v in values.items()}, key, options(section))


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
    for knob in (claim.knob, *claim.at, *claim.best_over):
        is_of_part = knob.partition(".")[0] in parts.SECTIONS  # the plan looks at these
        if knob not in KNOBS and knob not in GROUPS and not is_of_part:
            raise ConfigError(f"{where}: {unknown_key(knob)}")
    reductions = {"metric": claim.metric, "minus": claim.minus, "chosen_on": claim.chosen_on}
    for field, metric in reductions.items():
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
    _check_best_over(where, claim)
    _check_divergence(where, claim)


def _check_best_over(where: str, claim: Claim) -> None:
    """Refuse a choice of levels that is no choice, or that the test images would make."""
    if not claim.best_over and claim.chosen_on is None:
        return
    if not claim.best_over or claim.chosen_on is None:
        raise ConfigError(
            f"{where}: best_over (knobs) and chosen_on (what is best, such as final(val/accuracy))"
            " are given together"
        )
    for knob in claim.best_over:
        if knob == claim.knob or knob in claim.at or claim.best_over.count(knob) > 1:
            raise ConfigError(
                f"{where}.best_over={short_text(claim.best_over)}: allowed are other knobs than"
                f" those of knob and at, each once; {knob} is not"
            )
    chosen_on = parse_reduction(claim.chosen_on)
    if not chosen_on.curve.startswith("val/"):
        raise ConfigError(
            f"{where}.chosen_on={claim.chosen_on}: allowed is a metric of the validation images,"
            " such as final(val/accuracy); what is chosen on the images of the comparison is"
            " chosen by their luck, and on those of the training by how well they are learned by"
            " heart"
        )


def _check_divergence(where: str, claim: Claim) -> None:
    """Refuse what a run that diverged cannot say."""
    if claim.missing not in MISSING:
        raise ConfigError(
            f"{where}.missing={short_text(claim.missing)}: allowed is {' or '.join(MISSING)}"
        )
    is_outcome = parse_reduction(claim.metric).kind == DIVERGES
    given = {"slope": claim.slope, "minus": claim.minus, "missing=worst": claim.missing != "refuse"}
    asked = [name for name, is_given in given.items() if is_given]
    if claim.minus and parse_reduction(claim.minus).kind == DIVERGES:
        raise ConfigError(f"{where}.minus={claim.minus}: allowed is a metric of a curve")
    if is_outcome and asked:
        raise ConfigError(
            f"{where}: {asked[0]} has no meaning with metric=diverges, which is 1 for a run that"
            " diverged and else 0; leave it out"
        )
    if claim.missing != "refuse" and asked[:-1]:
        raise ConfigError(
            f"{where}.missing=worst: allowed with levels or winner and one metric; a run that"
            f" diverged has no number for {asked[0]}"
        )
