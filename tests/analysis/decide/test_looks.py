"""Claims decided look by look, each at its part of alpha; and seeds that nobody had planned."""

import numpy as np
import pytest
import studies
from studies import NOISE, claim, curves, frame, grid

from analysis.decide import verdicts
from analysis.decide.claims import decide_all
from analysis.decide.looks import alpha_of, cells_of_open
from analysis.read.sweeps import Look, Planned
from analysis.report import answers, sentences, tables
from analysis.report.words import of_sweep

#: Dropout's effect is plain with 30 channels; with one it is small beside the seeds' noise.
CLAIMS = {
    "plain": claim(says="With 30", at={"model.channels": 30}),
    "small": claim(says="With one", at={"model.channels": 1}),
}
FIRST, SECOND = Look((0, 1, 2, 3, 4), {"plain": "SUPPORTED"}), Look((5, 6, 7, 8, 9), None)


def value(run, epoch):
    noise = 0.01 * np.random.default_rng([run["seed"], run["model.dropout"], 6]).normal()
    effect = {30: 0.1, 1: 0.015}[run["model.channels"]] * run["model.dropout"]
    return 0.5 + effect + noise


def rows(n_more=5, both=False):
    """Five seeds of four cells, and more of the cells that the small claim is about."""
    of = grid(range(5), model__channels=[1, 30], model__dropout=[True, False])
    more = grid(range(5, 5 + n_more), model__channels=[1], model__dropout=[True, False])
    more += both * grid(range(5, 5 + n_more), model__channels=[30], model__dropout=[True, False])
    return frame(of + more)


def seen(runs, *looks, claims=CLAIMS, **fields):
    planned = Planned(looks, 20) if looks else Planned()
    return studies.study(runs, curves(runs, value), claims=claims, planned=planned, **fields)


def test_a_claim_keeps_the_verdict_and_the_seeds_of_the_look_that_decided_it():
    at_first = seen(rows(0), FIRST)
    later = seen(rows(), FIRST, Look(SECOND.seeds, {"small": verdicts.DIRECTION}))
    plain, small = later.decisions
    before = at_first.decisions[0]
    assert (plain.verdict, plain.bounds, plain.look) == (verdicts.SUPPORTED, before.bounds, 1)
    assert list(plain.per_seed.index) == [0, 1, 2, 3, 4]
    assert list(small.per_seed.index) == list(range(10)) and small.look == 2
    marks = [of_sweep.marks(later, decision) for decision in later.decisions]
    assert marks == [["decided at look 1 of 3, 5 seeds"], ["decided at look 2 of 3, 10 seeds"]]
    assert list(tables.claims_frame(later)["look"]) == [1, 2]
    assert "compared with 0.025 there" in sentences.claim_text(later, plain).details[0]


def test_while_a_look_is_trained_an_open_claim_is_as_the_look_before_left_it():
    study = seen(rows(3), FIRST, SECOND)
    small = study.decisions[1]
    assert (small.verdict, small.look, len(small.per_seed)) == (verdicts.INCONCLUSIVE, 1, 5)
    assert of_sweep.marks(study, small) == ["open after look 1 of 3, 5 seeds"]
    assert study.more_seeds["small"].n_new == 5, "the next look doubles the seeds"
    assert "5 more seeds" in answers.answer(study, small).found[1]


def test_only_the_cells_of_open_claims_get_more_seeds():
    study = seen(rows(0), FIRST)
    cells = cells_of_open(study.decisions, study.cells)
    assert cells == ["channels=1 dropout=true", "channels=1 dropout=false"]


def test_a_look_spends_half_of_what_the_one_before_could_and_claims_share_it():
    assert [alpha_of(look) for look in (None, 1, 2, 3)] == [0.05, 0.025, 0.0125, 0.00625]
    study = seen(rows(), FIRST, Look(SECOND.seeds, {}))
    levels = [decision.bounds.interval.level for decision in study.decisions]
    assert levels == [1 - 0.025 / 2, 1 - 0.0125 / 2]


@pytest.mark.parametrize(
    ("given", "n_left"), [(verdicts.SUPPORTED, 1), (verdicts.EQUIVALENT, 2)], ids=str
)
def test_only_a_direction_that_was_found_leaves_its_part_to_the_others(given, n_left):
    runs = rows(0)
    study = seen(runs, FIRST)
    epochs = study.sweep.epochs
    (small,) = decide_all(CLAIMS, runs, epochs, study.cells, 0.01, settled={"plain": given})
    assert small.name == "small" and small.levels.direction == pytest.approx(0.01 / n_left)


def test_a_verdict_that_the_runs_no_longer_give_is_marked_with_the_one_that_was_recorded():
    other = Look(FIRST.seeds, {"plain": "EQUIVALENT"})
    study = seen(rows(0), other)
    assert "recorded: EQUIVALENT" in of_sweep.marks(study, study.decisions[0])


# Extensions that nobody had planned
def test_seeds_that_were_added_after_a_look_are_judged_by_what_holds_for_any_number_of_looks():
    runs = rows(both=True)
    fixed, added = seen(runs), seen(runs, looks=(5,))
    for once, always in zip(fixed.decisions, added.decisions, strict=True):
        wide, narrow = always.bounds.interval, always.fixed
        assert wide.low <= narrow.low <= narrow.high <= wide.high
        assert always.p > once.p and once.fixed is None
        assert always.bounds.equivalence.level == once.bounds.interval.level, "one interval"
    assert [d.verdict for d in fixed.decisions] == [verdicts.SUPPORTED, verdicts.SUPPORTED]
    assert added.decisions[1].verdict != verdicts.SUPPORTED
    marks = of_sweep.marks(added, added.decisions[1])
    assert marks == ["after an unplanned extension"]
    assert "hold for any number of looks" in of_sweep.declared(added)
    frame = tables.claims_frame(added)
    assert (frame["fixed_low"] > frame["low"]).all() and frame["look"].isna().all()


def test_signs_are_counted_for_any_number_of_looks_too():
    runs = frame(grid(range(6), model__dropout=[True, False]))

    def uneven(run, epoch):
        return 0.5 + 0.02 * run["model.dropout"] * (1 + abs(NOISE[run["seed"]]))

    epochs = curves(runs, uneven)
    fixed = studies.study(runs, epochs, claims={"c": claim()})
    added = studies.study(runs, epochs, claims={"c": claim()}, looks=(5,))
    assert fixed.decisions[0].by_median and fixed.decisions[0].p == pytest.approx(2 / 2**6)
    assert added.decisions[0].p == pytest.approx(0.0693, abs=1e-4)
