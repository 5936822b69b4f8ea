"""What more seeds would do for an inconclusive claim, and what they would cost."""

import numpy as np
import pytest
from studies import cells, claim, curves, frame, grid, with_effect

from analysis.decide import verdicts
from analysis.decide.beside.more_seeds import ENOUGH, MOST, Ahead, more_seeds
from analysis.decide.claims import decide
from analysis.decide.evidence import By, bounds
from analysis.report.sentences import seeds_needed
from analysis.statistics.p_values import t_p
from analysis.statistics.power import power


def ahead_of(effect, sd):
    runs, epochs = with_effect(lambda run: effect * run["model.dropout"], sd)
    epochs["time/train_s"], epochs["time/eval_s"] = 9.0, 1.0
    decision = decide(claim(), runs, epochs, cells(runs), 0.05)
    assert decision.verdict == verdicts.INCONCLUSIVE
    return decision, more_seeds(decision, runs, epochs)


def test_an_inconclusive_claim_says_how_likely_more_seeds_decide_it_and_what_they_cost():
    decision, more = ahead_of(0.003, sd=0.004)
    assert more.if_as_seen >= ENOUGH and more.if_margin < more.if_as_seen
    ahead = Ahead(decision.per_seed.to_numpy(), 0.05, 0.05, 0.002)
    assert ahead.chance(0.003, more.n_new) == more.if_as_seen
    assert ahead.chance(0.003, more.n_new - 1) < ENOUGH
    # The runs take 3 x 10 s each and were trained 30 at a time, by their first and last second.
    assert more.minutes == pytest.approx(more.n_new * 2 * 30 / 30 / 60)
    smallest = more.smallest_difference
    assert power(smallest / 0.004, 6) == pytest.approx(0.8)
    as_seen, margin, none = (
        f"{100 * c:.0f}" for c in (more.if_as_seen, more.if_margin, more.if_none)
    )
    assert seeds_needed(decision, more) == [
        f"{more.n_new} more seeds ({more.minutes:.1f} min at the measured speed) decide it with a"
        f" chance of {as_seen} % if the difference is what was seen, {margin} % if it is just the"
        f" margin, {none} % if there is none. With 6 seeds, a difference of {100 * smallest:.2f}"
        " points is found in four sweeps of five."
    ]


def test_a_difference_within_the_margin_is_to_be_shown_to_be_none():
    decision, more = ahead_of(0.0005, sd=0.004)
    assert more.if_none >= ENOUGH > Ahead(
        decision.per_seed.to_numpy(), 0.05, 0.05, 0.002
    ).chance(0.0, more.n_new - 1)  # fmt: skip


def test_what_a_hundred_seeds_do_not_decide_is_not_worth_it():
    decision, more = ahead_of(0.0025, sd=0.03)
    assert more.n_new is None and more.minutes == 0
    assert seeds_needed(decision, more)[0].startswith(f"{MOST} more seeds would decide it with a")
    assert ": not worth it. With 6 seeds" in seeds_needed(decision, more)[0]


def test_a_large_effect_in_much_noise_needs_few_seeds_for_its_direction():
    """Ten margins, and the noise the same: the interval need not become as narrow as the margin."""
    _, more = ahead_of(0.02, sd=0.03)
    assert 1 <= more.n_new <= 30


@pytest.mark.parametrize("of", ["next look", "offered"])
@pytest.mark.parametrize(
    "truth, sd",
    # Four margins with the luck of one are found by five seeds.
    [(truth, sd) for sd in (1.0, 2.0, 4.0) for truth in (0.0, 1.0, 2.0, 4.0) if truth < 4 * sd],
)
def test_a_chance_is_about_what_happens_under_the_truth_that_it_names(truth, sd, of):
    random, said, was = np.random.default_rng(1), [], []
    for _ in range(250):
        seeds = truth + sd * random.normal(size=5)
        both = bounds(seeds, 0.05, By.MEAN)
        if verdicts.verdict(both, "either", 1.0, t_p(seeds) <= 0.05) != verdicts.INCONCLUSIVE:
            continue
        ahead = Ahead(seeds, 0.05, 0.05, 1.0)
        n_new = len(seeds) if of == "next look" else ahead.fewest() or MOST
        said.append(ahead.chance(truth, n_new))
        all_seeds = np.concatenate([seeds, truth + sd * random.normal(size=n_new)])
        both = bounds(all_seeds, 0.05, By.MEAN)
        given = verdicts.verdict(both, "either", 1.0, t_p(all_seeds) <= 0.05)
        was.append(given != verdicts.INCONCLUSIVE)
    # Ten points, and three standard errors of counting.
    error = 3 * np.sqrt(0.25 / len(was))
    assert np.mean(said) == pytest.approx(np.mean(was), abs=0.1 + error)


def test_seeds_too_few_for_any_look_that_are_all_the_same_are_undecided_ones():
    ahead = Ahead(np.full(2, 0.5), 0.05, 0.05, 1.0, for_any_looks=True)
    assert ahead.chance(0.5, 1) == 0
    assert ahead.chance(0.5, 30) == 1


def test_of_uneven_luck_the_fewest_seeds_are_said_that_can_decide():
    runs = frame(grid(range(5), model__dropout=[True, False]))
    epochs = curves(
        runs,
        lambda run, epoch: (
            0.9
            + 0.01 * run["model.dropout"] * (1 + abs(np.random.default_rng(run["seed"]).normal()))
        ),
    )
    epochs["time/train_s"], epochs["time/eval_s"] = 9.0, 1.0
    decision = decide(claim(), runs, epochs, cells(runs), 0.05)
    more = more_seeds(decision, runs, epochs)
    assert decision.by_median and more.n_new == 1  # 2 / 2^6 is the first below 0.05
    assert seeds_needed(decision, more)[0].startswith(
        "5 seeds cannot decide it where luck is so uneven: 1 more ("
    )
