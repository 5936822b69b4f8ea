"""From a run's curve to the number that a claim names."""

import numpy as np
import pandas as pd
import pytest

from analysis.decide.metrics import REDUCERS, reduce
from runner.record import DIVERGES, REDUCTIONS, Reduction, parse_reduction

ACCURACIES = [0.90, 0.96, 0.97, 0.95, 0.98]


def curve(values, name="test/accuracy"):
    return pd.DataFrame({"run_key": "a", "epoch": range(1, len(values) + 1), name: values})


@pytest.mark.parametrize(
    "text, expected",
    [
        ("final(test/accuracy)", 0.98),
        ("last(2, test/accuracy)", (0.95 + 0.98) / 2),
        ("last(99, test/accuracy)", sum(ACCURACIES) / 5),
        ("auc(test/accuracy)", sum(ACCURACIES) / 5),
        ("epochs_to(test/accuracy, 0.97)", 3),
        ("epochs_to(test/accuracy, 0.95)", 2),
    ],
)
def test_a_curve_becomes_the_number_that_the_claim_names(text, expected):
    shuffled = curve(ACCURACIES).sample(frac=1, random_state=0)
    numbers = reduce(shuffled, parse_reduction(text))
    assert numbers.loc["a", "value"] == pytest.approx(expected, rel=1e-15)
    assert not numbers.loc["a", "censored"]
    assert parse_reduction(str(parse_reduction(text))) == parse_reduction(text)


def test_a_threshold_that_is_never_reached_is_censored_at_the_last_epoch():
    assert tuple(
        reduce(curve(ACCURACIES), parse_reduction("epochs_to(test/accuracy, 0.99)")).loc["a"]
    ) == (5.0, True)


def test_a_loss_reaches_its_threshold_from_above():
    numbers = reduce(
        curve([0.5, 0.2, 0.1], "test/loss"), parse_reduction("epochs_to(test/loss, 0.2)")
    )
    assert tuple(numbers.loc["a"]) == (2.0, False)


@pytest.mark.parametrize(
    "text", ["final(test/accuracy)", "auc(test/accuracy)", "last(2, test/accuracy)"]
)
def test_what_is_not_a_number_stays_so(text):
    assert np.isnan(reduce(curve([0.9, 0.95, np.nan]), parse_reduction(text)).loc["a", "value"])


@pytest.mark.parametrize(
    "text",
    [
        "max(test/accuracy)",
        "final(test/accuracy, 2)",
        "last(test/accuracy)",
        "epochs_to(test/accuracy)",
        "final",
        "final(gap/loss)",
        "final(test/recall/3/x)",
        "final(time/f1)",
    ],
)
def test_other_metrics_are_refused(text):
    with pytest.raises(ValueError, match="allowed is final"):
        parse_reduction(text)


@pytest.mark.parametrize("name", ["test/f1", "val/accuracy", "test_masked/Top_5", "test/recall/3"])
def test_ones_own_metrics_can_be_named_and_more_of_them_is_better(name):
    reduction = parse_reduction(f"epochs_to({name}, 0.2)")
    assert reduction.curve == name and not reduction.smaller_is_better
    assert tuple(reduce(curve([0.1, 0.2, 0.3], name), reduction).loc["a"]) == (2.0, False)


def test_where_ones_own_metrics_are_known_no_other_can_be_named():
    own = {"test/f1": "mine.f1", "test/recall": "mine.recall"}
    for text in ("final(test/f1)", "final(test/recall/3)", "final(val/loss)", "final(test/loss)"):
        assert str(parse_reduction(text, own)) == text
    for text in ("final(test/f2)", "final(val/f1)", "final(test/precision/3)"):
        with pytest.raises(ValueError, match="val/accuracy, test/f1, test/recall$"):
            parse_reduction(text, own)


def test_every_reduction_that_a_claim_can_name_is_computed_and_any_other_is_refused():
    # How a run ended is not read from its epochs.
    assert (*REDUCERS, DIVERGES) == tuple(REDUCTIONS)
    with pytest.raises(ValueError, match="best: allowed is final, last, auc, epochs_to"):
        reduce(curve(ACCURACIES), Reduction("best", "test/accuracy"))
