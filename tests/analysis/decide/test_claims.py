"""A claim decided: the differences within seed, their interval, what they depend on."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from studies import NOISE, cells, claim, curves, frame, grid, with_effect

from analysis.decide import verdicts
from analysis.decide.beside.multiverse import multiverse
from analysis.decide.claims import decide, decide_all
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
        # The same in each of six seeds, of which the sign test has p = 2 / 64.
        (0.004, 0.0, verdicts.SUPPORTED),
        (0.001, 0.0, verdicts.NEGLIGIBLE),
        (0.0, 0.0, verdicts.EQUIVALENT),
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
    smaller, larger = sorted([first, second], key=lambda decision: decision.p)
    assert smaller.p_holm == pytest.approx(2 * smaller.p)
    assert larger.p_holm == pytest.approx(max(2 * smaller.p, larger.p))


def test_a_run_without_a_finite_number_is_named_and_not_averaged_away():
    runs, epochs = with_effect(lambda run: 0.004 * run["model.dropout"])
    epochs.loc[(epochs["run_key"] == runs.index[3]) & (epochs["epoch"] == 3), "test/accuracy"] = (
        np.nan
    )
    decision = decided(runs, epochs)
    assert decision.verdict == verdicts.NOT_TESTABLE
    assert decision.reason == "final(test/accuracy) is not a finite number in dropout=false seed=1"


def test_an_effect_that_turns_round_with_another_knob_depends_on_it():
    runs, epochs = two_other_knobs(
        lambda run: 0.02 if run["data.normalize"] else -0.01, model__channels=[30]
    )
    decision = decided(runs, epochs)
    assert decision.verdict == verdicts.DEPENDS and decision.depends_on == ["normalize"]
    assert headline(decision) == "DEPENDS on normalize: Dropout helps"
    assert [setting.at for setting in decision.settings] == [
        {"data.normalize": True},
        {"data.normalize": False},
    ]
    assert [setting.verdict for setting in decision.settings] == [
        verdicts.SUPPORTED,
        verdicts.REFUTED,
    ]
    choices = multiverse(decision, runs, epochs)
    assert (
        "The effect depends on normalize (p < 0.001 that it is the same at all of them, adjusted by"
        " Holm), so no average is an answer."
    ) in details(decision, choices)
    said = finding(decision)
    assert said.startswith("final(test/accuracy), dropout=true minus dropout=false: +")
    assert " points at normalize=true, \N{MINUS SIGN}" in said and "interval" not in said
    assert choices.n_agree == len(choices.verdicts) == 9


def two_other_knobs(effect, sd=0.001, seeds=range(8), model__channels=(1, 30)):
    """Dropout at the settings of two other knobs, each run with luck of its own."""
    knobs = dict(model__dropout=[True, False], data__normalize=[True, False])
    runs = frame(grid(seeds, **knobs, model__channels=model__channels))

    def value(run, epoch):
        luck = np.random.default_rng([run["seed"], *map(ord, run["cell"])]).normal(0, sd)
        return 0.9 + run["model.dropout"] * effect(run) + luck

    return runs, curves(runs, value)


def test_an_effect_that_turns_round_with_two_other_knobs_together_is_no_small_one():
    runs, epochs = two_other_knobs(
        lambda run: 0.01 if run["data.normalize"] == (run["model.channels"] == 1) else -0.01
    )
    decision = decided(runs, epochs)
    # On average over any one of them it is nothing.
    assert abs(decision.bounds.interval.estimate) < 0.002 and decision.p > 0.05
    assert decision.verdict == verdicts.DEPENDS
    assert sorted(decision.depends_on) == ["channels", "normalize"]
    assert len(decision.settings) == 4 and decision.p_same < 0.001


def test_an_effect_that_differs_in_size_alone_is_one_answer_with_its_sizes():
    runs, epochs = two_other_knobs(lambda run: 0.025 if run["data.normalize"] else 0.012)
    decision = decided(runs, epochs)
    assert decision.p_same < 0.001
    assert decision.verdict == verdicts.SUPPORTED and decision.depends_on == []
    said = details(decision, multiverse(decision, runs, epochs))[0]
    assert said.count(" points at channels=") == 4 and "that it is the same at all" in said


def test_an_effect_that_is_everywhere_the_same_depends_on_nothing():
    n_established = 0
    for first in range(0, 240, 8):
        runs, epochs = two_other_knobs(lambda run: 0.004, seeds=range(first, first + 8))
        decision = decided(runs, epochs)
        assert len(decision.settings) == 4
        n_established += decision.p_same <= 0.05
    assert n_established <= 4  # of 30 sweeps; 5 or more have a chance of 2 %


def test_of_several_claims_a_direction_is_tested_by_holm_and_has_a_p_below_alpha():
    runs, _ = with_effect(lambda run: 0.0)
    effects = {"test/accuracy": 0.02, "train/accuracy": 0.02, "train_eval/accuracy": 0.00125}
    epochs = curves(
        runs,
        lambda run, epoch: {
            metric: 0.9
            + 0.01 * run["seed"]
            + run["model.dropout"] * (effect + 0.001 * NOISE[run["seed"]])
            for metric, effect in effects.items()
        },
    )
    claims = {m: claim(metric=f"final({m})", margin=0.0005) for m in effects}
    third = decide_all(claims, runs, epochs, cells(runs))[-1]
    # Its p alone is 0.028; three claims share alpha in its interval, which would hold 0.
    assert third.p == pytest.approx(third.p_holm) and 0.05 / 3 < third.p < 0.05
    assert third.verdict == verdicts.DIRECTION
    assert third.bounds.interval.low == 0.0 < third.bounds.interval.high


# =============================================================================
# Winners
# =============================================================================
def of_levels(accuracy, sd=0.001, seeds=range(6)):
    """Runs and epochs of the levels of a knob, each with its accuracy and luck of its own."""
    runs = frame(grid(seeds, model__channels=list(accuracy)))

    def value(run, epoch):
        luck = np.random.default_rng([run["seed"], run["model.channels"]]).normal(0, sd)
        return accuracy[run["model.channels"]] + luck

    return runs, curves(runs, value)


WINNER = dict(knob="model.channels", winner=30)


@pytest.mark.parametrize(
    "accuracy, expected",
    [
        ({1: 0.90, 10: 0.91, 30: 0.92}, verdicts.SUPPORTED),
        ({1: 0.90, 10: 0.93, 30: 0.92}, verdicts.REFUTED),
        ({1: 0.90, 10: 0.92, 30: 0.92}, verdicts.INCONCLUSIVE),
    ],
)
def test_a_winner_beats_every_rival(accuracy, expected):
    decision = decided(*of_levels(accuracy, sd=0.002), **WINNER)
    assert decision.verdict == expected
    assert len(decision.rivals) == 1  # besides the closest


# =============================================================================
# Luck
# =============================================================================
def test_uneven_luck_is_judged_by_the_median_which_five_seeds_cannot_decide():
    def decision_of(seeds):
        # One side varies twenty times as much as the other.
        return decided(*of_levels_uneven(seeds), knob="model.channels", levels=[30, 1])

    five, eight = decision_of(range(5)), decision_of(range(8))
    assert five.by_median and five.verdict == verdicts.INCONCLUSIVE
    assert five.p == pytest.approx(2 / 32)
    assert eight.by_median and eight.verdict == verdicts.SUPPORTED
    assert eight.p == pytest.approx(2 / 256)
    least = sorted(eight.per_seed)
    # Order statistics: of 8 seeds, from the least to the largest at 99.2 %.
    assert eight.bounds.interval.ends == (least[0], np.median(least), least[-1])
    said = " ".join(details(eight, multiverse(eight, *of_levels_uneven(range(8)))))
    assert "8 of 8 seeds have this sign" in said and "(sign test)" in said


def of_levels_uneven(seeds):
    runs = frame(grid(seeds, model__channels=[1, 30]))

    def value(run, epoch):
        sd = 0.02 if run["model.channels"] == 30 else 0.001
        luck = abs(np.random.default_rng([run["seed"], run["model.channels"]]).normal(0, sd))
        return 0.8 + 0.05 * (run["model.channels"] == 30) + luck

    return runs, curves(runs, value)


def test_even_luck_is_judged_by_the_mean():
    runs, epochs = with_effect(lambda run: 0.004 * run["model.dropout"])
    decision = decided(runs, epochs)
    assert not decision.by_median and 1 <= decision.luck.unevenness < 3


def test_all_seeds_in_agreement_are_an_answer_from_six_seeds_on():
    def of(n):
        runs = frame(grid(range(n), model__dropout=[True, False]))
        epochs = curves(runs, lambda run, epoch: 0.9 + 0.05 * (epoch >= 2 + run["model.dropout"]))
        claimed = dict(metric="epochs_to(test/accuracy, 0.94)", margin=0.5)
        return decided(runs, epochs, **claimed)

    five, eight = of(5), of(8)
    assert five.verdict == verdicts.INCONCLUSIVE and five.p == pytest.approx(2 / 32)
    assert eight.verdict == verdicts.SUPPORTED
    assert eight.bounds.interval.ends == (1.0, 1.0, 1.0)
    assert "+1.00 epochs in the median seed" in finding(eight)


def test_a_threshold_that_no_run_reached_is_said():
    runs, epochs = with_effect(lambda run: 0.004 * run["model.dropout"])
    decision = decided(runs, epochs, metric="epochs_to(test/accuracy, 0.999)", margin=0.5)
    assert decision.verdict == verdicts.NOT_TESTABLE
    assert decision.reason == (
        "no run reached test/accuracy 0.999 in 3 epochs: train longer, or ask for a threshold that"
        " is reached"
    )


def test_patterns_of_signs_that_are_drawn_are_not_said_to_be_all():
    runs = frame(grid(range(20), model__dropout=[True, False]))
    epochs = curves(
        runs,
        lambda run, epoch: 0.9 + 0.01 * np.random.default_rng([run["seed"], epoch]).normal()
        + 0.001 * run["model.dropout"] * (1 + run["seed"] % 3),
    )  # fmt: skip
    decision = decided(runs, epochs)
    said = " ".join(details(decision, multiverse(decision, runs, epochs)))
    assert "(sign-flip test; 65,536 random patterns)" in said


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


def test_means_over_other_numbers_of_epochs_are_not_compared():
    runs = frame(grid(range(6), train__epochs=[3, 5]))
    epochs = curves(runs, lambda run, epoch: 0.9 + 0.01 * epoch, n_epochs=5)
    lengths = epochs["run_key"].map(runs["train.epochs"])
    epochs = epochs[epochs["epoch"] <= lengths]
    claimed = dict(knob="train.epochs", levels=[5, 3])
    decision = decided(runs, epochs, metric="auc(test/accuracy)", **claimed)
    assert decision.verdict == verdicts.NOT_TESTABLE
    assert decision.reason.startswith("auc is a mean over all epochs, and these are 3 and 5; ask")
    assert decided(runs, epochs, **claimed).verdict == verdicts.SUPPORTED
