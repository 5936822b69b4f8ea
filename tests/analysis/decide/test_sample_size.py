"""How many seeds would decide an inconclusive claim, and what they would cost."""

import pytest
from studies import cells, claim, with_effect

from analysis.decide.claims import decide
from analysis.decide.sample_size import sample_size
from analysis.report.sentences import seeds_needed
from analysis.statistics.power import power


def test_an_inconclusive_claim_says_how_many_seeds_more_and_what_they_cost():
    runs, epochs = with_effect(lambda run: 0.001 * run["model.dropout"], sd=0.004)
    epochs["time/train_s"], epochs["time/eval_s"] = 9.0, 1.0
    decision = decide(claim(), runs, epochs, cells(runs), 0.05)
    needed = sample_size(decision, runs, epochs)
    # t(n-1) * 0.004 / sqrt(n) <= 0.002 first holds for 18 seeds: 2.1098 * 0.004 / sqrt(18) =
    # 0.00199.
    assert (needed.n_seeds, needed.n_new) == (18, 12)
    # The runs take 3 x 10 s each and were trained 30 at a time, by their first and last second.
    assert needed.minutes == pytest.approx(12 * 2 * 30 / 30 / 60)
    smallest = needed.smallest_difference
    assert seeds_needed(decision, needed) == (
        "About 12 more seeds (0.4 min at the measured speed) would make the interval as narrow as"
        " the margin."
        f" With 6 seeds, a difference of {100 * smallest:.2f} points is found in four sweeps of"
        " five."
    )
    assert power(smallest / 0.004, 6) == pytest.approx(0.8)
