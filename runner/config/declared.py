"""The check of what a sweep's file declares: claims, and metrics of one's own."""

import keyword
import math

from runner.config import parts
from runner.config.rules import TEXT, is_text
from runner.config.schema import GROUPS, KNOBS, unknown_key
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

_MOST_CLAIMS = 200
_MOST_METRICS = 20


def check_metrics(metrics: dict[str, str]) -> None:
    """Refuse metrics that cannot be recorded under their name, or are no import path.

    Raises
    ------
    ConfigError
    """
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


def check_claims(claims: dict[str, Claim], own_metrics: dict[str, str]) -> None:
    """Refuse claims that no data could decide.

    Raises
    ------
    ConfigError
        Naming the claim, what came and what is allowed.
    """
    if len(claims) > _MOST_CLAIMS:
        raise ConfigError(
            f"{len(claims)} claims are more than {_MOST_CLAIMS}, which one"
            " sweep may have: all of them share its 5 %"
        )
    for name, claim in claims.items():
        _check_claim(name, claim, own_metrics)


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
