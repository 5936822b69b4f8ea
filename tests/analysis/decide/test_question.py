"""Questions that nobody declared: computed as a claim's contrast, refused with what there is."""

import math

import numpy as np
import pytest
from studies import claim, curves, frame, grid, study

from analysis.decide.claims import ALPHA, decide
from analysis.decide.question import asked
from analysis.decide.study import prepared

METRIC = "final(test/accuracy)"


def made(seeds=range(5), **fields):
    """Dropout changes the accuracy by 0.01, and 0.02 with 30 channels, in every seed alike."""
    runs = frame(grid(seeds, model__channels=[1, 8, 30], model__dropout=[True, False]))
    luck = np.random.default_rng(1).normal(0, 0.001, len(runs))

    def value(run, epoch):
        at_30 = run["model.channels"] == 30
        place = list(runs.index).index(run["run_key"])
        return 0.9 + 0.01 * run["model.dropout"] * (1 + at_30) + luck[place]

    return study(runs, curves(runs, value), **fields)


def test_a_question_is_the_contrast_of_a_claim_with_a_margin_of_nothing():
    found = made()
    question = asked(found, "model.dropout", METRIC)
    cells, epochs = prepared(found.sweep)
    same = decide(claim(direction="either", margin=0.0), found.sweep.runs, epochs, cells, ALPHA)
    assert question.contrast.label == "dropout=true minus dropout=false"
    assert question.bounds.interval == same.bounds.interval
    assert question.bounds.interval.level == 0.95
    assert question.per_seed.equals(same.per_seed) and question.p == same.p
    assert len(question.settings) == 3


def test_levels_and_a_setting_may_be_named():
    found = made()
    question = asked(found, "model.channels", METRIC, [1, 30], at={"model.dropout": True})
    assert question.contrast.label == "channels=1 minus channels=30"
    assert question.per_seed.mean() == pytest.approx(-0.01, abs=0.002)
    assert question.settings == []


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("model.dropou", METRIC), "no run depends on a knob model.dropou"),
        (("model.hidden_size", METRIC), "model.hidden_size was not varied: it is 100"),
        (("model.channels", METRIC), r"3 levels \(1, 8, 30\); say which two"),
        (("model.channels", METRIC, [1, 8, 30]), "two are compared"),
        (("model.channels", METRIC, [99, 1]), "no cell has model.channels=99"),
        (("model.dropout", "best(test/accuracy)"), "best"),
        (("model.dropout", "final(test/acc)"), "no run recorded it; there are train/loss"),
    ],
)
def test_what_cannot_be_asked_is_an_error_that_names_what_can(words, why):
    with pytest.raises(ValueError, match=why):
        asked(made(range(2)), *words)


def test_what_the_runs_do_not_allow_is_a_reason_and_no_number():
    found = made(range(3))
    found.sweep.runs.loc[found.sweep.runs.index[-1], "state"] = "failed"
    question = asked(found, "model.dropout", METRIC)
    assert question.bounds is None and "failed" in question.reason
    assert math.isnan(question.p)


def test_seeds_that_came_after_a_look_have_the_wider_interval():
    once, looked = (asked(made(looks=n), "model.dropout", METRIC) for n in ((), (3,)))
    assert looked.bounds.interval.low < once.bounds.interval.low
