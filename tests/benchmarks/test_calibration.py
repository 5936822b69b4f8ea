"""How often the verdicts are wrong, in sweeps made up without any effect and with a known one."""

import numpy as np
import pandas as pd
import pytest
from studies import cells, claim, curves, frame, grid

from analysis.decide import verdicts
from analysis.decide.claims import decide_all
from analysis.decide.evidence import evidence_on
from analysis.decide.verdicts import verdict
from analysis.statistics.p_values import holm_levels
from analysis.statistics.power import power
from benchmarks import calibration, chances, comparisons

N_SWEEPS = 800
#: The share of 800 sweeps that is still 5 % by chance, three standard errors up.
AT_MOST = 0.05 + 3 * np.sqrt(0.05 * 0.95 / N_SWEEPS)


def verdicts_of(first, second, direction, margin):
    """The verdicts of sweeps on the difference of two arms, by Holm over a sweep's claims.

    Each arm has the shape (n_sweeps, n_claims, n_seeds). Where the median was judged, the verdict
    is None.
    """
    alpha = 0.05 / first.shape[1]
    sweeps = []
    for a, b in zip(first, second, strict=True):
        seen = [
            evidence_on(pd.DataFrame({"a": x, "b": y}), {"a": -1.0, "b": 1.0}, alpha)
            for x, y in zip(a, b, strict=True)
        ]
        levels = holm_levels([one.p for one in seen], 0.05)
        sweeps.append([
            None if one.by_median else verdict(one.bounds, direction, margin, one.p <= level)
            for one, level in zip(seen, levels, strict=True)
        ])  # fmt: skip
    return sweeps


def even_arms(random, shape, effect=0.0):
    """Two arms whose difference has this mean and a standard deviation of 1."""
    first, second = random.normal(scale=np.sqrt(0.5), size=(2, *shape))
    return first, second + effect


def share(sweeps, wanted):
    """Of the sweeps of which every claim was decided by a mean."""
    return np.mean([any(g in wanted for g in sweep) for sweep in sweeps if None not in sweep])


@pytest.mark.parametrize("n_seeds", [3, 5, 8])
@pytest.mark.parametrize("n_claims", [1, 6])
@pytest.mark.parametrize("spread", [1.0, 10.0], ids=["equal variances", "a noisy arm"])
def test_without_any_effect_one_sweep_in_twenty_at_most_says_that_there_is_one(
    n_seeds, n_claims, spread
):
    rng = np.random.default_rng([n_seeds, n_claims, int(spread)])
    shape = (N_SWEEPS, n_claims, n_seeds)
    first, second = rng.normal(size=shape), spread * rng.normal(size=shape)
    sweeps = verdicts_of(first, second, "either", 0.0)
    wrong = [any(given in verdicts.DIRECTIONAL for given in sweep) for sweep in sweeps]
    assert np.mean(wrong) <= AT_MOST


def test_an_effect_as_large_as_the_margin_is_supported_in_one_sweep_of_forty():
    rng = np.random.default_rng(1)
    sweeps = verdicts_of(*even_arms(rng, (N_SWEEPS, 1, 5), 0.5), "greater", 0.5)
    assert share(sweeps, [verdicts.SUPPORTED]) == pytest.approx(0.025, abs=0.012)


@pytest.mark.parametrize("margin, n_seeds", [(1.0, 5), (1.5, 5), (2.0, 5), (1.0, 10)])
def test_equal_arms_are_called_equivalent_as_often_as_the_power_of_two_one_sided_tests(
    margin, n_seeds
):
    rng = np.random.default_rng(2)
    sweeps = verdicts_of(*even_arms(rng, (N_SWEEPS, 1, n_seeds)), "either", margin)
    expected = {(1.0, 5): 0.29, (1.5, 5): 0.74, (2.0, 5): 0.95, (1.0, 10): 0.80}[margin, n_seeds]
    # An interval that excludes 0 within the margin is called real but negligible; both say: no more
    # than the margin.
    assert share(sweeps, [verdicts.EQUIVALENT, verdicts.NEGLIGIBLE]) == pytest.approx(
        expected, abs=0.04
    )


@pytest.mark.parametrize("d_z, n_seeds", [(1.0, 10), (1.5, 6), (2.0, 5), (1.0, 5)])
def test_a_planted_effect_is_found_as_often_as_its_power_says(d_z, n_seeds):
    rng = np.random.default_rng(3)
    sweeps = verdicts_of(*even_arms(rng, (N_SWEEPS, 1, n_seeds), d_z), "either", 0.0)
    assert share(sweeps, verdicts.DIRECTIONAL) == pytest.approx(power(d_z, n_seeds), abs=0.03)


def test_the_made_up_sweeps_of_the_benchmark_are_decided_as_real_ones_are():
    claims = {
        "a": claim(knob="model.channels", levels=[30, 1], direction="either", margin=0.5),
        "b": claim(knob="model.dropout", levels=[True, False], direction="either", margin=0.5),
        "a at b=0": claim(
            knob="model.channels",
            levels=[30, 1],
            at={"model.dropout": False},
            direction="either",
            margin=0.5,
        ),
    }
    runs = frame(grid(range(4), model__channels=[1, 30], model__dropout=[False, True]))
    rng = np.random.default_rng(4)
    seen = set()
    for values in calibration.sweeps(rng, 40, 4, calibration.SPREADS["equal"]):
        values = values + 2 * np.array([0, 0, 1, 1])

        def value(run, epoch, values=values):
            return values[
                run["seed"],
                calibration.CELLS.index((int(run["model.channels"] == 30), run["model.dropout"])),
            ]

        decisions = decide_all(claims, runs, curves(runs, value, n_epochs=1), cells(runs))
        weights = np.array([calibration.CONTRASTS[name] for name in claims], dtype=float)
        expected = [given for given, _ in calibration.decided(values, weights, 0.5)]
        # The made-up decisions know no settings of other knobs.
        if all(decision.p_same > 0.05 for decision in decisions):
            assert [decision.verdict for decision in decisions] == expected
            seen |= set(expected)
    assert {verdicts.INCONCLUSIVE, verdicts.DIRECTION} <= seen


@pytest.mark.parametrize("spread", ["equal", "one arm ten times"])
def test_claims_that_share_their_runs_are_wrong_together_in_one_sweep_of_twenty_at_most(spread):
    row = calibration.without_effect("normal", spread, 5, 6, N_SWEEPS)
    assert row.false_direction <= AT_MOST and row.all_hold >= 1 - AT_MOST
    assert row.coverage == pytest.approx(0.95, abs=0.01)


@pytest.mark.parametrize("n_seeds", [5, 8])
def test_claims_that_share_a_cell_are_wrong_in_one_skewed_sweep_of_twelve_at_most(n_seeds):
    row = calibration.against_one("lognormal", 3.0, n_seeds, N_SWEEPS)
    assert row["wrong"] <= 0.08 + 2 * np.sqrt(0.08 * 0.92 / N_SWEEPS)


@pytest.mark.parametrize("distribution", calibration.DISTRIBUTIONS)
def test_among_six_levels_that_are_the_same_a_winner_seldom_wins_or_loses(distribution):
    row = comparisons.winner(6, 5, distribution, 200)
    assert row["wins"] <= row["wrong"] <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)


def test_an_effect_that_crosses_is_never_an_average_and_one_that_does_not_seldom_depends():
    crosses = comparisons.over_settings(2.0, 5, "normal", 100)
    assert crosses["depends"] >= 0.95 and crosses["averaged"] == 0
    same = comparisons.over_settings(0.0, 8, "normal", 300)
    assert same["depends"] <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)


def test_a_slope_among_levels_that_are_the_same_has_seldom_a_direction():
    row = comparisons.slope(3, 8, "normal", N_SWEEPS)
    assert 0 < row["wrong"] <= AT_MOST


@pytest.mark.parametrize("n_settings", [1, 2])
def test_a_stated_chance_is_within_ten_points_of_what_happens_under_the_truth_it_names(n_settings):
    row = chances.stated(2.0, 1.0, n_settings, 100)
    error = 3 * np.sqrt(0.25 / row["n_undecided"])
    for name in chances.NAMED:
        assert row[f"said: {name}"] == pytest.approx(row[f"was: {name}"], abs=0.1 + error)
    assert row["said: as seen"] > row["said: none"] + 0.1
