"""Uneven luck, of one side or skewed: from which runs it is known, and what is said then."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from studies import cells, claim, curves, frame, grid

from analysis.decide import verdicts
from analysis.decide.beside.multiverse import multiverse
from analysis.decide.claims import decide, decide_all
from analysis.decide.evidence import evidence_on, fewest_seeds
from analysis.design.luck import Side, skewed, typical_ratios, unevenness
from analysis.design.within_seed import cells_and_weights
from analysis.report.sentences import details

SEEDS = range(8)
#: Values with mean 0 and a standard deviation of 1 in two cells, of which the second is not alike.
ONE = np.array([-1.2, 1.1, -0.5, 0.4, -0.9, 1.1, 0.3, -0.3])
OTHER = np.roll(ONE[::-1], 3)


def uneven(table, weights):
    return unevenness(*cells_and_weights(table, weights))


def test_the_variances_of_a_sides_cells_are_averaged():
    table = pd.DataFrame({"a": 3 * ONE, "b": 5 * OTHER, "c": ONE, "d": OTHER})
    weights = {"a": 0.5, "b": 0.5, "c": -0.5, "d": -0.5}
    assert uneven(table, weights) == pytest.approx(np.sqrt((9 + 25) / 2))
    assert uneven(table, {"a": -1.0, "c": 1.0}) == pytest.approx(3)
    assert np.isnan(uneven(table * 0, weights)), "none varies"
    assert uneven(table.assign(c=1.0), {"a": 1.0, "c": -1.0}) == np.inf


def test_a_cell_counts_by_its_weight_squared_as_in_the_variance_of_a_slope():
    """The last level's luck, three times that of the others, is most of the slope's."""
    table = pd.DataFrame({"1": ONE, "2": OTHER, "4": ONE, "8": 3 * OTHER})
    weights = {"1": -0.3, "2": -0.1, "4": 0.1, "8": 0.3}
    assert uneven(table, weights) == pytest.approx(np.sqrt((0.01 + 0.09 * 9) / 0.1))
    # A cell without weight is no part of it.
    middle = {"1": -0.5, "2": 0.0, "4": 0.5}
    assert uneven(table.assign(**{"2": 100 * ONE}), middle) == pytest.approx(1)


def test_cells_that_are_uneven_beside_each_other_are_no_uneven_sides():
    """Each side has one noisy cell and one quiet one."""
    table = pd.DataFrame({"a": 5 * ONE, "b": OTHER, "c": 5 * OTHER, "d": ONE})
    weights = {"a": 0.5, "b": 0.5, "c": -0.5, "d": -0.5}
    assert not evidence_on(table, weights, 0.05).by_median


#: Most of nine seeds lie close together and a few far above, as the exponential distribution has
#: it; and two cells of nine seeds whose luck is even.
FAR_ABOVE = -np.log(1 - (np.arange(9) + 0.5) / 9)
EVEN = np.append(ONE, 0.0), np.append(OTHER, 0.0)


def cells_skewed(n_seeds=9, n_cells=6):
    """Cells whose luck is skewed and alike, in other orders, so that they share none of it."""
    rng = np.random.default_rng(0)
    return np.stack([rng.permutation(FAR_ABOVE)[:n_seeds] for _ in range(n_cells)], axis=1)


def test_luck_is_skewed_where_all_cells_show_it_together_beyond_chance():
    assert skewed(cells_skewed()) and skewed(-cells_skewed())
    assert not skewed(cells_skewed(n_cells=2)), "two cells of normal luck may be so by chance"
    signs = np.array([1, -1, 1, -1, 1, -1])
    assert not skewed(signs * cells_skewed()), "each half of the cells to another side"
    many = np.random.default_rng(1).gamma(30, size=(40, 50))
    assert not skewed(many), "surely skewed, and by so little that it misleads no t test"
    assert not skewed(np.where(cells_skewed() > 2, np.inf, 0.0))
    assert not skewed(cells_skewed(1)), "one seed"


def test_a_contrast_of_cells_that_look_even_is_judged_by_the_median_where_others_are_skewed():
    others = pd.DataFrame(cells_skewed(), columns=list("cdefgh"))
    table, weights = others.assign(a=EVEN[0], b=EVEN[1]), {"a": -1.0, "b": 1.0}
    assert not evidence_on(table[["a", "b"]], weights, 0.05).by_median
    assert evidence_on(table, weights, 0.05).by_median
    # The sign test of eight seeds of nine has p = 2 * 10 / 512: their mean is judged below it.
    assert evidence_on(table, weights, 0.0391).by_median
    assert not evidence_on(table, weights, 0.039).by_median


@pytest.mark.parametrize("n_seeds, by_median", [(8, False), (9, True)])
def test_a_claim_knows_skewed_luck_from_all_cells_of_the_sweep(n_seeds, by_median):
    levels = [1, 2, 4, 8, 16, 32, 64, 128]
    runs = frame(grid(range(n_seeds), model__channels=levels))
    luck = cells_skewed(n_cells=8)

    def value(run, epoch):
        place, seed = levels.index(run["model.channels"]), run["seed"]
        return 0.9 + 0.001 * (EVEN[place][seed] if place < 2 else luck[seed, place])

    epochs = curves(runs, value)
    two = claim(knob="model.channels", levels=[1, 2])
    decision = decide(two, runs, epochs, cells(runs), 0.05)
    assert decision.by_median == by_median and decision.luck.unevenness < 2.5
    alone = runs[runs["model.channels"] < 4]
    assert not decide(two, alone, epochs, cells(alone), 0.05).by_median
    # A cell with a run that failed has no part in it, and the others still tell it.
    runs.loc[(runs["model.channels"] == 128) & (runs["seed"] == 3), "state"] = "failed"
    assert decide(two, runs, epochs, cells(runs), 0.05).by_median == by_median
    if by_median:
        said = " ".join(details(decision, multiverse(decision, runs, epochs)))
        assert "Luck is uneven: the metric of some seeds lies far off from the others" in said


def sized(noise, effect=lambda run: 0.0, seeds=SEEDS):
    """Dropout at two numbers of channels; `noise(run)` is the size of a run's own luck."""
    runs = frame(grid(seeds, model__channels=[1, 30], model__dropout=[True, False]))

    def value(run, epoch):
        shape = ONE if run["model.dropout"] else OTHER
        return 0.9 + effect(run) * run["model.dropout"] + noise(run) * shape[run["seed"]]

    return runs, curves(runs, value)


def test_a_claim_about_one_setting_knows_luck_from_all_settings():
    """The runs with dropout vary ten times as much, and by chance only twice as much at one."""

    def noise(run):
        if not run["model.dropout"]:
            return 0.0001
        return 0.0002 if run["model.channels"] == 1 else 0.002

    runs, epochs = sized(noise)
    about_one = claim(at={"model.channels": 1})
    decision = decide(about_one, runs, epochs, cells(runs), 0.05)
    assert decision.by_median
    assert decision.luck.unevenness == pytest.approx(np.sqrt((2**2 + 20**2) / 2))
    alone = runs[runs["model.channels"] == 1]
    assert not decide(about_one, alone, epochs, cells(alone), 0.05).by_median
    # Runs at the other setting that failed tell nothing, and the claim is not about them.
    runs.loc[(runs["model.channels"] == 30) & (runs["seed"] == 3), "state"] = "failed"
    epochs = epochs[epochs["run_key"].isin(runs.index[runs["state"] == "done"])]
    decision = decide(about_one, runs, epochs, cells(runs), 0.05)
    assert decision.luck.unevenness == pytest.approx(2)


def test_an_answer_that_all_settings_have_needs_no_adjustment_for_their_number():
    runs, epochs = sized(
        lambda run: 0.002 if run["model.dropout"] else 0.0001,
        effect=lambda run: 0.03 if run["model.channels"] == 1 else 0.015,
    )
    decision = decide(claim(), runs, epochs, cells(runs), 0.05 / 6)
    assert decision.by_median and decision.p_same < 0.05 / 6
    # All eight seeds agree at both settings, which is the least that eight seeds can show of six
    # claims: half of alpha for each setting would ask for nine.
    assert fewest_seeds(0.05 / 6) == 8 < fewest_seeds(0.05 / 12) == 9
    assert decision.verdict == verdicts.SUPPORTED and decision.depends_on == []


def test_an_answer_that_one_setting_has_not_is_no_answer_of_all():
    runs, epochs = sized(
        lambda run: 0.002 if run["model.dropout"] else 0.0001,
        effect=lambda run: 0.03 if run["model.channels"] == 1 else 0.0,
    )
    decision = decide(claim(), runs, epochs, cells(runs), 0.05)
    assert decision.verdict == verdicts.DEPENDS and decision.depends_on == ["channels"]


def test_seeds_are_left_out_where_those_that_remain_are_enough_for_the_test():
    def choices(alpha):
        runs, epochs = sized(
            lambda run: 0.002 if run["model.dropout"] else 0.0001, effect=lambda run: 0.03
        )
        decision = decide(claim(), runs, epochs, cells(runs), alpha)
        assert decision.by_median and decision.verdict == verdicts.SUPPORTED
        return multiverse(decision, runs, epochs).verdicts

    assert not any("without seed" in choice for choice in choices(0.05 / 6))
    assert sum("without seed" in choice for choice in choices(0.05)) == len(SEEDS)


# =============================================================================
# Contrasts that share a side
# =============================================================================


def sides(**spreads):
    """Contrasts of a side `base`, of spread 1, with sides of these spreads."""
    return [(Side("base", 1.0), Side(name, spread)) for name, spread in spreads.items()]


def test_of_contrasts_that_share_a_side_the_median_ratio_counts():
    ratios = typical_ratios
    three = sides(a=2.0, b=4.0, c=37.0)
    assert ratios(three) == pytest.approx([4.0] * 3), "one that varies most of all says little"
    assert ratios([sides[::-1] for sides in three]) == pytest.approx([4.0] * 3)
    assert ratios(sides(a=0.5, b=0.25, c=1.0)) == pytest.approx([0.5] * 3), "or varies less"
    assert ratios(sides(a=2.0, b=8.0)) == [1.0] * 2, "two are few"
    assert ratios([*sides(a=2.0, b=8.0), *sides(a=2.0)]) == [1.0] * 3, "and one twice is one"
    assert ratios(sides(a=2.0, b=8.0, c=0.0, d=np.nan)) == [1.0] * 4, "and so without luck"
    assert ratios([*three, (Side("a", 2.0), Side("d", 1.0))]) == pytest.approx([4.0] * 3 + [1.0])
    assert ratios([]) == []


#: Luck over eight seeds, each uncorrelated with the others: the rows of a Hadamard matrix but the
#: first.
SHARED, OF_BASE, *OF_PARTS = [
    np.array([(-1.0) ** (row & seed).bit_count() for seed in SEEDS]) for row in range(1, 8)
]


def star(of_base, of_parts, effect=0.0):
    """Six parts that are taken away one at a time; how much luck the runs have of their own.

    Each seed brings luck of size 1 to all its runs.
    """
    runs = frame(grid(SEEDS, model__channels=[2**place for place in range(7)]))

    def value(run, epoch):
        place, seed = int(np.log2(run["model.channels"])), run["seed"]
        part = OF_PARTS[place % len(OF_PARTS)]
        own = of_parts * part[seed] if place else of_base * OF_BASE[seed]
        return 0.9 + 0.001 * (SHARED[seed] + own - effect * (place > 0))

    claims = {
        f"part {place}": claim(knob="model.channels", levels=[2**place, 1]) for place in range(1, 7)
    }
    return claims, runs, curves(runs, value)


def luck_said(decisions, runs, epochs):
    return " ".join(details(decisions[0], multiverse(decisions[0], runs, epochs)))


def test_claims_that_share_a_cell_know_its_luck_from_each_other():
    claims, runs, epochs = star(1.0, 3.0)
    decisions = decide_all(claims, runs, epochs, cells(runs))
    ratio = np.sqrt((1 + 3**2) / (1 + 1))
    assert [d.luck.unevenness for d in decisions] == pytest.approx([ratio] * 6)
    assert [d.luck.beside for d in decisions] == pytest.approx([ratio] * 6)
    assert 1.75 < ratio < 2.5 and all(d.by_median for d in decisions)
    told = "varies 2.2 times as much over the seeds in the cells that claims compare with one side"
    assert f"Luck is uneven: the metric {told} as there" in luck_said(decisions, runs, epochs)
    # Two of the claims do not, and neither do six of cells that have the same luck.
    two = dict(list(claims.items())[:2])
    assert not any(d.by_median for d in decide_all(two, runs, epochs, cells(runs)))
    claims, runs, epochs = star(1.0, 1.0)
    assert not any(d.by_median for d in decide_all(claims, runs, epochs, cells(runs)))


def test_a_cell_that_has_more_luck_than_those_that_it_is_compared_with_is_as_uneven():
    claims, runs, epochs = star(3.0, 1.0)
    decisions = decide_all(claims, runs, epochs, cells(runs))
    assert all(d.by_median and d.luck.beside < 1 for d in decisions)
    assert "varies 2.2 times as little over the seeds" in luck_said(decisions, runs, epochs)


def test_what_an_earlier_look_decided_still_tells_of_luck():
    claims, runs, epochs = star(1.0, 3.0, effect=20.0)
    settled = {name: verdicts.DIRECTION for name in list(claims)[1:]}
    (still,) = decide_all(claims, runs, epochs, cells(runs), settled=settled)
    assert still.name == "part 1" and still.by_median


def test_another_metric_of_the_same_cells_has_other_luck():
    claims, runs, epochs = star(1.0, 3.0)
    first, *others = claims
    claims |= {name: replace(claims[name], metric="final(test/loss)") for name in others}
    decisions = decide_all(claims, runs, epochs, cells(runs))
    assert [d.by_median for d in decisions] == [False] + [True] * 5
