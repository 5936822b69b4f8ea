"""How often the verdicts are wrong, in sweeps made up without any effect and with a known one."""

import numpy as np
import pytest
from studies import cells, claim, curves, frame, grid

from analysis.decide import verdicts
from analysis.decide.claims import decide_all
from analysis.decide.verdicts import Bounds, verdict
from analysis.statistics.intervals import t_interval
from analysis.statistics.power import power
from benchmarks import calibration

N_SWEEPS = 1500
#: The share of 1,500 sweeps that is still 5 % by chance, three standard errors up.
AT_MOST = 0.05 + 3 * np.sqrt(0.05 * 0.95 / N_SWEEPS)


def verdicts_of(differences, direction, margin, n_claims):
    """The verdicts of sweeps of shape (n_sweeps, n_claims, n_seeds), claims sharing 5 %."""
    alpha = 0.05 / n_claims

    def decided(d):
        bounds = Bounds(t_interval(d, 1 - alpha), t_interval(d, 1 - 2 * alpha))
        return verdict(bounds, direction, margin)

    return [[decided(d) for d in sweep] for sweep in differences]


def share(sweeps, wanted):
    return np.mean([any(given in wanted for given in sweep) for sweep in sweeps])


@pytest.mark.parametrize("n_seeds", [3, 5, 8])
@pytest.mark.parametrize("n_claims", [1, 6])
@pytest.mark.parametrize("spread", [1.0, 10.0], ids=["equal variances", "a noisy arm"])
def test_without_any_effect_one_sweep_in_twenty_at_most_says_that_there_is_one(
    n_seeds, n_claims, spread
):
    rng = np.random.default_rng([n_seeds, n_claims, int(spread)])
    shape = (N_SWEEPS, n_claims, n_seeds)
    sweeps = verdicts_of(
        rng.normal(size=shape) - spread * rng.normal(size=shape), "either", 0.0, n_claims
    )
    assert share(sweeps, verdicts.DIRECTIONAL) <= AT_MOST


def test_an_effect_as_large_as_the_margin_is_supported_in_one_sweep_of_forty():
    rng = np.random.default_rng(1)
    sweeps = verdicts_of(0.5 + rng.normal(size=(N_SWEEPS, 1, 5)), "greater", 0.5, 1)
    assert share(sweeps, [verdicts.SUPPORTED]) == pytest.approx(0.025, abs=0.012)


@pytest.mark.parametrize("margin, n_seeds", [(1.0, 5), (1.5, 5), (2.0, 5), (1.0, 10)])
def test_equal_arms_are_called_equivalent_as_often_as_the_power_of_two_one_sided_tests(
    margin, n_seeds
):
    rng = np.random.default_rng(2)
    sweeps = verdicts_of(rng.normal(size=(N_SWEEPS, 1, n_seeds)), "either", margin, 1)
    expected = {(1.0, 5): 0.29, (1.5, 5): 0.74, (2.0, 5): 0.95, (1.0, 10): 0.80}[margin, n_seeds]
    # An interval that excludes 0 within the margin is called real but negligible; both say: no more
    # than the margin.
    assert share(sweeps, [verdicts.EQUIVALENT, verdicts.NEGLIGIBLE]) == pytest.approx(
        expected, abs=0.04
    )


@pytest.mark.parametrize("d_z, n_seeds", [(1.0, 10), (1.5, 6), (2.0, 5), (1.0, 5)])
def test_a_planted_effect_is_found_as_often_as_its_power_says(d_z, n_seeds):
    rng = np.random.default_rng(3)
    sweeps = verdicts_of(d_z + rng.normal(size=(N_SWEEPS, 1, n_seeds)), "either", 0.0, 1)
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
        expected = [
            calibration.decided(values @ calibration.CONTRASTS[name], 3, 0.5)[0] for name in claims
        ]
        assert [decision.verdict for decision in decisions] == expected
        seen |= set(expected)
    assert {verdicts.INCONCLUSIVE, verdicts.DIRECTION} <= seen


@pytest.mark.parametrize("spread", calibration.SPREADS)
def test_claims_that_share_their_runs_are_wrong_together_in_one_sweep_of_twenty_at_most(spread):
    row = calibration.without_effect("normal", spread, 5, 6, N_SWEEPS)
    assert row.false_direction <= AT_MOST and row.all_hold == pytest.approx(1 - row.false_direction)
    assert row.coverage == pytest.approx(0.95, abs=0.01)
