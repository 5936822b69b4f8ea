"""A claim decided: the differences within seed, their interval, what they depend on."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from studies import NOISE, cells, claim, curves, with_effect

from analysis.decide import verdicts
from analysis.decide.claims import decide, decide_all
from analysis.decide.multiverse import multiverse
from analysis.report.sentences import details, finding, headline

HALF = 2.570582 / np.sqrt(6)


def decided(runs, epochs, **fields):
    return decide(claim(**fields), runs, epochs, cells(runs), 0.05)


def test_the_interval_is_that_of_the_differences_within_seed():
    runs, epochs = with_effect(lambda run: 0.004 * run["model.dropout"])
    decision = decided(runs, epochs)
    assert decision.per_seed.to_numpy() == pytest.approx(0.004 + 0.001 * NOISE, abs=1e-12)
    interval = decision.bounds.interval
    assert (interval.low, interval.high) == pytest.approx(
        (0.004 - 0.001 * HALF, 0.004 + 0.001 * HALF), abs=1e-9
    )
    assert decision.verdict == verdicts.SUPPORTED
    assert finding(decision) == (
        "final(test/accuracy), dropout=true minus dropout=false: +0.40 points (95 % interval +0.30"
        " to +0.50 points,"
        " n = 6 seeds; margin 0.20 points)."
    )


@pytest.mark.parametrize(
    "effect, sd, expected",
    [
        (0.0025, 0.001, verdicts.DIRECTION),
        (0.001, 0.0005, verdicts.NEGLIGIBLE),
        (0.0, 0.001, verdicts.EQUIVALENT),
        (-0.004, 0.001, verdicts.REFUTED),
        (0.001, 0.01, verdicts.INCONCLUSIVE),
        (0.004, 0.0, verdicts.NOT_TESTABLE),
    ],
)
def test_planted_effects_earn_their_verdicts(effect, sd, expected):
    runs, epochs = with_effect(lambda run: effect * run["model.dropout"], sd)
    assert decided(runs, epochs).verdict == expected


def test_the_order_of_runs_and_epochs_changes_nothing():
    runs, epochs = with_effect(lambda run: 0.004 * run["model.dropout"])
    shuffled = decided(runs.sample(frac=1, random_state=1), epochs.sample(frac=1, random_state=2))
    assert shuffled.bounds.interval.low == pytest.approx(
        decided(runs, epochs).bounds.interval.low, rel=1e-12
    )


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(-0.5, 0.5), min_size=6, max_size=6))
def test_a_constant_for_each_seed_changes_no_contrast(constants):
    runs, epochs = with_effect(lambda run: 0.004 * run["model.dropout"])
    _, moved = with_effect(lambda run: 0.004 * run["model.dropout"] + constants[run["seed"]])
    assert decided(runs, moved).per_seed.to_numpy() == pytest.approx(
        decided(runs, epochs).per_seed.to_numpy(), abs=1e-12
    )


def test_swapping_the_arms_flips_the_sign():
    runs, epochs = with_effect(lambda run: 0.004 * run["model.dropout"])
    swapped = decided(runs, epochs, levels=[False, True])
    assert swapped.per_seed.to_numpy() == pytest.approx(
        -decided(runs, epochs).per_seed.to_numpy(), abs=0
    )
    assert swapped.verdict == verdicts.REFUTED


def test_a_second_metric_is_subtracted_within_each_run():
    runs, _ = with_effect(lambda run: 0.0)
    masks_cost = curves(
        runs,
        lambda run, epoch: {
            "test/accuracy": 0.98,
            "test_masked/accuracy": 0.98
            - (0.02 + 0.001 * NOISE[run["seed"]]) * run["model.dropout"],
        },
    )
    decision = decided(runs, masks_cost, minus="final(test_masked/accuracy)")
    assert decision.per_seed.to_numpy() == pytest.approx(0.02 + 0.001 * NOISE, abs=1e-12)


def test_a_level_is_shared_by_all_claims_and_p_values_are_adjusted():
    runs, epochs = with_effect(lambda run: 0.004 * run["model.dropout"])
    claims = {
        "one": claim(),
        "two": claim(metric="auc(test/accuracy)"),
        "not": claim(knob="optimizer.lr", levels=[1, 2]),
    }
    first, second, third = decide_all(claims, runs, epochs, cells(runs))
    assert (
        first.bounds.interval.level == pytest.approx(1 - 0.05 / 3) == second.bounds.interval.level
    )
    assert third.verdict == verdicts.NOT_TESTABLE and np.isnan(third.p_holm)
    smaller, larger = sorted([first, second], key=lambda decision: decision.p_t)
    assert smaller.p_holm == pytest.approx(2 * smaller.p_t)
    assert larger.p_holm == pytest.approx(max(2 * smaller.p_t, larger.p_t))


def test_a_run_without_a_finite_number_is_named_and_not_averaged_away():
    runs, epochs = with_effect(lambda run: 0.004 * run["model.dropout"])
    epochs.loc[(epochs["run_key"] == runs.index[3]) & (epochs["epoch"] == 3), "test/accuracy"] = (
        np.nan
    )
    decision = decided(runs, epochs)
    assert decision.verdict == verdicts.NOT_TESTABLE
    assert decision.reason == "final(test/accuracy) is not a finite number in dropout=false seed=1"


def test_an_effect_that_turns_round_with_another_knob_depends_on_it():
    runs, epochs = with_effect(
        lambda run: run["model.dropout"] * (0.02 if run["data.normalize"] else -0.01),
        model__dropout=[True, False],
        data__normalize=[True, False],
    )
    decision = decided(runs, epochs)
    assert decision.verdict == verdicts.SUPPORTED and decision.depends_on == ["normalize"]
    assert headline(decision) == "SUPPORTED (depends on normalize): Dropout helps"
    (interaction,) = decision.interactions
    assert [level for level, _ in interaction.effects] == [True, False]
    assert [effect.estimate for _, effect in interaction.effects] == pytest.approx(
        [0.02, -0.01], abs=1e-12
    )
    assert (
        "The effect depends on normalize: +2.00 points at normalize=true, \N{MINUS SIGN}1.00 points"
        " at normalize=false." in details(decision, multiverse(decision, runs, epochs))
    )


def test_an_effect_that_is_everywhere_the_same_depends_on_nothing():
    runs, epochs = with_effect(
        lambda run: 0.004 * run["model.dropout"] + 0.03 * run["data.normalize"],
        model__dropout=[True, False],
        data__normalize=[True, False],
    )
    decision = decided(runs, epochs)
    assert decision.depends_on == [] and len(decision.interactions) == 1


@pytest.mark.parametrize(
    "fields", [{"metric": "epochs_to(test/loss, 9)"}, {"minus": "final(test/loss)"}]
)
def test_a_metric_that_older_runs_did_not_record_is_no_error_and_its_claim_says_so(fields):
    runs, epochs = with_effect(lambda run: 0.004 * run["model.dropout"])
    epochs.loc[epochs["run_key"].isin(runs.index[:7]), "test/loss"] = np.nan
    decision = decided(runs, epochs, **fields)
    assert decision.verdict == verdicts.NOT_TESTABLE
    assert decision.reason == (
        "test/loss was not recorded in 7 of 12 runs (dropout=true seed=0, dropout=false seed=0,"
        " dropout=true seed=1,"
        " dropout=false seed=1, dropout=true seed=2 and 2 more): the version that trained them did"
        " not have it; the"
        " same command with another runner.root trains them with this version"
    )
    assert decided(runs, epochs).verdict == verdicts.SUPPORTED, "other claims do not need it"


@pytest.mark.parametrize("metric", ["test/f1", "test/recall/3", "val/accuracy"])
def test_a_claim_about_a_metric_that_the_runs_were_trained_without_is_not_testable(metric):
    runs, epochs = with_effect(lambda run: 0.004 * run["model.dropout"])
    decision = decided(runs, epochs, metric=f"final({metric})")
    assert decision.verdict == verdicts.NOT_TESTABLE
    assert decision.reason.startswith(f"{metric} was not recorded in 12 of 12 runs (")
    assert decision.reason.endswith("and 7 more): they were trained without it")


def test_a_claim_about_ones_own_metric_is_decided_on_it_in_plain_numbers():
    runs, epochs = with_effect(lambda run: 0.004 * run["model.dropout"])
    epochs["test/f1"] = epochs.pop("test/accuracy")
    decision = decided(runs, epochs, metric="final(test/f1)")
    assert decision.verdict == verdicts.SUPPORTED
    assert "final(test/f1), dropout=true minus dropout=false: +0.004 (" in finding(decision)
    assert "; margin 0.002)" in finding(decision)


@pytest.mark.parametrize("field", ["metric", "minus"])
def test_a_claim_about_a_metric_that_this_version_does_not_know_is_not_testable(field):
    runs, epochs = with_effect(lambda run: 0.004 * run["model.dropout"])
    decision = decided(runs, epochs, **{field: "final(gap/calibration)"})
    assert decision.verdict == verdicts.NOT_TESTABLE
    unknown = "this version does not know the claim's metric (final(gap/calibration): allowed is"
    assert decision.reason.startswith(unknown)
