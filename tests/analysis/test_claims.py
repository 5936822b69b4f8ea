"""From per-seed differences to verdicts: the table, the guard, the multiverse, what more seeds would cost."""

from dataclasses import replace

import numpy as np
import pytest
import studies
from hypothesis import given, settings
from hypothesis import strategies as st
from studies import cells, claim, curves, frame, grid

from analysis.decide import verdicts
from analysis.decide.claims import decide, decide_all
from analysis.decide.multiverse import multiverse
from analysis.decide.sample_size import more_seeds
from analysis.decide.verdicts import Bounds, verdict, weakest
from analysis.report.sentences import conditions, details, finding, headline, wish
from analysis.statistics.intervals import Interval

SEEDS = range(6)
#: Six seeds' noise with mean 0 and standard deviation 1: a t interval of 95 % is 0 +- 1.0494 of it.
NOISE = np.array([-1.2, 1.1, -0.5, 0.4, -0.9, 1.1])
NOISE = (NOISE - NOISE.mean()) / (NOISE - NOISE.mean()).std(ddof=1)
HALF = 2.570582 / np.sqrt(6)


def between(low, high, narrow=1.0):
    middle, half = (low + high) / 2, (high - low) / 2
    interval = Interval(middle, low, high, 0.95, 6, 5, 1.0)
    return Bounds(interval, replace(interval, low=middle - narrow * half, high=middle + narrow * half))


# The table.


@pytest.mark.parametrize(
    "low, high, direction, expected",
    [
        (3, 5, "greater", verdicts.SUPPORTED),
        (1, 3, "greater", verdicts.DIRECTION),
        (0.5, 1.5, "greater", verdicts.NEGLIGIBLE),
        (-1, 1.5, "greater", verdicts.EQUIVALENT),
        (-5, -3, "greater", verdicts.REFUTED),
        (-1.5, -0.5, "greater", verdicts.REFUTED),
        (-1, 3, "greater", verdicts.INCONCLUSIVE),
        (2, 3, "greater", verdicts.DIRECTION),
        (-5, -3, "less", verdicts.SUPPORTED),
        (-3, -1, "less", verdicts.DIRECTION),
        (-1.5, -0.5, "less", verdicts.NEGLIGIBLE),
        (3, 5, "less", verdicts.REFUTED),
        (-5, -3, "either", verdicts.SUPPORTED),
        (3, 5, "either", verdicts.SUPPORTED),
        (-3, -1, "either", verdicts.DIRECTION),
        (-1.5, 1, "either", verdicts.EQUIVALENT),
        (-3, 1, "either", verdicts.INCONCLUSIVE),
    ],
)
def test_the_interval_and_the_margin_give_the_verdict(low, high, direction, expected):
    assert verdict(between(low, high), direction, margin=2) == expected


def test_equivalence_reads_the_narrower_interval():
    assert verdict(between(-2.2, 2.2, narrow=0.8), "greater", 2) == verdicts.EQUIVALENT
    assert verdict(between(-2.2, 2.2, narrow=0.95), "greater", 2) == verdicts.INCONCLUSIVE


def test_a_margin_of_nothing_is_never_equivalent():
    assert verdict(between(-1e-9, 1e-9), "either", 0) == verdicts.INCONCLUSIVE


@given(st.floats(-5, 5), st.floats(0.01, 5), st.floats(0, 3))
def test_swapping_the_arms_and_the_direction_changes_no_verdict(middle, half, margin):
    low, high = middle - half, middle + half
    assert verdict(between(low, high), "greater", margin) == verdict(between(-high, -low), "less", margin)
    assert verdict(between(low, high), "either", margin) == verdict(between(-high, -low), "either", margin)


def test_a_winner_is_as_good_as_its_result_against_the_closest_rival():
    assert weakest([verdicts.SUPPORTED, verdicts.EQUIVALENT]) == verdicts.EQUIVALENT
    assert weakest([verdicts.SUPPORTED, verdicts.DIRECTION, verdicts.SUPPORTED]) == verdicts.DIRECTION


# A claim decided.


def sweep(effect, sd=0.001, **knobs):
    """Runs whose final test accuracy is 0.9 plus a seed's own luck plus `effect(run)`; noise of the effect by seed."""
    runs = frame(grid(SEEDS, **(knobs or dict(model__dropout=[True, False]))))

    def value(run, epoch):
        noise = sd * NOISE[run["seed"]] if run["model.dropout"] else 0.0
        return 0.9 + 0.01 * run["seed"] + effect(run) + noise - 0.001 * (3 - epoch)

    return runs, curves(runs, value)


def decided(runs, epochs, **fields):
    return decide("c", claim(**fields), runs, epochs, cells(runs), 0.05)


def test_the_interval_is_that_of_the_differences_within_seed():
    runs, epochs = sweep(lambda run: 0.004 * run["model.dropout"])
    found = decided(runs, epochs)
    assert found.per_seed.to_numpy() == pytest.approx(0.004 + 0.001 * NOISE, abs=1e-12)
    interval = found.bounds.interval
    assert (interval.low, interval.high) == pytest.approx((0.004 - 0.001 * HALF, 0.004 + 0.001 * HALF), abs=1e-9)
    assert found.verdict == verdicts.SUPPORTED
    assert finding(found) == (
        "final(test/accuracy), dropout=true minus dropout=false: +0.40 points (95 % interval +0.30 to +0.50 points,"
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
    runs, epochs = sweep(lambda run: effect * run["model.dropout"], sd)
    assert decided(runs, epochs).verdict == expected


def test_the_order_of_runs_and_epochs_changes_nothing():
    runs, epochs = sweep(lambda run: 0.004 * run["model.dropout"])
    shuffled = decided(runs.sample(frac=1, random_state=1), epochs.sample(frac=1, random_state=2))
    assert shuffled.bounds.interval.low == pytest.approx(decided(runs, epochs).bounds.interval.low, rel=1e-12)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(-0.5, 0.5), min_size=6, max_size=6))
def test_a_constant_for_each_seed_changes_no_contrast(constants):
    runs, epochs = sweep(lambda run: 0.004 * run["model.dropout"])
    _, moved = sweep(lambda run: 0.004 * run["model.dropout"] + constants[run["seed"]])
    assert decided(runs, moved).per_seed.to_numpy() == pytest.approx(
        decided(runs, epochs).per_seed.to_numpy(), abs=1e-12
    )


def test_swapping_the_arms_flips_the_sign():
    runs, epochs = sweep(lambda run: 0.004 * run["model.dropout"])
    swapped = decided(runs, epochs, levels=[False, True])
    assert swapped.per_seed.to_numpy() == pytest.approx(-decided(runs, epochs).per_seed.to_numpy(), abs=0)
    assert swapped.verdict == verdicts.REFUTED


def test_a_second_metric_is_subtracted_within_each_run():
    runs, _ = sweep(lambda run: 0.0)
    masks_cost = curves(
        runs,
        lambda run, epoch: {
            "test/accuracy": 0.98,
            "test_masked/accuracy": 0.98 - (0.02 + 0.001 * NOISE[run["seed"]]) * run["model.dropout"],
        },
    )
    found = decided(runs, masks_cost, minus="final(test_masked/accuracy)")
    assert found.per_seed.to_numpy() == pytest.approx(0.02 + 0.001 * NOISE, abs=1e-12)


def test_a_level_is_shared_by_all_claims_and_p_values_are_adjusted():
    runs, epochs = sweep(lambda run: 0.004 * run["model.dropout"])
    claims = {
        "one": claim(),
        "two": claim(metric="auc(test/accuracy)"),
        "not": claim(knob="optimizer.lr", levels=[1, 2]),
    }
    one, two, third = decide_all(claims, runs, epochs, cells(runs))
    assert one.bounds.interval.level == pytest.approx(1 - 0.05 / 3) == two.bounds.interval.level
    assert third.verdict == verdicts.NOT_TESTABLE and np.isnan(third.p_holm)
    assert one.p_holm == pytest.approx(2 * min(one.p_t, two.p_t)) or one.p_holm == pytest.approx(max(one.p_t, two.p_t))


def test_a_run_without_a_finite_number_is_named_and_not_averaged_away():
    runs, epochs = sweep(lambda run: 0.004 * run["model.dropout"])
    epochs.loc[epochs["run_key"] == runs.index[3], "test/accuracy"] = np.nan
    found = decided(runs, epochs)
    assert found.verdict == verdicts.NOT_TESTABLE
    assert found.reason == "final(test/accuracy) is not a finite number in dropout=false seed=1"


# The guard against interactions.


def test_an_effect_that_turns_round_with_another_knob_depends_on_it():
    runs, epochs = sweep(
        lambda run: run["model.dropout"] * (0.02 if run["data.normalize"] else -0.01),
        model__dropout=[True, False],
        data__normalize=[True, False],
    )
    found = decided(runs, epochs)
    assert found.verdict == verdicts.SUPPORTED and found.depends_on == ["normalize"]
    assert headline(found) == "SUPPORTED (depends on normalize): Dropout helps"
    (interaction,) = found.interactions
    assert [level for level, _ in interaction.effects] == [True, False]
    assert [effect.estimate for _, effect in interaction.effects] == pytest.approx([0.02, -0.01], abs=1e-12)
    assert "It depends: +2.00 points at normalize=true, \N{MINUS SIGN}1.00 points at normalize=false." in details(
        found, multiverse(found, runs, epochs)
    )


def test_an_effect_that_is_everywhere_the_same_depends_on_nothing():
    runs, epochs = sweep(
        lambda run: 0.004 * run["model.dropout"] + 0.03 * run["data.normalize"],
        model__dropout=[True, False],
        data__normalize=[True, False],
    )
    found = decided(runs, epochs)
    assert found.depends_on == [] and len(found.interactions) == 1


# What it rests on.


def test_every_other_way_to_compute_it_is_counted():
    runs, epochs = sweep(lambda run: 0.004 * run["model.dropout"])
    epochs = curves(
        runs, lambda run, epoch: float(epochs.loc[epochs["run_key"] == run["run_key"], "test/accuracy"].iloc[-1]), 5
    )
    found = decided(runs, epochs)
    choices = multiverse(found, runs, epochs)
    assert list(choices.verdicts) == ["as declared", "mean of the last 3 epochs", *(f"without seed {s}" for s in SEEDS)]
    assert (choices.n_agree, choices.flips) == (8, {})


def test_the_choice_that_flips_a_verdict_is_named():
    runs, _ = sweep(lambda run: 0.0)
    lucky = curves(
        runs, lambda run, epoch: 0.9 + run["model.dropout"] * (0.003 + 0.0002 * NOISE[run["seed"]]) * (epoch == 5), 5
    )
    found = decided(runs, lucky)
    assert found.verdict == verdicts.SUPPORTED
    assert multiverse(found, runs, lucky).flips == {"mean of the last 3 epochs": verdicts.NEGLIGIBLE}


def test_an_inconclusive_claim_says_how_many_seeds_more_and_what_they_cost():
    runs, epochs = sweep(lambda run: 0.001 * run["model.dropout"], sd=0.004)
    epochs["time/train_s"], epochs["time/eval_s"] = 9.0, 1.0
    found = decided(runs, epochs)
    more = more_seeds(found, runs, epochs)
    # t(n-1) * 0.004 / sqrt(n) <= 0.002 first holds for 18 seeds: 2.1098 * 0.004 / sqrt(18) = 0.00199.
    assert (more.n_seeds, more.n_new) == (18, 12)
    # The runs take 3 x 10 s each and were trained 30 at a time, by their first and last second.
    assert more.minutes == pytest.approx(12 * 2 * 30 / 30 / 60)
    assert wish(found, more).startswith("About 12 seeds more, 0.4 min at the measured speed, would;")


def test_the_fixed_values_are_said():
    runs, epochs = sweep(lambda run: 0.0)
    said = conditions(studies.study(runs, epochs))
    assert "model.channels=30" in said and "optimizer.lr=0.001" in said and "model.dropout=" not in said
