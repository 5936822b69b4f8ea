"""The made-up looks are those of the analysis, and rarely wrong."""

from dataclasses import replace

import numpy as np
import pytest
import studies
from studies import cells, claim, curves, frame, grid

from analysis.decide import verdicts
from analysis.decide.looks import decide_look
from analysis.read.sweeps import Look, Planned
from benchmarks import looks

CLAIMS = {
    "plain": claim(at={"model.channels": 30}, direction="either", margin=1.0),
    "small": claim(at={"model.channels": 1}, direction="either", margin=1.0),
}
ARMS = [(30, True), (30, False), (1, True), (1, False)]
WEIGHTS = np.array([[1.0, -1.0, 0.0, 0.0], [0.0, 0.0, 1.0, -1.0]])


def by_analysis(values):
    """The verdict of each claim and its number of seeds, by the analysis's own looks."""
    runs = frame(grid(range(40), model__channels=[1, 30], model__dropout=[True, False]))

    def value(run, epoch):
        return values[run["seed"], ARMS.index((run["model.channels"], run["model.dropout"]))]

    epochs = curves(runs, value, n_epochs=1)
    sweep, of, found = studies.sweep(runs, epochs, CLAIMS), [], {}
    for number, n in enumerate(looks.SIZES, 1):
        of.append(Look(tuple(range(n // 2 if of else 0, n)), None))
        sweep = replace(sweep, planned=Planned(tuple(of), 40))
        seen = decide_look(sweep, number, runs, epochs, cells(runs))
        found |= {decision.name: (decision.verdict, n) for decision in seen}
        decided = {d.name: d.verdict for d in seen if d.verdict != verdicts.INCONCLUSIVE}
        of[-1] = replace(of[-1], decided=decided)
    return [found[name] for name in CLAIMS]


@pytest.mark.long
def test_made_up_looks_decide_as_the_analysis_does():
    values = np.random.default_rng(0).normal(size=(4, 40, 4)) + [3.0, 0.0, 0.7, 0.0]
    expected = [by_analysis(of_sweep) for of_sweep in values]
    assert [looks.until_decided(of_sweep, WEIGHTS, 1.0) for of_sweep in values] == expected
    assert {n for of_sweep in expected for _, n in of_sweep} >= {5, 40}


def test_looks_without_any_effect_find_one_in_a_sweep_of_twenty_at_most():
    row = looks.without_effect("normal", 2, 1.0, 80)
    assert row["wrong"] <= 0.05
