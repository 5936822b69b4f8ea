"""Divergence as an outcome: what a claim counts, and a run that is worse than any number."""

import numpy as np
import pytest
import studies
from studies import NOISE, cells, claim, curves, frame, grid

from analysis.decide import verdicts
from analysis.decide.beside.multiverse import multiverse
from analysis.decide.claims import decide
from analysis.report.answers import answer
from analysis.report.page import pages
from analysis.report.pictures.curves import contrast_curve
from analysis.report.pictures.effects import estimation_plot
from analysis.report.sentences import details, finding
from runner.record import DIVERGES

LR = dict(knob="optimizer.lr", levels=[10.0, 0.1])


def runs_of(diverges, value=lambda run: 0.9, seeds=range(8), **knobs):
    """Runs of which those diverged that `diverges(run)` names."""
    runs = frame(grid(seeds, **(dict(optimizer__lr=[10.0, 0.1]) | knobs)))
    runs["state"] = ["diverged" if diverges(run) else "done" for run in runs.to_dict("records")]
    done = runs[runs["state"] == "done"]
    return runs, curves(done, lambda run, epoch: value(run)) if len(done) else curves(
        runs, lambda *_: 0.0
    )[:0]


def decided(runs, epochs, **fields):
    return decide(
        claim(**(LR | dict(metric=DIVERGES, margin=0.1) | fields)), runs, epochs, cells(runs), 0.05
    )


def at_ten(n):
    """The first n seeds diverge at 10."""
    return lambda run: run["optimizer.lr"] == 10.0 and run["seed"] < n


# =============================================================================
# The share of runs that diverge
# =============================================================================
@pytest.mark.parametrize(("n", "p"), [(8, 2 / 2**8), (6, 2 / 2**6), (5, 2 / 2**5), (0, 1.0)])
def test_the_direction_has_the_p_of_mcnemars_test(n, p):
    decision = decided(*runs_of(at_ten(n)))
    assert decision.p == pytest.approx(p) and decision.by == "share"
    assert decision.bounds.interval.estimate == n / 8
    assert (decision.verdict != verdicts.INCONCLUSIVE) == (p <= 0.05)


def test_all_against_none_has_the_limits_of_clopper_and_pearson():
    decision = decided(*runs_of(at_ten(8)))
    least = 0.0125 ** (1 / 8)  # of each share, at half the error of each end
    interval = decision.bounds.interval
    assert (interval.low, interval.high) == pytest.approx((least - (1 - least), 1.0))
    assert decision.verdict == verdicts.SUPPORTED  # 15.6 points at least, margin 10


def test_where_nothing_diverges_in_enough_seeds_both_are_equivalent():
    runs, epochs = runs_of(at_ten(0), seeds=range(40))
    decision = decided(runs, epochs)
    most = 1 - 0.025 ** (1 / 40)
    both = decision.bounds.equivalence
    assert (both.low, both.high) == pytest.approx((-most, most))
    assert decision.verdict == verdicts.EQUIVALENT


def test_seeds_in_which_both_diverge_say_nothing():
    both = decided(*runs_of(lambda run: run["seed"] < 3 or at_ten(8)(run)))
    assert both.p == 2 / 2**5 and both.per_seed.tolist() == [0.0] * 3 + [1.0] * 5


def test_other_ways_to_compute_it_the_page_and_its_figures_take_an_outcome():
    runs, epochs = runs_of(at_ten(7), model__dropout=[True, False])
    made = studies.study(runs, epochs, claims={"one": claim(**LR, metric=DIVERGES, margin=0.1)})
    (decision,) = made.decisions
    assert len(made.multiverses["one"].verdicts) == 9 and not made.pairings
    assert answer(made, decision).found[1] == (
        "Diverged: 14 of 16 runs with lr=10.0, 0 of 16 with lr=0.1."
    )
    assert "McNemar's exact test" in " ".join(details(decision, made.multiverses["one"]))
    page = pages(made, [])["report.html"]
    assert estimation_plot(decision) and contrast_curve(made, decision) is None
    assert "+88 points" in page and "14 of 16 runs" in page


# =============================================================================
# A run that diverged is worse than any number
# =============================================================================
def ranked(diverges, value=lambda run: 0.9 - 0.01 * (run["optimizer.lr"] == 10.0), **fields):
    given = dict(metric="final(test/accuracy)", direction="less", margin=0.002, missing="worst")
    return decided(*runs_of(diverges, value, **fields.pop("knobs", {})), **(given | fields))


def test_the_default_refuses_and_says_what_would_count_them():
    decision = ranked(at_ten(1), missing="refuse")
    assert decision.verdict == verdicts.NOT_TESTABLE
    assert (
        decision.reason.startswith("1 of 16 runs diverged") and "missing: worst" in decision.reason
    )


def noisy(run):
    return 0.9 + 0.001 * NOISE[run["seed"] % 6] - 0.01 * (run["optimizer.lr"] == 10.0)


def test_a_run_that_diverged_lies_beyond_all_others():
    decision = ranked(at_ten(3), noisy)
    d = decision.per_seed.to_numpy()
    assert d[:3].tolist() == [-np.inf] * 3 and d[3:] == pytest.approx([-0.01] * 5)
    assert decision.p == 2 / 2**8 and decision.by == "median" and decision.n_diverged == 3
    interval = decision.bounds.interval  # at 95 %, from the least to the largest of 8 but one
    assert (interval.low, interval.estimate, interval.high) == pytest.approx(
        (-np.inf, -0.01, -0.01)
    )
    assert decision.verdict == verdicts.SUPPORTED
    assert "at most \N{MINUS SIGN}1.00 points" in finding(decision)


def test_where_nothing_diverged_it_is_judged_as_any_claim():
    asked, plain = (ranked(at_ten(0), noisy, missing=missing) for missing in ("worst", "refuse"))
    assert asked.bounds == plain.bounds and asked.verdict == plain.verdict


def test_two_that_diverged_are_a_tie():
    decision = ranked(lambda run: run["seed"] == 0)
    assert decision.per_seed.tolist() == pytest.approx([0.0] + [-0.01] * 7)
    # The tie counts against either sign: 7 of 8.
    assert decision.p == pytest.approx(2 * 9 / 2**8)


@pytest.mark.parametrize(
    ("metric", "direction"),
    [("final(test/loss)", "greater"), ("epochs_to(test/accuracy, 0.5)", "greater"),
     ("auc(test/accuracy)", "less"), ("final(test/accuracy)", "less")],
)  # fmt: skip
def test_worse_is_what_the_metric_says(metric, direction):
    decision = ranked(at_ten(8), lambda run: 0.9, metric=metric, direction=direction)
    assert decision.bounds.interval.estimate == {"greater": np.inf, "less": -np.inf}[direction]
    assert decision.verdict in (verdicts.SUPPORTED, verdicts.DIRECTION)


def test_divergence_on_both_sides_at_other_settings_cancels():
    """In each seed one side diverges with dropout, and the other without."""
    decision = ranked(
        lambda run: (run["optimizer.lr"] == 10.0) == run["model.dropout"],
        knobs=dict(model__dropout=[True, False]),
    )
    assert decision.per_seed.tolist() == [0.0] * 8
    # What holds at each setting is seen all the same.
    assert decision.verdict == verdicts.DEPENDS and decision.depends_on == ["dropout"]


def test_where_every_run_diverged_nothing_is_compared():
    decision = ranked(lambda run: True)
    assert (decision.verdict, decision.reason) == (
        verdicts.NOT_TESTABLE, "every run diverged, so that none is better than another",
    )  # fmt: skip


def test_the_answer_says_at_least_and_the_page_and_its_figures_take_infinite_ends():
    runs, epochs = runs_of(at_ten(6), noisy)
    fields = dict(metric="final(test/accuracy)", direction="less", missing="worst")
    made = studies.study(runs, epochs, claims={"one": claim(**LR, **fields)})
    (decision,) = made.decisions
    found = answer(made, decision)
    assert found.word == "YES"
    assert found.found == [
        "lr=10.0 diverges in the median seed, surely at least 1.00 points lower. In 8 of 8"
        " seeds, and the median seed is judged.",
        "6 runs diverged, which is worse than any number: what is said is of the median seed.",
    ]
    assert "sign-flip test on ranks" in " ".join(
        details(decision, multiverse(decision, runs, epochs))
    )
    assert estimation_plot(decision) and contrast_curve(made, decision) is None
    assert "below any number in the median seed" in pages(made, [])["report.html"]


def test_a_best_level_that_diverges_in_one_seed_ranks_last_there():
    """The others tell seed 0 that 10.0 is best, and it tells them that it is not."""
    runs = frame(grid(range(6), optimizer__lr=[10.0, 0.1], model__dropout=[True, False]))
    with_dropout = runs["model.dropout"].astype(bool)
    diverged = (runs["optimizer.lr"] == 10.0) & (runs["seed"] == 0) & with_dropout
    runs.loc[diverged, "state"] = "diverged"

    def value(run, epoch):
        of = 0.9 + 0.02 * (run["optimizer.lr"] == 10.0) * run["model.dropout"]
        return {"val/accuracy": of, "test/accuracy": of + 0.001 * NOISE[run["seed"]]}

    fields = dict(best_over=["optimizer.lr"], chosen_on="final(val/accuracy)")
    told, worst = (
        decide(
            claim(**fields, missing=missing),
            runs,
            curves(runs[~diverged], value),
            cells(runs),
            0.05,
        )
        for missing in ("refuse", "worst")
    )
    assert told.verdict == verdicts.NOT_TESTABLE and "1 of 12 runs diverged" in told.reason
    assert worst.per_seed.tolist() == pytest.approx([-np.inf] + [0.0] * 5)
