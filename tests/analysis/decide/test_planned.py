"""What a planned sweep can tell of its claims, from the luck of the sweeps that there are."""

import numpy as np
import pytest
from studies import claim, curves, frame, grid, sweep

from analysis.ahead import told
from analysis.decide.beside.planned import foresee
from analysis.decide.evidence import fewest_seeds
from analysis.read.sweeps import Look, Planned
from analysis.statistics.power import detectable, likely_spreads, seeds_to_find

EVEN = np.array([0.004, -0.002, 0.001, -0.003, 0.002, -0.002])
CLAIMS = {"helps": claim()}


def trained(name="before", noise=EVEN, sides=(0.5, -0.5), **knobs):
    """A sweep whose seeds differ by `noise`, half of it on either side unless told otherwise."""
    given = dict(model__dropout=[True, False]) | knobs
    runs = frame(grid(range(len(noise)), **given))

    def value(run, epoch):
        on, off = sides
        return 0.9 + noise[run["seed"]] * (on if run["model.dropout"] else off)

    return sweep(runs, curves(runs, value), claims=CLAIMS, name=name, run_id=name)


def ahead(*others, claims=None, seeds=range(5), planned=None, **knobs):
    runs = frame(grid(seeds, **(dict(model__dropout=[True, False]) | knobs)))
    runs["state"] = "missing"
    none = curves(runs.iloc[:0], lambda run, epoch: 0)
    planned = sweep(runs, none, claims=claims or CLAIMS, planned=planned or Planned())
    by_id = {other.run_id: other for other in others}
    return foresee(planned, list(others), by_id.__getitem__)


def test_the_luck_of_the_same_cells_says_what_five_seeds_find():
    (found,) = ahead(trained())
    spreads = likely_spreads(EVEN.std(ddof=1), len(EVEN))
    assert found.detectable == pytest.approx(detectable(spreads, 5))
    assert found.n_for_margin == seeds_to_find(0.002, spreads)
    assert (found.like.name, found.like.n_seeds, found.like.differs) == ("before", 6, {})
    assert len(found.cells) == 2 and found.n_seeds == 5
    said = told(found, dict.fromkeys(found.cells, 0.75))
    assert said == (
        f"2 cells, 5 seeds, 1.5 min. In four sweeps of five they find {100 * found.detectable:.2f}"
        " points or more, with the luck of before (6 seeds); 0.20 points matter, which"
        f" {found.n_for_margin} seeds find."
    )


def test_two_claims_share_alpha_and_find_less():
    one, (first, second) = ahead(trained()), ahead(trained(), claims=CLAIMS | {"again": claim()})
    assert first.detectable == second.detectable > one[0].detectable


def test_a_first_look_spends_half_of_alpha():
    looks = Planned((Look((0, 1, 2, 3, 4), None),), 40)
    (at_first,), (fixed,) = ahead(trained(), planned=looks), ahead(trained())
    spreads = likely_spreads(EVEN.std(ddof=1), len(EVEN))
    assert at_first.detectable == pytest.approx(detectable(spreads, 5, 0.025), rel=1e-5)
    assert at_first.detectable > fixed.detectable


def test_the_nearest_sweep_is_asked_and_what_differs_is_named():
    far = trained("far", train__epochs=[9], model__hidden_size=[7])
    near, small = trained("near", 2 * EVEN, train__epochs=[9]), trained("small", EVEN[:4] * 9)
    (found,) = ahead(far, near)
    assert found.like.name == "near" and found.like.differs == {"train.epochs": [9]}
    assert "near (6 seeds, there epochs=9)" in told(found, {})
    (found,) = ahead(far, near, small)
    assert found.like.name == "small"
    (found,) = ahead(small, trained("large"))
    assert found.like.name == "large"  # of two that are alike, the one with more seeds


@pytest.mark.parametrize(
    "there", [{"data__name": ["digits"]}, {"model__kind": ["mlp"]}, {"data__normalize": [False]}]
)
def test_other_data_and_other_networks_tell_nothing(there):
    (found,) = ahead(trained(**there))
    assert found.like is None and np.isnan(found.detectable)
    assert told(found, {}) == (
        "2 cells, 5 seeds. How small a difference they find is known once they are trained."
    )


def test_seeds_that_are_not_all_trained_do_not_count_and_two_are_too_few():
    part = trained()
    part.runs.loc[part.runs["seed"] == 5, "state"] = "failed"
    (found,) = ahead(part)
    spreads = likely_spreads(EVEN[:5].std(ddof=1), 5)
    assert found.detectable == pytest.approx(detectable(spreads, 5))
    part.runs.loc[part.runs["seed"] > 1, "state"] = "missing"
    assert ahead(part)[0].like is None


def test_uneven_luck_needs_as_many_seeds_as_its_test():
    (found,) = ahead(trained(sides=(1, 0.001)))
    assert found.by_median and found.fewest == fewest_seeds(0.05) == 6
    assert told(found, {}) == (
        "2 cells, 5 seeds. In before (6 seeds) luck was uneven: at least 6 seeds tell a direction,"
        " and these are 5."
    )


def test_what_the_design_cannot_decide_is_said_before_anything_is_trained():
    channels = claim(knob="model.channels", levels=[30, 1])
    (found,) = ahead(trained(), claims={"channels": channels})
    assert told(found, {}).startswith(
        "Cannot be decided: model.channels was not varied: it is 30 in every run"
    )


def test_the_rival_that_varies_most_is_the_winners():
    runs = frame(grid(range(6), model__channels=[1, 10, 30]))
    noise_of, channels = {1: 2.0, 10: 0.5, 30: 1.0}, [1, 10, 30]
    there = curves(runs, lambda run, epoch: noise_of[run["model.channels"]] * EVEN[run["seed"]])
    there = sweep(runs, there, run_id="there")
    wins = claim(knob="model.channels", winner=30)
    (found,) = ahead(there, claims={"wins": wins}, model__dropout=[True], model__channels=channels)
    assert len(found.cells) == 3
    spreads = likely_spreads(EVEN.std(ddof=1), 6)
    assert found.detectable == pytest.approx(detectable(spreads, 5))


def test_a_margin_that_no_hundred_seeds_find_is_said_so():
    (found,) = ahead(trained(noise=20 * EVEN))
    assert found.n_for_margin > 100
    assert told(found, {}).endswith("0.20 points matter, which 100 seeds do not find.")
    (found,) = ahead(trained(), claims={"any": claim(margin=0.0)})
    assert told(found, {}).endswith("with the luck of before (6 seeds).")
