"""Contrasts and tests on published experiments, against the numbers that R prints of them."""

import numpy as np
import pandas as pd
import pytest
from oracles import TEETH, npk
from scipy import stats
from studies import cells, claim, curves, frame, grid

from analysis.decide.beside.exploratory import exploratory_contrasts
from analysis.design.confounds import not_estimable
from analysis.design.contrasts import contrasts_of
from analysis.design.within_seed import per_seed, table
from analysis.statistics.intervals import t_interval


@pytest.mark.parametrize(
    "factor, effect, p", [("N", 5.617, 0.00437), ("P", -1.183, 0.47490), ("K", -3.983, 0.02880)]
)
def test_the_main_effects_of_npk_are_those_that_r_prints(factor, effect, p):
    plots = npk()
    means = plots.pivot_table(index="block", columns=factor, values="yield")
    d = per_seed(means, {1: 1.0, 0: -1.0})
    interval = t_interval(d)
    assert interval.estimate == pytest.approx(effect, abs=5e-4)
    # Each factor is balanced within the blocks, so the pooled error is that of the whole model:
    # blocks and all that can be told apart, 12 degrees of freedom. The p value that R prints is
    # that of this ratio.
    terms = [("block",), ("N",), ("P",), ("K",), ("N", "P"), ("N", "K"), ("P", "K")]
    assert not_estimable(plots[["block", *"NPK"]], terms) == []
    design = np.column_stack(
        [plots["block"] == b for b in range(1, 7)]
        + [np.prod([2 * plots[f] - 1 for f in term], axis=0) for term in terms[1:]]
    ).astype(float)
    left = plots["yield"] - design @ np.linalg.lstsq(design, plots["yield"], rcond=None)[0]
    assert (left**2).sum() == pytest.approx(185.29, abs=5e-3) and len(
        plots
    ) - np.linalg.matrix_rank(design) == 12
    t = interval.estimate / np.sqrt((left**2).sum() / 12 * (1 / 12 + 1 / 12))
    assert 2 * stats.t.sf(abs(t), 12) == pytest.approx(p, abs=5e-6)


def test_the_standard_error_of_npk_in_the_model_of_blocks_n_and_k_is_the_printed_one():
    plots = npk()
    design = np.column_stack(
        [plots["block"] == b for b in range(1, 7)] + [plots["N"], plots["K"]]
    ).astype(float)
    fitted, *_ = np.linalg.lstsq(design, plots["yield"], rcond=None)
    square = ((plots["yield"] - design @ fitted) ** 2).sum() / (24 - 8)
    assert np.sqrt(square * np.linalg.inv(design.T @ design)[6, 6]) == pytest.approx(
        1.609, abs=5e-4
    )
    for place, factor in ((6, "N"), (7, "K")):
        means = plots.pivot_table(index="block", columns=factor, values="yield")
        assert per_seed(means, {1: 1.0, 0: -1.0}).mean() == pytest.approx(fitted[place], abs=1e-9)


def test_the_contrasts_of_tooth_growth_give_its_sums_of_squares():
    rows = [
        {"model.kind": supplement, "optimizer.lr": dose, "seed": animal}
        for (supplement, dose), lengths in TEETH.items()
        for animal in range(len(lengths))
    ]
    runs = frame(rows)
    lengths = pd.Series([x for column in TEETH.values() for x in column], index=runs.index)
    numbers = table(runs, lengths)
    (supplement,) = contrasts_of(claim(knob="model.kind", levels=["OJ", "VC"]), cells(runs))
    assert per_seed(numbers, supplement.weights).mean() == pytest.approx(3.70)
    # A mean difference m of two halves of 60 animals has the sum of squares 60 (m / 2)**2.
    assert 60 * (per_seed(numbers, supplement.weights).mean() / 2) ** 2 == pytest.approx(
        205.35, abs=1e-9
    )
    each = [per_seed(numbers, one.weights).mean() for one in supplement.simples]
    interaction = sum(20 * ((d - 3.70) / 2) ** 2 for d in each)
    assert interaction == pytest.approx(108.319, abs=1e-6)
    residual = sum(((x - x.mean()) ** 2).sum() for x in (numbers[cell] for cell in numbers))
    assert residual == pytest.approx(712.106, abs=1e-6)
    assert (interaction / 2) / (residual / 54) == pytest.approx(4.106991, abs=5e-7)


def test_an_interaction_is_the_difference_of_the_simple_effects():
    # Deltas 10.0 and -0.375 of the heart rates in DABEST's tests: delta-delta -10.375.
    runs = frame(grid(range(2), model__channels=[1, 30], model__dropout=[False, True]))
    arms = {(1, False): 0.0, (1, True): 10.0, (30, False): 0.0, (30, True): -0.375}

    def value(run, epoch):
        arm = run["model.channels"], run["model.dropout"]
        return arms[arm] + (2 * run["seed"] - 1) * (arm == (30, True))

    epochs = curves(runs, value)
    found = exploratory_contrasts(runs, epochs, cells(runs)).set_index(["contrast", "metric"])[
        "estimate"
    ]
    # One seed is 1 above in the last arm and one 1 below.
    assert (
        found[
            "channels=30 minus channels=1 at dropout=true less at dropout=false",
            "final(test/accuracy)",
        ]
        == -10.375
    )
    assert found["dropout=true minus dropout=false", "final(test/accuracy)"] == (10 - 0.375) / 2
