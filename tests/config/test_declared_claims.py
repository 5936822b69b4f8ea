"""The check of claims: what a sweep's file may declare, and the line for what it may not."""

import math

import pytest
from configurations import is_one_line, with_value

from runner.config.checks import checked
from runner.errors import ConfigError

pytest_plugins = "composing"

CLAIM = {
    "says": "Dropout helps",
    "knob": "model.dropout",
    "levels": [True, False],
    "metric": "final(test/accuracy)",
    "direction": "greater",
    "margin": 0.002,
}


BEST = {"best_over": ["optimizer.lr"], "chosen_on": "final(val/accuracy)"}


def with_claim(plain, name="c", **changes):
    return with_value(
        plain, "claims", {name: {k: v for k, v in (CLAIM | changes).items() if v != "left out"}}
    )


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"levels": None, "winner": 30},
        {"levels": None, "winner": False},
        {"levels": None, "slope": True},
        {"metric": "last(3, test/loss)"},
        {"metric": "epochs_to(test_masked/accuracy, 0.97)"},
        {"metric": "auc(train/accuracy)", "minus": "final(test_masked/accuracy)"},
        {"at": {"model.channels": 30}},
        {"knob": "preset"},
        {"direction": "either", "margin": 0},
        {"best_over": ["optimizer.lr"], "chosen_on": "final(val/accuracy)"},
        {"best_over": ["optimizer.lr", "train.epochs"], "chosen_on": "last(3, val/loss)"},
        {"metric": "diverges"},
        {"missing": "worst"},
    ],
    ids=repr,
)
def test_a_good_claim_passes(changes, plain):
    assert checked(with_claim(plain, **changes)).claims["c"].says == "Dropout helps"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"levels": None}, "exactly one of levels, winner and slope"),
        ({"winner": 30}, "exactly one of levels, winner and slope"),
        ({"slope": True}, "exactly one of levels, winner and slope"),
        ({"levels": [1]}, r"levels=\[1\]: allowed is a pair"),
        ({"levels": [1, 2, 3]}, "allowed is a pair"),
        ({"levels": [1, 1]}, "different levels"),
        ({"knob": "train.epoch"}, "did you mean train.epochs"),
        ({"at": {"engine.nam": 1}}, "did you mean engine.name"),
        ({"metric": "test/accuracy"}, r"metric=test/accuracy: allowed is final\(M\)"),
        ({"metric": "final(test/accurcy)"}, "with M one of .*test/accuracy"),
        ({"metric": "final(test/accuracy"}, "allowed is final"),
        ({"metric": "mean(test/accuracy)"}, "allowed is final"),
        ({"metric": "last(0, test/accuracy)"}, "allowed is final"),
        ({"metric": "last(test/accuracy)"}, "allowed is final"),
        ({"metric": "epochs_to(test/accuracy)"}, "allowed is final"),
        ({"metric": "epochs_to(test/accuracy, nan)"}, "allowed is final"),
        ({"metric": "final(test/accuracy)\nx"}, "allowed is final"),
        ({"minus": "test/accuracy"}, "minus=test/accuracy: allowed is final"),
        ({"minus": ""}, "minus=: allowed is final"),
        ({"direction": "more"}, "direction=more: allowed is less, greater or either"),
        ({"margin": -0.1}, "margin=-0.1: allowed is a finite number from 0 on"),
        ({"margin": math.nan}, "margin=nan: allowed is"),
        ({"margin": math.inf}, "margin=inf: allowed is"),
        ({"margin": "wide"}, "margin"),
        ({"margin": "left out"}, "margin"),
        ({"says": "left out"}, "says"),
        ({"says": ""}, "says=: allowed"),
        ({"says": "x" * 5000}, "1 to 500"),
        ({"says": "two\nlines"}, "printable"),
        ({"wins": 30}, "wins"),
        ({"name": "two\nlines"}, "printable"),
        ({"best_over": ["optimizer.lr"]}, "best_over .* and chosen_on .* are given together"),
        ({"chosen_on": "final(val/loss)"}, "best_over .* and chosen_on .* are given together"),
        (BEST | {"best_over": ["engine.nam"]}, "did you mean engine.name"),
        (BEST | {"best_over": ["model.dropout"]}, "each once; model.dropout is not"),
        (BEST | {"at": {"optimizer.lr": 1}}, "each once; optimizer.lr is not"),
        (BEST | {"best_over": ["optimizer.lr"] * 2}, "each once; optimizer.lr is not"),
        (
            BEST | {"chosen_on": "final(test/accuracy)"},
            "chosen_on=final.test/accuracy.: allowed is",
        ),
        (BEST | {"chosen_on": "auc(train/accuracy)"}, "a metric of the validation images"),
        (BEST | {"chosen_on": "diverges"}, "a metric of the validation images"),
        (BEST | {"chosen_on": "last(val/accuracy)"}, r"allowed is final\(M\), last\(K, M\)"),
        ({"missing": "best"}, "missing=best: allowed is refuse or worst"),
        ({"missing": "worst", "levels": None, "slope": True}, "has no number for slope"),
        ({"missing": "worst", "minus": "final(test/loss)"}, "has no number for minus"),
        ({"metric": "diverges", "missing": "worst"}, "missing=worst has no meaning"),
        ({"metric": "diverges", "levels": None, "slope": True}, "slope has no meaning"),
        ({"metric": "diverges", "minus": "final(test/loss)"}, "minus has no meaning"),
        ({"minus": "diverges"}, "minus=diverges: allowed is a metric of a curve"),
    ],
    ids=lambda value: repr(value)[:50],
)
def test_a_bad_claim_is_refused_on_is_one_line(changes, expected, plain):
    with pytest.raises(ConfigError, match=expected) as error:
        checked(with_claim(plain, **changes))
    assert (
        str(error.value).startswith("claims.")
        and is_one_line(error)
        and len(str(error.value)) < 500
    )


def test_more_claims_than_a_sweep_may_have_are_refused(plain):
    many = with_value(plain, "claims", {f"c{n}": CLAIM for n in range(201)})
    with pytest.raises(ConfigError, match="^201 claims are more than 200"):
        checked(many)
